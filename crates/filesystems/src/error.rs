//! Why a filesystem operation failed.

use std::borrow::Cow;
use std::io;

use ftpdlib_proto::{PathError, ReplyCode, VirtualPath};
use ftpdlib_sys::errno;

/// The kind of a failure. It decides the reply code and, unless there is a better one, the text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing has this name, or a directory on the way is missing.
    NotFound,
    /// The system refuses the operation to the user that the server runs as.
    PermissionDenied,
    /// Something already has this name.
    AlreadyExists,
    /// What should be a directory, or something on the way, is not a directory.
    NotADirectory,
    /// There is a directory where a file is needed.
    IsADirectory,
    /// A directory to be removed or replaced is not empty.
    DirectoryNotEmpty,
    /// There is a FIFO, socket or device where a regular file is needed.
    NotARegularFile,
    /// The path leaves the home directory through a link.
    OutsideHome,
    /// The restart offset is past the end of the file.
    OffsetPastEnd,
    /// The disk is full.
    StorageFull,
    /// A quota is used up, or the file would exceed the largest permitted size.
    QuotaExceeded,
    /// The disk is mounted read-only.
    ReadOnly,
    /// A name or a whole path is too long, or contains a byte that no name may contain.
    NameTooLong,
    /// There are too many links on the way, as in a cycle.
    TooManyLinks,
    /// The rename is from one disk to another.
    CrossDevice,
    /// The system or another process is using the file: a mount point, a running program, a file
    /// with a lease.
    Busy,
    /// No descriptor is left for another file.
    TooManyOpenFiles,
    /// This filesystem does not support the operation.
    NotSupported,
    /// Anything else, such as a meaningless argument or a failing disk.
    Other,
}

impl ErrorKind {
    /// The text for the client, unless the failure has a text of its own.
    fn message(self) -> &'static str {
        match self {
            Self::NotFound => "No such file or directory.",
            Self::PermissionDenied => "Permission denied.",
            Self::AlreadyExists => "File exists.",
            Self::NotADirectory => "Not a directory.",
            Self::IsADirectory => "Is a directory.",
            Self::DirectoryNotEmpty => "Directory not empty.",
            Self::NotARegularFile => "Not a regular file.",
            Self::OutsideHome => "Path is outside the user's root directory.",
            Self::OffsetPastEnd => "Restart offset is past the end of the file.",
            Self::StorageFull => "No space left on device.",
            Self::QuotaExceeded => "Storage allocation exceeded.",
            Self::ReadOnly => "Read-only file system.",
            Self::NameTooLong => "File name too long.",
            Self::TooManyLinks => "Too many levels of symbolic links.",
            Self::CrossDevice => "Cannot move to another device.",
            Self::Busy => "Device or resource busy.",
            Self::TooManyOpenFiles => "Too many open files; try again later.",
            Self::NotSupported => "Operation not supported.",
            Self::Other => "Input/output error.",
        }
    }

    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            // Errors for which the standard library has no stable kind, or not on every system.
            Some(errno::ENXIO | errno::ENODEV) => Self::NotARegularFile,
            Some(errno::ELOOP) => Self::TooManyLinks,
            Some(errno::EMFILE | errno::ENFILE) => Self::TooManyOpenFiles,
            Some(errno::EOPNOTSUPP) => Self::NotSupported,
            _ => Self::of_kind(error.kind()),
        }
    }

    fn of_kind(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::AlreadyExists => Self::AlreadyExists,
            io::ErrorKind::NotADirectory => Self::NotADirectory,
            io::ErrorKind::IsADirectory => Self::IsADirectory,
            io::ErrorKind::DirectoryNotEmpty => Self::DirectoryNotEmpty,
            io::ErrorKind::StorageFull => Self::StorageFull,
            io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::QuotaExceeded,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            io::ErrorKind::InvalidFilename => Self::NameTooLong,
            io::ErrorKind::CrossesDevices => Self::CrossDevice,
            // The last is the error for a file with a lease, which is as busy as a running program.
            io::ErrorKind::ResourceBusy
            | io::ErrorKind::ExecutableFileBusy
            | io::ErrorKind::WouldBlock => Self::Busy,
            io::ErrorKind::Unsupported => Self::NotSupported,
            _ => Self::Other,
        }
    }
}

