//! The client certificates that log a user in.

use crate::{CertificateSubject, VerifiedCertificate};

/// The certificates that log a user in without a password, by subject or name.
#[derive(Clone, Debug, Default)]
pub(crate) struct AcceptedCertificates {
    subjects: Vec<CertificateSubject>,
    names: Vec<String>,
}

impl AcceptedCertificates {
    pub(crate) fn add_subject(&mut self, subject: CertificateSubject) {
        self.subjects.push(subject);
    }

    pub(crate) fn add_name(&mut self, name: String) {
        self.names.push(name);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.names.is_empty()
    }

    pub(crate) fn accepts(&self, certificate: &VerifiedCertificate) -> bool {
        let of_subject = |subject| certificate.has_subject(subject);
        let of_name = |name: &String| certificate.has_name(name);
        self.subjects.iter().any(of_subject) || self.names.iter().any(of_name)
    }
}
