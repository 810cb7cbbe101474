//! The section `[tls]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::field;

/// FTPS. The section's presence turns explicit FTPS on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    #[serde(deserialize_with = "field::stated_path")]
    pub(crate) certfile: Option<PathBuf>,
    pub(crate) more_certificates: Vec<Certificate>,
    #[serde(deserialize_with = "field::stated_path")]
    pub(crate) keyfile: Option<PathBuf>,
    #[serde(deserialize_with = "field::name")]
    pub(crate) min_version: TlsVersion,
    pub(crate) tls_control_required: bool,
    pub(crate) tls_data_required: bool,
    pub(crate) implicit: bool,
    #[serde(deserialize_with = "session_reuse")]
    pub(crate) require_session_reuse: SessionReuse,
    pub(crate) strict_close: Option<bool>,
    /// Empty = none; see [`authority`](Self::authority).
    pub(crate) client_ca: Option<PathBuf>,
    #[serde(deserialize_with = "field::stated_name")]
    pub(crate) client_certificate: Option<ClientCertificate>,
    /// 0 = no limit; `None` = the library's.
    #[serde(deserialize_with = "field::stated_seconds")]
    pub(crate) handshake_timeout: Option<Duration>,
    /// 0 = never.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) reload_interval: Duration,
}

impl Tls {
    /// The authority that signs client certificates, if clients are asked for one.
    pub(crate) fn authority(&self) -> Option<&Path> {
        let path = self.client_ca.as_deref();
        path.filter(|path| !path.as_os_str().is_empty())
    }
}

/// A certificate chosen by the name that the client asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    #[serde(deserialize_with = "field::path")]
    pub(crate) certfile: PathBuf,
    #[serde(default, deserialize_with = "field::stated_path")]
    pub(crate) keyfile: Option<PathBuf>,
}

/// The oldest TLS version accepted.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) enum TlsVersion {
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// Whether a data connection must resume the control connection's TLS session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum SessionReuse {
    #[default]
    Free,
    /// Not required, but logged if missing.
    Preferred,
    Required,
}

/// Whether a client must present a certificate if `client_ca` is set.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientCertificate {
    Required,
    Optional,
}

fn session_reuse<'de, D: Deserializer<'de>>(from: D) -> Result<SessionReuse, D::Error> {
    struct Reuse;

    impl Visitor<'_> for Reuse {
        type Value = SessionReuse;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("true, false or \"prefer\"")
        }

        fn visit_bool<E: Error>(self, required: bool) -> Result<SessionReuse, E> {
            Ok(if required {
                SessionReuse::Required
            } else {
                SessionReuse::Free
            })
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<SessionReuse, E> {
            match text {
                "prefer" => Ok(SessionReuse::Preferred),
                other => Err(E::invalid_value(Unexpected::Str(other), &self)),
            }
        }
    }

    from.deserialize_any(Reuse)
}
