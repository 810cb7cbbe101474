//! What a filesystem opens: files for reading or writing, and directories for listing.

use std::io;
use std::os::fd::BorrowedFd;

use ftpdlib_proto::{Metadata, TransferEnd, VirtualPath};

use crate::error::{ErrorKind, FilesystemError};

/// A file open for reading, with a position. Dropping it closes it.
///
/// # Examples
///
/// See [`Filesystem`](crate::Filesystem).
pub trait ReadFile: Send {
    /// Reads the next bytes into `buffer`, and returns how many; `Ok(0)` is the end of the file.
    ///
    /// # Errors
    ///
    /// The system's error when the disk fails.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Returns the size of the whole file when it was opened, in bytes; `None` if it is not known.
    /// A download whose file ends before this size has failed. Bytes beyond this size are not sent,
    /// unless it is 0.
    fn size(&self) -> Option<u64>;

    /// Returns the open file, if it is local and regular. Its bytes from [`offset`](Self::offset)
    /// on may then be sent with `sendfile` instead of [`read`](Self::read); this does not move
    /// `offset`.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Returns the position of the next [`read`](Self::read), in bytes from the start of the file.
    fn offset(&self) -> u64;

    /// Returns the permission bits of the file when it was opened, if files have such bits. Used so
    /// that a copy is accessible to nobody who cannot access the file itself.
    fn mode(&self) -> Option<u32> {
        None
    }
}

/// A file open for writing.
///
/// A file opened to be replaced keeps its content until the first byte is written, or until the
/// transfer ends as [`TransferEnd::Complete`]: an upload that broke off before its first byte has
/// replaced nothing, neither the old content nor what another client has uploaded meanwhile. A file
/// that was newly created is removed again after [`TransferEnd::Unsecured`], if it is still empty
/// and nobody else can have it open: a client that could be a stranger must not have created
/// anything. A transfer ends with [`finish`](Self::finish); dropping the file without that call
/// abandons it.
///
/// # Examples
///
/// An upload that is sent to a channel if it arrived complete:
///
/// ```
/// use std::io;
/// use std::sync::mpsc::{self, Sender};
///
/// use ftpdlib_filesystems::{ErrorKind, FilesystemError, WriteFile};
/// use ftpdlib_proto::{TransferEnd, VirtualPath};
///
/// struct Letter {
///     path: VirtualPath,
///     text: Vec<u8>,
///     to: Sender<Vec<u8>>,
/// }
///
/// impl WriteFile for Letter {
///     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
///         self.text.extend_from_slice(bytes);
///         Ok(bytes.len())
///     }
///
///     fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
///         if *end != TransferEnd::Complete {
///             return Ok(());
///         }
///         let gone = |_| FilesystemError::new(ErrorKind::Other, "Nobody takes letters.");
///         self.to.send(self.text).map_err(gone)
///     }
///
///     fn size(&self) -> Option<u64> {
///         None
///     }
///
///     fn may_wait(&self) -> bool {
///         false
///     }
///
///     fn path(&self) -> &VirtualPath {
///         &self.path
///     }
/// }
///
/// let (to, letters) = mpsc::channel();
/// let path = VirtualPath::new("/letter")?;
/// let mut letter = Box::new(Letter { path, text: Vec::new(), to });
/// letter.write(b"Dear all")?;
/// letter.finish(&TransferEnd::Complete)?;
/// assert_eq!(letters.recv()?, b"Dear all");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait WriteFile: Send {
    /// Writes at the current position, and returns how many of `bytes` were written, which may be
    /// fewer than all.
    ///
    /// # Errors
    ///
    /// The system's error, for instance when the disk is full.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// The last call: the transfer has ended as `end` says. The final reply waits for this call, so
    /// the client is told of an error.
    ///
    /// It may wait, for instance for a virus scanner, unless the filesystem
    /// [`is_local`](crate::Filesystem::is_local): it is then called on the event loop, and all
    /// clients would wait with it. If there are many jobs for one home directory, they wait for
    /// each other, and after `DtpHandler::timeout` a client is told that its upload has failed.
    ///
    /// A program started by this method, for instance to inspect the upload, may become root even
    /// while the server acts as the user; see [`Filesystem`](crate::Filesystem).
    ///
    /// # Errors
    ///
    /// The error of closing the file, since network filesystems write late, or the objection of a
    /// filesystem that checks its uploads.
    fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError>;

    /// Returns the open file, if it is local and regular. After the first [`write`](Self::write),
    /// it may then be written to directly, at its own position.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Returns the size of the file in bytes, now or a few hundredths of a second ago, or, in a
    /// filesystem that may block, when it was opened; `None` if it is not known. Others may write
    /// to the file, too.
    ///
    /// If the file is large, a server that calls this filesystem on its event loop leaves the first
    /// [`write`](Self::write), which may remove all of the content, and [`finish`](Self::finish) to
    /// a thread; it calls this method before both. There is no default, since a wrapper that forgot
    /// to forward this method would block the loop. Called without the rights of the file's user,
    /// like [`may_wait`](Self::may_wait).
    fn size(&self) -> Option<u64>;

    /// Whether the next [`write`](Self::write), or [`finish`](Self::finish), may wait because
    /// content that it removes is still being written to the disk, as for a file that was stored a
    /// moment ago. The answer may be a few hundredths of a second old. If it is `true`, a server
    /// that calls this filesystem on its event loop leaves the call to a thread. There is no
    /// default, for the same reason as in [`size`](Self::size).
    fn may_wait(&self) -> bool;

    /// Returns the path of the file: the one by which it was opened, or the one that
    /// [`WriteMode::Unique`](crate::WriteMode::Unique) or
    /// [`WriteMode::Draft`](crate::WriteMode::Draft) chose.
    fn path(&self) -> &VirtualPath;

    /// Returns the permission bits of the open file, if files have such bits.
    fn mode(&self) -> Option<u32> {
        None
    }

    /// Sets the permission bits of the open file, even if something else has its path by now.
    ///
    /// # Errors
    ///
    /// [`NotSupported`](crate::ErrorKind::NotSupported) if files have no such bits, as by default;
    /// the system's error.
    fn set_mode(&mut self, _mode: u32) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }
}

