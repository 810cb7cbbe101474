//! Who is let in by a certificate.

use crate::{CertificateSubject, VerifiedCertificate};

/// Whose certificates let a user in without a password.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owner {
    subjects: Vec<CertificateSubject>,
    names: Vec<String>,
}

impl Owner {
    pub(crate) fn add_subject(&mut self, subject: CertificateSubject) {
        self.subjects.push(subject);
    }

    pub(crate) fn add_name(&mut self, name: String) {
        self.names.push(name);
    }

    pub(crate) fn is_nobody(&self) -> bool {
        self.subjects.is_empty() && self.names.is_empty()
    }

    pub(crate) fn has(&self, certificate: &VerifiedCertificate) -> bool {
        let of_subject = |subject| certificate.has_subject(subject);
        let of_name = |name: &String| certificate.has_name(name);
        self.subjects.iter().any(of_subject) || self.names.iter().any(of_name)
    }
}
