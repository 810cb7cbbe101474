//! Errors in certificates, keys and settings.

use std::io;
use std::path::{Path, PathBuf};

use rustls::CertificateError;
use thiserror::Error;

/// Why TLS settings cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not PEM, or not all of it.
    #[error("{path:?} is no PEM file: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that should hold certificates holds none.
    #[error("{path:?} holds no certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file that should hold a private key holds none.
    #[error("{path:?} holds no private key")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A private key is encrypted: there is nobody to ask for its passphrase.
    #[error("the private key in {path:?} is encrypted; store it without a passphrase")]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// A private key is of an unknown kind, or damaged.
    #[error("the private key in {path:?} cannot be used: {reason}")]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A private key belongs to another certificate.
    #[error("the private key in {key:?} does not match the certificate in {certificate:?}")]
    KeyMismatch {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
    },
    /// A certificate is damaged, or cannot be used for its purpose.
    #[error("the certificate in {path:?} cannot be used: {reason}")]
    UnusableCertificate {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A key was named without the certificate that it belongs to.
    #[error("a private key needs a certificate")]
    KeyWithoutCertificate,
    /// A setting has no effect beside a [ready-made
    /// configuration](crate::TlsSettings::server_config), and clients would be let in that it was
    /// to keep out.
    #[error("{setting} has no effect beside server_config: set it in that configuration")]
    Replaced {
        /// The setting.
        setting: &'static str,
    },
    /// The system provides no random numbers, or the cryptography provider cannot do what was
    /// asked.
    #[error("TLS is not available: {0}")]
    Unavailable(String),
}

impl TlsError {
    /// The file that the error is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unreadable { path, .. }
            | Self::Malformed { path, .. }
            | Self::NoCertificate { path }
            | Self::NoKey { path }
            | Self::EncryptedKey { path }
            | Self::UnusableKey { path, .. }
            | Self::UnusableCertificate { path, .. }
            | Self::KeyMismatch { key: path, .. } => Some(path),
            Self::KeyWithoutCertificate | Self::Replaced { .. } | Self::Unavailable(_) => None,
        }
    }
}

/// Describes what is wrong with a certificate or a key, for readers who have the file or the client
/// before them: some of rustls's own texts name a variant in its source, or blame the peer for a
/// file of the server.
pub(crate) fn reason(error: &rustls::Error) -> String {
    let error = match error {
        rustls::Error::InvalidCertificate(error) => error,
        rustls::Error::General(text) => return text.clone(),
        error => return error.to_string(),
    };
    match error {
        CertificateError::BadEncoding => "it is damaged".to_owned(),
        CertificateError::UnknownIssuer => "none of the authorities has signed it".to_owned(),
        CertificateError::Other(other) => match other.to_string().as_str() {
            "UnsupportedCertVersion" => "it is not of X.509 version 3".to_owned(),
            "CaUsedAsEndEntity" => "it is that of an authority (CA:TRUE)".to_owned(),
            other => other.to_owned(),
        },
        error => error.to_string(),
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
