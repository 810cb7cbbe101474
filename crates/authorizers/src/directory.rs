//! Directories named in the settings.

use std::io;
use std::path::{Path, PathBuf};

use crate::AuthorizerError;

/// Returns `path` with its symbolic links resolved, if it is a directory.
pub(crate) fn real_directory(path: &Path) -> Result<PathBuf, AuthorizerError> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => AuthorizerError::NoSuchDirectory(path.to_owned()),
        _ => AuthorizerError::Directory {
            path: path.to_owned(),
            source,
        },
    };
    let real = path.canonicalize().map_err(refused)?;
    if !real.metadata().map_err(refused)?.is_dir() {
        return Err(AuthorizerError::NotADirectory(path.to_owned()));
    }
    Ok(real)
}

/// Like [`real_directory`], for a home directory; also checks that the calling thread, which acts
/// as the home's user, may enter it.
pub(crate) fn real_home(path: &Path) -> Result<PathBuf, AuthorizerError> {
    let real = real_directory(path)?;
    // Looking up the dot in it requires the right to enter it.
    match real.join(".").metadata() {
        Ok(_) => Ok(real),
        Err(source) => Err(AuthorizerError::Directory {
            path: path.to_owned(),
            source,
        }),
    }
}
