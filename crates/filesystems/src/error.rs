//! Why a filesystem operation failed.
use std::borrow::Cow;
use std::io;

/// What kind of failure it was; decides the reply code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "skeleton")]
#[non_exhaustive]
pub enum ErrorKind {
    NotFound,
    PermissionDenied,
    AlreadyExists,
    NotADirectory,
    IsADirectory,
    DirectoryNotEmpty,
    /// A FIFO, socket or device where a regular file is needed.
    NotARegularFile,
    /// The path leaves the home directory.
    OutsideHome,
    /// Restart offset past the end of the file.
    OffsetPastEnd,
    /// 552
    StorageFull,
    ReadOnly,
    NameTooLong,
    TooManyLinks,
    CrossDevice,
    Busy,
    NotSupported,
    Other,
}

/// A failure (pyftpdlib: `FilesystemError`). What the client is told never holds a real path.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FilesystemError {
    kind: ErrorKind,
    message: Cow<'static, str>,
    #[source]
    source: Option<io::Error>,
}
impl FilesystemError {
    /// With a message of its own for the client (pyftpdlib: `raise FilesystemError("...")`).
    pub fn new(_kind: ErrorKind, _message: impl Into<Cow<'static, str>>) -> Self {
        todo!()
    }
    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
    /// The reply code that reports it: 552 for a full disk or quota, 553 for a name that is not
    /// allowed, 554 for an offset past the end, 504/550 as fits, 550 else.
    pub fn reply_code(&self) -> ftpdlib_proto::ReplyCode {
        todo!()
    }
}
// also: From<ErrorKind>, From<io::Error> (kind from errno, fixed text per kind, source kept)
