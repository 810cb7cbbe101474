//! The section `[log]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::field;

/// The files that transfers are logged to, besides the log on standard error; `None` = nowhere.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// In wu-ftpd's format.
    #[serde(deserialize_with = "field::path_or_none")]
    pub(crate) xferlog: Option<PathBuf>,
    /// One JSON object per line.
    #[serde(deserialize_with = "field::path_or_none")]
    pub(crate) json: Option<PathBuf>,
}
