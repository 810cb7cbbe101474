//! Virtual paths: what the client sees.

use std::borrow::Borrow;
use std::fmt::{self, Debug, Display};

use thiserror::Error;

use crate::text::{Escaped, Quoted};

/// Why bytes do not form a virtual path.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum PathError {
    /// The path contains a NUL byte, which no file name can hold.
    #[error("path contains a NUL byte")]
    Nul,
    /// The path is longer than 4,095 bytes once joined and normalised.
    #[error("path too long")]
    TooLong,
}

/// An absolute, normalised virtual path of disk bytes.
///
/// It begins with `/`, has no empty, `.` or `..` component, and no trailing slash except for the
/// root. A backslash is an ordinary byte. Links are not its concern: the filesystem has to keep the
/// real path in the home directory.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::VirtualPath;
/// let docs = VirtualPath::new("/pub/docs")?;
/// assert_eq!(docs.join(b"../a//b/.")?, VirtualPath::new("/pub/a/b")?);
/// assert_eq!(docs.join(b"/../..")?, VirtualPath::root());
/// # Ok::<(), ftpdlib_proto::PathError>(())
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VirtualPath(Box<[u8]>);

/// Length of the longest path, in bytes: Linux's `PATH_MAX` without the NUL that it includes.
const MAX_PATH: usize = 4095;

impl VirtualPath {
    /// Returns the root, `/`.
    pub fn root() -> Self {
        Self(Box::new([b'/']))
    }

    /// Normalises `bytes` relative to the root: a leading slash makes no difference.
    ///
    /// # Errors
    ///
    /// [`PathError::Nul`] for a NUL byte, [`PathError::TooLong`] for more than 4,095 bytes in the
    /// normalised path.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, PathError> {
        Self::normalised(b"", bytes.as_ref())
    }

    /// Resolves `argument` relative to this directory (pyftpdlib: `ftpnorm`).
    ///
    /// An absolute argument starts at the root. `..` removes the last component without looking at
    /// the disk, and does nothing at the root; as in pyftpdlib, it is lexical, so `link/..` is the
    /// directory that contains the link.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn join(&self, argument: &[u8]) -> Result<Self, PathError> {
        let base = if argument.starts_with(b"/") {
            b""
        } else {
            self.relative()
        };
        Self::normalised(base, argument)
    }

    /// The parent directory; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        match self.last_slash() {
            _ if self.is_root() => None,
            0 => Some(Self::root()),
            slash => Some(Self(self.0[..slash].into())),
        }
    }

    /// The last component; `None` for the root.
    pub fn file_name(&self) -> Option<&[u8]> {
        if self.is_root() {
            None
        } else {
            Some(&self.0[self.last_slash() + 1..])
        }
    }

    /// The components from the root down; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &[u8]> {
        components(&self.0)
    }

    /// The path with the leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path without the leading slash; empty for the root.
    pub fn relative(&self) -> &[u8] {
        &self.0[1..]
    }

    /// Whether it is `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Whether the path is `ancestor` or below it, by whole components: `/public` is not below
    /// `/pub`.
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        match self.0.strip_prefix(&*ancestor.0) {
            Some(rest) => rest.is_empty() || rest[0] == b'/' || ancestor.is_root(),
            None => false,
        }
    }

    /// Normalises `argument` relative to `base`, which is normal already, without its leading
    /// slash.
    fn normalised(base: &[u8], argument: &[u8]) -> Result<Self, PathError> {
        if argument.contains(&b'\0') {
            return Err(PathError::Nul);
        }
        let mut path = Vec::with_capacity(base.len() + argument.len() + 2);
        if !base.is_empty() {
            path.push(b'/');
            path.extend_from_slice(base);
        }
        for component in components(argument) {
            match component {
                b"." => {}
                b".." => path.truncate(path.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
                name => {
                    path.push(b'/');
                    path.extend_from_slice(name);
                }
            }
        }
        if path.is_empty() {
            path.push(b'/');
        }
        if path.len() > MAX_PATH {
            Err(PathError::TooLong)
        } else {
            Ok(Self(path.into()))
        }
    }

    fn last_slash(&self) -> usize {
        let slash = self.0.iter().rposition(|&byte| byte == b'/');
        slash.expect("a virtual path begins with a slash")
    }
}

impl AsRef<[u8]> for VirtualPath {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Allows look-ups by parts of a path, without copying them.
impl Borrow<[u8]> for VirtualPath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Formats the path in quotes and escaped, so that different paths look different.
impl Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Quoted(&self.0).fmt(f)
    }
}

