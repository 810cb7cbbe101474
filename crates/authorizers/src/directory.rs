//! Directories that settings name.

use std::io;
use std::path::{Path, PathBuf};

use crate::AuthorizerError;

/// `path` without symbolic links, if it is a directory.
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

/// The same of a home, if whoever looks at it, which is its user, may enter it.
pub(crate) fn real_home(path: &Path) -> Result<PathBuf, AuthorizerError> {
    let real = real_directory(path)?;
    // To find the dot in it takes the right to enter it.
    match real.join(".").metadata() {
        Ok(_) => Ok(real),
        Err(source) => Err(AuthorizerError::Directory {
            path: path.to_owned(),
            source,
        }),
    }
}
