//! The tables `[[users]]` and `[anonymous]`.

use std::path::PathBuf;

use ftpdlib::authorizers::CertificateSubject;
use ftpdlib::proto::{NameEncoding, Perms};
use serde::Deserialize;

use super::field;

/// A virtual user, or overrides for a system user. Required keys are checked once it is known which
/// of the two it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    pub(crate) name: String,
    /// The password, or its hash, or neither if the user logs in with a certificate.
    pub(crate) password: Option<String>,
    /// An argon2id PHC string.
    pub(crate) password_hash: Option<String>,
    /// Subject of the certificate that replaces a password.
    #[serde(default, deserialize_with = "field::certificate_subject")]
    pub(crate) certificate_subject: Option<CertificateSubject>,
    /// Like `certificate_subject`, but matches a single name of the owner.
    #[serde(default, deserialize_with = "field::text_or_none")]
    pub(crate) certificate_name: Option<String>,
    #[serde(default, deserialize_with = "field::stated_path")]
    pub(crate) home: Option<PathBuf>,
    #[serde(default, deserialize_with = "field::perms_or_none")]
    pub(crate) perm: Option<Perms>,
    pub(crate) msg_login: Option<String>,
    pub(crate) msg_quit: Option<String>,
    /// For all sessions of the user together, replacing that of `[data]`; `None` = not replaced.
    #[serde(default, deserialize_with = "field::rate")]
    pub(crate) read_limit: Option<u64>,
    /// For all sessions of the user together, replacing that of `[data]`; `None` = not replaced.
    #[serde(default, deserialize_with = "field::rate")]
    pub(crate) write_limit: Option<u64>,
    /// Overrides that of `[control]`; `None` = not overridden.
    #[serde(default, deserialize_with = "field::encoding_or_none")]
    pub(crate) encoding: Option<NameEncoding>,
    #[serde(default)]
    pub(crate) override_perm: Vec<OverridePerm>,
}

/// Other permissions for one directory of a user.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverridePerm {
    #[serde(deserialize_with = "field::path")]
    pub(crate) directory: PathBuf,
    #[serde(deserialize_with = "field::perms")]
    pub(crate) perm: Perms,
    #[serde(default)]
    pub(crate) recursive: bool,
}

/// The user that anyone may log in as. The section's presence permits it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Anonymous {
    /// `--directory` may replace it.
    #[serde(default, deserialize_with = "field::stated_path")]
    pub(crate) home: Option<PathBuf>,
    #[serde(default = "read_only", deserialize_with = "field::perms")]
    pub(crate) perm: Perms,
    pub(crate) msg_login: Option<String>,
    pub(crate) msg_quit: Option<String>,
}

fn read_only() -> Perms {
    Perms::READ_ONLY
}
