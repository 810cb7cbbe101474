//! The input as a client certificate, and as a configured subject.
#![no_main]

use ftpdlib_authorizers::{CertificateSubject, VerifiedCertificate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = VerifiedCertificate::from_der(bytes) {
        let subject = certificate.subject();
        assert!(certificate.has_subject(subject));
        let names = certificate.common_names().iter();
        for name in names.chain(certificate.alternative_names()) {
            assert!(certificate.has_name(name));
        }
        let _ = subject.to_string();
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(subject) = text.parse::<CertificateSubject>()
    {
        assert_eq!(subject, subject.clone());
        let _ = subject.to_string();
    }
});