/// The failure of a filesystem operation (pyftpdlib: `FilesystemError`, `OSError`).
///
/// Its text is meant for the client: an English sentence that never contains a real path. The
/// system's error is its [`source`](std::error::Error::source), for the log.
///
/// # Examples
///
/// ```
/// use ftpdlib_filesystems::{ErrorKind, FilesystemError};
///
/// let error = FilesystemError::new(ErrorKind::PermissionDenied, "Not on Sundays.");
/// assert_eq!(error.reply_code().value(), 550);
/// assert_eq!(error.to_string(), "Not on Sundays.");
/// assert!(error.has_own_words());
/// assert_eq!(FilesystemError::from(ErrorKind::StorageFull).reply_code().value(), 452);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FilesystemError {
    kind: ErrorKind,
    message: Cow<'static, str>,
    has_own_words: bool,
    places: Vec<VirtualPath>,
    #[source]
    source: Option<io::Error>,
}

impl FilesystemError {
    /// Creates a failure with a text for the client (pyftpdlib: `raise FilesystemError("…")`).
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            has_own_words: true,
            places: Vec::new(),
            source: None,
        }
    }

    /// Adds the places that a failure of [`Filesystem::canonical`](crate::Filesystem::canonical)
    /// reveals something about: where resolving the path ended, and the links that led there. These
    /// are canonical paths themselves.
    ///
    /// A user with permission overrides is told the reason only with the permission at each of
    /// these places, and never if the failure has no places. A filesystem that passes on another
    /// filesystem's failure under different paths has to translate its places, too.
    #[must_use]
    pub fn with_places(self, places: Vec<VirtualPath>) -> Self {
        Self { places, ..self }
    }

    /// The places given to [`with_places`](Self::with_places); empty if there are none.
    pub fn places(&self) -> &[VirtualPath] {
        &self.places
    }

    /// Whether the text was given to [`new`](Self::new) instead of following from the kind.
    pub fn has_own_words(&self) -> bool {
        self.has_own_words
    }

    /// The kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The reply code that reports this failure (RFC 959 §4.2.2): 452 for a full disk, on which
    /// room may be made, 552 for a quota, 553 for a name that is not allowed, 554 for a restart
    /// offset past the end (RFC 3659 §5.4), 450 for a busy file and a lack of descriptors, which
    /// are temporary, and 550 for the rest. That includes an operation that this filesystem does
    /// not support: the command exists, but cannot be applied to this file.
    ///
    /// Commands for which 553 or 554 is not defined reply 550 instead: 553 is for storing and
    /// renaming, and 554 is not for RETR. RMD and RNTO also reply 550 for something busy.
    ///
    /// A failure that breaks off a transfer, after 150, is reported as 451 instead of 550. But if
    /// [`WriteFile::finish`](crate::WriteFile::finish) refuses an upload that arrived complete,
    /// this code is used, unless the kind is [`Other`](ErrorKind::Other).
    pub fn reply_code(&self) -> ReplyCode {
        ReplyCode::new(match self.kind {
            ErrorKind::Busy | ErrorKind::TooManyOpenFiles => 450,
            ErrorKind::StorageFull => 452,
            ErrorKind::QuotaExceeded => 552,
            ErrorKind::NameTooLong => 553,
            ErrorKind::OffsetPastEnd => 554,
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::AlreadyExists
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::NotARegularFile
            | ErrorKind::OutsideHome
            | ErrorKind::ReadOnly
            | ErrorKind::TooManyLinks
            | ErrorKind::CrossDevice
            | ErrorKind::NotSupported
            | ErrorKind::Other => 550,
        })
    }
}

impl From<ErrorKind> for FilesystemError {
    fn from(kind: ErrorKind) -> Self {
        Self {
            has_own_words: false,
            ..Self::new(kind, kind.message())
        }
    }
}

