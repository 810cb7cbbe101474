//! The section `[filesystem]`.

use serde::Deserialize;

use super::field;

/// What clients see of the disk.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Filesystem {
    #[serde(deserialize_with = "field::name")]
    pub(crate) kind: FilesystemKind,
}

/// Which filesystem.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FilesystemKind {
    /// The user's home is the root (`AbstractedFS`).
    #[default]
    Jailed,
    /// The disk as it is (`UnixFilesystem`).
    Unix,
}
