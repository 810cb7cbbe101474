//! Paths that only root can make lead elsewhere.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};

/// As many as Linux follows.
const MOST_LINKS: u32 = 40;

/// What has to be root's.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Part {
    All,
    /// All but the file itself, which need not exist.
    Way,
}

/// Whether only root can make `path` lead elsewhere, or change the file.
pub(crate) fn is_roots(path: &Path) -> io::Result<bool> {
    check(&path::absolute(path)?, Part::All, MOST_LINKS)
}

/// Whether only root can make `path` lead elsewhere. The file may be anybody's, or missing.
pub(crate) fn is_way_roots(path: &Path) -> io::Result<bool> {
    check(&path::absolute(path)?, Part::Way, MOST_LINKS)
}

fn check(path: &Path, part: Part, most_links: u32) -> io::Result<bool> {
    let mut way = PathBuf::new();
    let mut names = path.components().peekable();
    while let Some(name) = names.next() {
        let next = way.join(name);
        let is_on_way = names.peek().is_some();
        let metadata = match fs::symlink_metadata(&next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if is_on_way || part == Part::All {
                    Err(error)
                } else {
                    Ok(true)
                };
            }
            found => found?,
        };
        let is_link = metadata.is_symlink();
        if !is_on_way && !is_link && part == Part::Way {
            return Ok(true);
        }
        // The mode of a link has no meaning.
        if metadata.uid() != 0 || !is_link && metadata.mode() & 0o022 != 0 {
            return Ok(false);
        }
        if is_link {
            let target = way.join(fs::read_link(&next)?);
            let part = if is_on_way { Part::All } else { part };
            if most_links == 0 || !check(&target, part, most_links - 1)? {
                return Ok(false);
            }
        }
        if is_on_way {
            way = next.canonicalize()?;
        }
    }
    Ok(true)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_that_any_user_can_change_was_trusted_by_root() {
        let way = PathBuf::from(format!("/tmp/ftpdlib-upgrade-{}", std::process::id()));
        symlink("/bin/sh", &way).unwrap();
        let found = [is_roots(&way), is_way_roots(&way)];
        let without_links = check(Path::new("/proc/self/exe"), Part::All, 0);
        fs::remove_file(&way).unwrap();
        for found in found {
            assert!(!found.unwrap(), "/tmp is writable for all");
        }
        assert!(!without_links.unwrap());
    }

    #[test]
    fn a_file_may_be_anybodys_where_the_way_to_it_is_roots() {
        // A device that all may write to, a file that nobody can make, and a name in /tmp.
        assert!(!is_roots(Path::new("/dev/null")).unwrap());
        assert!(is_way_roots(Path::new("/dev/null")).unwrap());
        let missing = Path::new("/proc/nosuchfile");
        assert!(is_roots(missing).is_err());
        assert!(is_way_roots(missing).unwrap());
        assert!(!is_way_roots(Path::new("/tmp/nosuchfile")).unwrap());
        assert!(is_way_roots(Path::new("/proc/nosuchdirectory/file")).is_err());
    }
}
