//! Opening and closing.

use std::io;
use std::ops::BitOr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::path::Path;

use crate::call::{check, with_c_str};

/// Flags for opening. Every open also sets close-on-exec and never makes a terminal the controlling
/// one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpenFlags(libc::c_int);

impl OpenFlags {
    /// For reading.
    pub const READ: Self = Self(libc::O_RDONLY);
    /// For writing.
    pub const WRITE: Self = Self(libc::O_WRONLY);
    /// Only a reference to the file, without reading or writing (`O_PATH`). On systems without it,
    /// opens for reading, without waiting for the other end of a FIFO.
    pub const PATH: Self = Self(PATH_FLAG);
    /// Fails unless the file is a directory.
    pub const DIRECTORY: Self = Self(libc::O_DIRECTORY);
    /// If the last component is a symbolic link, fails with `ELOOP`; with [`PATH`](Self::PATH),
    /// opens the link itself.
    pub const NO_FOLLOW: Self = Self(libc::O_NOFOLLOW);
    /// Creates a missing file.
    pub const CREATE: Self = Self(libc::O_CREAT);
    /// Every write appends at the current end.
    pub const APPEND: Self = Self(libc::O_APPEND);
    /// With [`CREATE`](Self::CREATE): fails if the file exists.
    pub const EXCLUSIVE: Self = Self(libc::O_EXCL);
    /// Opening a FIFO or device does not wait.
    pub const NON_BLOCK: Self = Self(libc::O_NONBLOCK);

    /// Whether these flags contain all of `other`.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Combines both sets of flags; the `|` for constants.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags that are passed to the kernel.
    pub(crate) const fn bits(self) -> libc::c_int {
        // openat2 refuses O_NOCTTY combined with O_PATH instead of ignoring it.
        let no_terminal = if cfg!(target_os = "linux") && self.contains(Self::PATH) {
            0
        } else {
            libc::O_NOCTTY
        };
        self.0 | libc::O_CLOEXEC | no_terminal
    }
}

impl BitOr for OpenFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

/// The limits that [`open_beneath`](crate::open_beneath) sets for a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Scope {
    /// Leaving the directory, by `..` or an absolute link, fails with `EXDEV`.
    Beneath,
    /// The directory acts as the root: absolute links start there, and `..` stops there.
    InRoot,
    /// As [`Beneath`](Self::Beneath), and any link, the last component included, fails with
    /// `ELOOP`.
    Linkless,
}

#[cfg(target_os = "linux")]
const PATH_FLAG: libc::c_int = libc::O_PATH;
#[cfg(not(target_os = "linux"))]
const PATH_FLAG: libc::c_int = libc::O_NONBLOCK;

/// Opens `path` relative to `dir`, following all links (`openat`).
///
/// To stay in `dir`, pass a single name and [`OpenFlags::NO_FOLLOW`]. `mode`, less the umask,
/// applies only with [`OpenFlags::CREATE`].
///
/// # Errors
///
/// The error of `openat`.
pub fn open_at(
    dir: BorrowedFd<'_>,
    path: &[u8],
    flags: OpenFlags,
    mode: u32,
) -> io::Result<OwnedFd> {
    open_raw(dir.as_raw_fd(), path, flags, mode)
}

/// Opens the directory at a real path, following links, as a base for `*at` calls.
///
/// # Errors
///
/// The error of `open`; `NotADirectory` if it is not a directory.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use ftpdlib_sys::{EntryKind, open_directory, stat_descriptor};
///
/// let root = open_directory("/")?;
/// assert_eq!(stat_descriptor(root.as_fd())?.kind, EntryKind::Directory);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn open_directory(path: impl AsRef<Path>) -> io::Result<OwnedFd> {
    let bytes = path.as_ref().as_os_str().as_encoded_bytes();
    open_raw(
        libc::AT_FDCWD,
        bytes,
        OpenFlags::PATH | OpenFlags::DIRECTORY,
        0,
    )
}

/// Duplicates `descriptor` to a number above `number`.
pub(crate) fn copy_above(descriptor: RawFd, number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer; a descriptor that is not open only yields an error.
    let copy = check(unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, number + 1) })?;
    // SAFETY: the call returned a new descriptor, which no other code has.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Closes `file` and returns the error of the close: network filesystems write late, and may detect
/// a full disk only now. The descriptor is closed in any case.
///
/// # Errors
///
/// The error of `close`, except an interruption: Linux has closed the descriptor by then.
pub fn close(file: OwnedFd) -> io::Result<()> {
    // SAFETY: `into_raw_fd` gave up ownership, so this is the one close of that descriptor and no
    // other code holds it.
    match check(unsafe { libc::close(file.into_raw_fd()) }) {
        Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

fn open_raw(dir: libc::c_int, path: &[u8], flags: OpenFlags, mode: u32) -> io::Result<OwnedFd> {
    with_c_str(path, |path| {
        // SAFETY: `path` ends with a NUL and outlives the call; `dir` is a descriptor that the
        // caller borrows for the call, or AT_FDCWD. The mode is passed as the promoted type that
        // the variadic argument is read as.
        let fd = check(unsafe {
            libc::openat(
                dir,
                path.as_ptr(),
                flags.bits() | LARGE_FILE,
                libc::c_uint::from(mode),
            )
        })?;
        // SAFETY: the call succeeded, so `fd` is open, new and not owned elsewhere.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    })
}

#[cfg(target_os = "linux")]
const LARGE_FILE: libc::c_int = libc::O_LARGEFILE;
#[cfg(not(target_os = "linux"))]
const LARGE_FILE: libc::c_int = 0;
