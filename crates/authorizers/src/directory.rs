//! Directories that settings name.

use std::collections::BTreeSet;
use std::io;
use std::path::{self, Path, PathBuf};

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

/// The real places of all names that are looked up on the way to `path`, those in links too:
/// whoever can put something else in one of these places can make the path lead elsewhere. Only as
/// far as the path can be followed.
pub(crate) fn places_on_the_way(path: &Path) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::new();
    let mut ways: Vec<_> = path::absolute(path).into_iter().collect();
    while let Some(way) = ways.pop() {
        for named in way.ancestors() {
            // A `..` has no place of its own.
            let (Some(holder), Some(name)) = (named.parent(), named.file_name()) else {
                continue;
            };
            let Ok(holder) = holder.canonicalize() else {
                continue;
            };
            let place = holder.join(name);
            let target = place.read_link();
            // Links that lead to each other are followed once.
            if places.insert(place) {
                ways.extend(target.map(|target| holder.join(target)));
            }
        }
    }
    places
}
