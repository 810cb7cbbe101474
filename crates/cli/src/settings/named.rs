//! What options or keys name.

use std::path::{Path, PathBuf};

use crate::config::ConfigFile;
use crate::error::{ConfigError, Place};

/// The place of a setting: the option, where it was given, or else the key.
pub(crate) fn place(given: bool, option: &str, file: Option<&ConfigFile>, key: &str) -> Place {
    match file {
        Some(file) if !given => file.place(key),
        _ => Place::option(option),
    }
}

/// A file, and where it was named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NamedFile {
    path: PathBuf,
    place: Place,
}

impl NamedFile {
    /// A file that an option names.
    pub(crate) fn by_option(path: &Path, option: &str) -> Self {
        Self {
            path: path.to_owned(),
            place: Place::option(option),
        }
    }

    /// A file that a key names.
    pub(super) fn by_key(path: &Path, key: &str, file: &ConfigFile) -> Self {
        Self {
            path: file.resolve(path),
            place: file.place(key),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path without links, also where the file has still to be made.
    pub(super) fn real(&self) -> PathBuf {
        let path = self.path();
        let below = |directory: &Path| Some(directory.canonicalize().ok()?.join(path.file_name()?));
        let directory = path
            .parent()
            .map(|directory| match directory.as_os_str().is_empty() {
                true => Path::new("."),
                false => directory,
            });
        path.canonicalize()
            .ok()
            .or_else(|| below(directory?))
            .unwrap_or_else(|| path.to_owned())
    }

    /// What is wrong with it.
    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        self.place.error(problem)
    }
}
