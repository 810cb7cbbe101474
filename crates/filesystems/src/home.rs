//! The names by which the home directory is known on the disk.

use std::path::{Component, Path, PathBuf};

use crate::error::{ErrorKind, FilesystemError};

/// The paths of the home directory. They are used to recognise links back into it and to translate
/// paths, but never to open files.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    real: Box<Path>,
    /// The path as it was given, if that differs: links may contain either path.
    given: Option<Box<Path>>,
}

impl Home {
    /// `real` is the canonical path of `given`.
    pub(crate) fn new(given: &Path, real: PathBuf) -> Self {
        let given = std::path::absolute(given).ok().filter(|given| {
            *given != real
                && !given
                    .components()
                    .any(|component| component == Component::ParentDir)
        });
        Self {
            real: real.into_boxed_path(),
            given: given.map(PathBuf::into_boxed_path),
        }
    }

    /// The canonical path, for configuration and logs; never for clients.
    pub(crate) fn real(&self) -> &Path {
        &self.real
    }

    /// Returns the components of the absolute path `target` after those of the home; `None` if it
    /// is not in the home or is relative. A final slash counts as the component `.`, since it asks
    /// for a directory.
    pub(crate) fn strip<'a>(&self, target: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        if !target.starts_with(b"/") {
            return None;
        }
        let parts: Vec<_> = split(target).collect();
        let prefixes = [Some(&self.real), self.given.as_ref()];
        prefixes.into_iter().flatten().find_map(|prefix| {
            let mut rest = parts.as_slice();
            for name in names(prefix) {
                let (first, others) = rest.split_first()?;
                if *first != name {
                    return None;
                }
                rest = others;
            }
            Some(rest.to_vec())
        })
    }

    /// Returns `target`, the text of a link in a directory that is `depth` levels below the home,
    /// as a client may see it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutsideHome`] if the text would reveal names outside the home.
    pub(crate) fn shown_target(
        &self,
        target: Vec<u8>,
        depth: usize,
    ) -> Result<Vec<u8>, FilesystemError> {
        if target.starts_with(b"/") {
            let rest = self.strip(&target).ok_or(ErrorKind::OutsideHome)?;
            check_stays(0, rest.iter().copied())?;
            return Ok([b"/", rest.join(&b'/').as_slice()].concat());
        }
        check_stays(depth, split(&target))?;
        Ok(target)
    }
}

/// Checks that `parts`, followed from `depth` levels below the home, never lead above it.
fn check_stays<'a>(
    mut depth: usize,
    parts: impl Iterator<Item = &'a [u8]>,
) -> Result<(), FilesystemError> {
    for part in parts {
        depth = match part {
            b".." => depth.checked_sub(1).ok_or(ErrorKind::OutsideHome)?,
            b"." => depth,
            _ => depth + 1,
        };
    }
    Ok(())
}

/// Splits a path into components as the kernel does: empty components and inner `.` are ignored; a
/// final slash asks for a directory, as a final `.` does.
pub(crate) fn split(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let asks_for_directory = path.ends_with(b"/") || path.ends_with(b"/.") || path == b".";
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .chain(asks_for_directory.then_some(b".".as_slice()))
}

/// The names in an absolute path.
fn names(path: &Path) -> impl Iterator<Item = &[u8]> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.as_encoded_bytes()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_strip(home: &str, target: &str, expected: Option<&str>) {
        let home = Home::new(Path::new(home), PathBuf::from(home));
        let got = home.strip(target.as_bytes()).map(|rest| rest.join(&b'/'));
        assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{target}");
    }

    #[test]
    fn only_whole_components_are_stripped() {
        check_strip("/srv/ftp", "/srv/ftp/a/b", Some("a/b"));
        check_strip("/srv/ftp", "//srv/./ftp//a", Some("a"));
        check_strip("/srv/ftp", "/srv/ftp", Some(""));
        check_strip("/srv/ftp", "/srv/ftp/a/", Some("a/."));
        check_strip("/srv/ftp", "/srv/ftp/../x", Some("../x"));
        check_strip("/srv/ftp", "/srv/ftpd/a", None);
        check_strip("/srv/ftp", "/srv", None);
        check_strip("/srv/ftp", "/srv/x/../ftp/a", None);
        check_strip("/srv/ftp", "/", None);
        check_strip("/srv/ftp", "srv/ftp/a", None);
        check_strip("/srv/ftp", "", None);
        check_strip("/", "/etc", Some("etc"));
        check_strip("/", "etc", None);
        check_strip("/", "/", Some("."));
    }

    #[test]
    fn the_path_as_it_was_given_is_stripped_too() {
        let home = Home::new(Path::new("/home/user"), PathBuf::from("/srv/disk/user"));
        let strip = |target: &str| home.strip(target.as_bytes()).map(|rest| rest.join(&b'/'));
        assert_eq!(strip("/home/user/a").as_deref(), Some(b"a".as_slice()));
        assert_eq!(strip("/srv/disk/user/a").as_deref(), Some(b"a".as_slice()));
        assert_eq!(strip("/srv/user/a"), None);
    }

    #[track_caller]
    fn check_shown(depth: usize, target: &str, expected: Option<&str>) {
        let home = Home::new(Path::new("/srv/ftp"), PathBuf::from("/srv/ftp"));
        let got = home.shown_target(target.into(), depth).ok();
        let expected = expected.map(str::as_bytes);
        assert_eq!(got.as_deref(), expected, "{target}, {depth} levels down");
    }

    #[test]
    fn no_target_tells_of_the_outside() {
        check_shown(0, "a", Some("a"));
        check_shown(1, "../a", Some("../a"));
        check_shown(1, "../../a", None);
        check_shown(0, "..", None);
        check_shown(0, "a/../../ftp", None);
        check_shown(0, "/etc/passwd", None);
        check_shown(0, "/srv/ftp/a", Some("/a"));
        check_shown(1, "/srv/ftp", Some("/"));
        check_shown(0, "/srv/ftp/../ftp2/a", None);
        check_shown(2, "/srv/ftp/a/../../b", None);
        check_shown(0, "/srv/ftp/a/../b", Some("/a/../b"));
    }
}