/// Derives the kind from the error number and the text from the kind; the error itself becomes the
/// source.
impl From<io::Error> for FilesystemError {
    fn from(error: io::Error) -> Self {
        let kind = ErrorKind::of(&error);
        let message = match (kind, error.kind()) {
            (ErrorKind::Other, io::ErrorKind::InvalidInput) => "Invalid argument.",
            _ => kind.message(),
        };
        Self {
            kind,
            message: message.into(),
            has_own_words: false,
            places: Vec::new(),
            source: Some(error),
        }
    }
}

impl From<PathError> for FilesystemError {
    fn from(error: PathError) -> Self {
        match error {
            PathError::TooLong => ErrorKind::NameTooLong.into(),
            _ => Self {
                has_own_words: false,
                ..Self::new(ErrorKind::NameTooLong, "Invalid file name.")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[track_caller]
    fn check(error: io::Error, kind: ErrorKind, code: u16, message: &str) {
        let error = FilesystemError::from(error);
        assert_eq!(error.kind(), kind);
        assert_eq!(error.reply_code().value(), code);
        assert_eq!(error.to_string(), message);
        assert!(error.source().is_some() && !error.has_own_words());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn error_numbers_have_a_kind_a_code_and_a_text() {
        for (number, kind, code, text) in [
            // EPERM, ENOENT, EIO, ENXIO, EAGAIN, EACCES
            (1, ErrorKind::PermissionDenied, 550, "Permission denied."),
            (2, ErrorKind::NotFound, 550, "No such file or directory."),
            (5, ErrorKind::Other, 550, "Input/output error."),
            (6, ErrorKind::NotARegularFile, 550, "Not a regular file."),
            (11, ErrorKind::Busy, 450, "Device or resource busy."),
            (13, ErrorKind::PermissionDenied, 550, "Permission denied."),
            // EBUSY, EEXIST, EXDEV, ENODEV, ENOTDIR, EISDIR
            (16, ErrorKind::Busy, 450, "Device or resource busy."),
            (17, ErrorKind::AlreadyExists, 550, "File exists."),
            (
                18,
                ErrorKind::CrossDevice,
                550,
                "Cannot move to another device.",
            ),
            (19, ErrorKind::NotARegularFile, 550, "Not a regular file."),
            (20, ErrorKind::NotADirectory, 550, "Not a directory."),
            (21, ErrorKind::IsADirectory, 550, "Is a directory."),
            // EINVAL, ENFILE, EMFILE, ETXTBSY, EFBIG
            (22, ErrorKind::Other, 550, "Invalid argument."),
            (
                23,
                ErrorKind::TooManyOpenFiles,
                450,
                "Too many open files; try again later.",
            ),
            (
                24,
                ErrorKind::TooManyOpenFiles,
                450,
                "Too many open files; try again later.",
            ),
            (26, ErrorKind::Busy, 450, "Device or resource busy."),
            (
                27,
                ErrorKind::QuotaExceeded,
                552,
                "Storage allocation exceeded.",
            ),
            // ENOSPC, EROFS, ENAMETOOLONG, ENOSYS, ENOTEMPTY
            (28, ErrorKind::StorageFull, 452, "No space left on device."),
            (30, ErrorKind::ReadOnly, 550, "Read-only file system."),
            (36, ErrorKind::NameTooLong, 553, "File name too long."),
            (38, ErrorKind::NotSupported, 550, "Operation not supported."),
            (
                39,
                ErrorKind::DirectoryNotEmpty,
                550,
                "Directory not empty.",
            ),
            // ELOOP, EOPNOTSUPP, EDQUOT
            (
                40,
                ErrorKind::TooManyLinks,
                550,
                "Too many levels of symbolic links.",
            ),
            (95, ErrorKind::NotSupported, 550, "Operation not supported."),
            (
                122,
                ErrorKind::QuotaExceeded,
                552,
                "Storage allocation exceeded.",
            ),
        ] {
            check(io::Error::from_raw_os_error(number), kind, code, text);
        }
    }

    #[test]
    fn errors_without_a_number_count_too() {
        let plain = io::ErrorKind::NotFound.into();
        check(
            plain,
            ErrorKind::NotFound,
            550,
            "No such file or directory.",
        );
        let own = io::Error::new(io::ErrorKind::StorageFull, "/real/path is full");
        check(own, ErrorKind::StorageFull, 452, "No space left on device.");
    }
}
