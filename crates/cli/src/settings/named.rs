//! Places of settings, and files that they name.

use std::path::{Path, PathBuf};

use crate::config::ConfigFile;
use crate::error::{ConfigError, Place};

/// Returns the place of a setting: the option if it was given, otherwise the key.
pub(crate) fn place(given: bool, option: &str, file: Option<&ConfigFile>, key: &str) -> Place {
    match file {
        Some(file) if !given => file.place(key),
        _ => Place::option(option),
    }
}

/// A file, and the setting that names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NamedFile {
    path: PathBuf,
    place: Place,
}

impl NamedFile {
    /// A file named by an option.
    pub(crate) fn by_option(path: &Path, option: &str) -> Self {
        Self {
            path: path.to_owned(),
            place: Place::option(option),
        }
    }

    /// A file named by a key.
    pub(super) fn by_key(path: &Path, key: &str, file: &ConfigFile) -> Self {
        Self {
            path: file.resolve(path),
            place: file.place(key),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path without links, even if the file does not exist yet.
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

    /// Returns the error for a problem with this file.
    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        self.place.error(problem)
    }
}