/// An entry of a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name in disk bytes, never `.` or `..`.
    pub name: Vec<u8>,
    /// Facts of the entry itself, with links not followed, if they cost nothing extra.
    pub metadata: Option<Metadata>,
}

/// A function that finds the facts of a directory entry itself, if they are at hand; it returns
/// `None` if they are not, or if there is no such entry.
pub type Recall = Box<dyn Fn(&[u8]) -> Option<Metadata> + Send>;

/// An open directory.
///
/// # Examples
///
/// See [`Filesystem`](crate::Filesystem).
pub trait Listing: Send {
    /// Appends up to `max` entries to `out`, in directory order; returns `false` when none are
    /// left.
    ///
    /// # Errors
    ///
    /// The system's error when the disk fails.
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError>;

    /// Calls `each` with the names of up to `max` entries, in directory order; returns `false` when
    /// none are left. The default takes them from [`next_batch`](Self::next_batch). A listing that
    /// already holds the names in one piece can implement this to save a copy of each.
    ///
    /// # Errors
    ///
    /// As [`next_batch`](Self::next_batch), after the names before the error.
    fn next_names(
        &mut self,
        max: usize,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, FilesystemError> {
        let mut batch = Vec::new();
        let more = self.next_batch(max, &mut batch);
        batch.iter().for_each(|entry| each(&entry.name));
        more
    }

    /// Returns the facts of the entry `name` itself.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) for an entry that was removed meanwhile. A listing
    /// leaves out entries with this or any other error, and logs any other. But if the name `.`
    /// gives [`PermissionDenied`](crate::ErrorKind::PermissionDenied), too, no entry can be
    /// examined, and the listing ends with an error.
    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError>;

    /// Returns the facts of what the entry `name` leads to, following links inside the home.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::stat`](crate::Filesystem::stat).
    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError>;

    /// For a directory with many entries, returns a function with which a second thread can find
    /// facts before [`lstat`](Self::lstat) is asked for them. That thread runs only when a
    /// processor has nothing else to do, and may be stopped anywhere for long, so the function must
    /// neither wait nor hold a lock.
    ///
    /// The default is `None`, which is right if [`lstat`](Self::lstat) takes no time, or may block.
    fn recall(&self) -> Option<Recall> {
        None
    }

    /// Returns the target of the entry `name`, which is a link.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::readlink`](crate::Filesystem::readlink).
    fn readlink(&self, name: &[u8]) -> Result<Vec<u8>, FilesystemError>;
}