/// Formats the path for logs, as [`Escaped`] does.
impl Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&Escaped(&self.0), f)
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
        .filter(|component| !component.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::new(text).unwrap()
    }

    #[track_caller]
    fn check_join(directory: &str, argument: &str, expected: &str) {
        let got = path(directory).join(argument.as_bytes()).unwrap();
        assert_eq!(
            got.to_string(),
            expected,
            "{argument:?} seen from {directory:?}"
        );
    }

    #[test]
    fn arguments_are_seen_from_the_directory() {
        check_join("/", "", "/");
        check_join("/a", "", "/a");
        check_join("/a", "b", "/a/b");
        check_join("/a", "/b", "/b");
        check_join("/a", "//b", "/b");
        check_join("/a", "./b/", "/a/b");
        check_join("/a/b", "..", "/a");
        check_join("/a/b", "../../../c", "/c");
        check_join("/a", "...", "/a/...");
        check_join("/a", " ", "/a/ ");
        check_join("/a", "..\\b", "/a/..\\b");
        check_join("/", "..", "/");
        check_join("/", "~", "/~");
    }

    #[test]
    fn nul_is_refused() {
        assert_eq!(VirtualPath::new("a\0b"), Err(PathError::Nul));
        assert_eq!(VirtualPath::root().join(b"\0/.."), Err(PathError::Nul));
    }

    #[test]
    fn length_is_counted_after_normalising() {
        assert!(VirtualPath::new("x".repeat(4094)).is_ok());
        assert_eq!(VirtualPath::new("x".repeat(4095)), Err(PathError::TooLong));
        assert_eq!(VirtualPath::new("./".repeat(5000)), Ok(VirtualPath::root()));
    }

    #[test]
    fn parts_of_a_path() {
        assert_eq!(VirtualPath::root().parent(), None);
        assert_eq!(VirtualPath::root().file_name(), None);
        assert_eq!(VirtualPath::root().relative(), b"");
        assert_eq!(VirtualPath::root().components().count(), 0);
        assert_eq!(path("/a").parent(), Some(VirtualPath::root()));
        assert_eq!(path("/a/b").parent(), Some(path("/a")));
        assert_eq!(path("/a/b").file_name(), Some(&b"b"[..]));
        assert_eq!(path("/a/b").relative(), b"a/b");
        assert!(path("/a/b").components().eq([b"a", b"b"]));
    }

    #[test]
    fn ancestors_go_by_whole_components() {
        assert!(path("/pub").starts_with(&path("/pub")));
        assert!(path("/pub/a").starts_with(&path("/pub")));
        assert!(path("/pub").starts_with(&VirtualPath::root()));
        assert!(!path("/public").starts_with(&path("/pub")));
        assert!(!VirtualPath::root().starts_with(&path("/pub")));
    }

    #[test]
    fn display_keeps_a_log_line_one_line() {
        let path = VirtualPath::new(b"/a\r\n\x1b[1m/\xff\xc3\xa9").unwrap();
        assert_eq!(path.to_string(), "/a\\r\\n\\u{1b}[1m/\u{fffd}é");
        let path = VirtualPath::new("/\u{202e}gpj.exe\u{2028}").unwrap();
        assert_eq!(path.to_string(), "/\\u{202e}gpj.exe\\u{2028}");
    }

    #[test]
    fn debug_printed_the_bytes_of_a_path() {
        let path = VirtualPath::new(b"/pub/caf\xc3\xa9 \xff").unwrap();
        assert_eq!(format!("{path:?}"), r#""/pub/café \xff""#);
    }

    proptest! {
        #[test]
        fn joined_paths_are_normal(
            directory in "[ab./]{0,20}",
            argument in "[ab./ \\\\]{0,20}",
        ) {
            let joined = path(&directory).join(argument.as_bytes()).unwrap();
            prop_assert!(joined.as_bytes().starts_with(b"/"));
            prop_assert!(joined.components().all(|name| !matches!(name, b"" | b"." | b"..")));
            prop_assert!(joined.is_root() || !joined.as_bytes().ends_with(b"/"));
            prop_assert_eq!(VirtualPath::new(&joined), Ok(joined.clone()));
        }

        #[test]
        fn a_path_is_its_parent_and_its_name(text in "[ab/]{1,20}") {
            let path = path(&text);
            if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                prop_assert!(path.starts_with(&parent));
                prop_assert_eq!(parent.join(name), Ok(path));
            }
        }

        #[test]
        fn normalising_never_panics(directory: Vec<u8>, argument: Vec<u8>) {
            if let Ok(directory) = VirtualPath::new(&directory) {
                let _ = directory.join(&argument);
            }
        }
    }
}
