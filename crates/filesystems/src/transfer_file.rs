//! What a filesystem hands out: files being read or written, and open directories.

use std::io;
use std::os::fd::BorrowedFd;

use ftpdlib_proto::{Metadata, TransferEnd, VirtualPath};

use crate::error::{ErrorKind, FilesystemError};

/// A file open for reading, positioned. Dropping it closes it.
///
/// # Examples
///
/// See [`Filesystem`](crate::Filesystem).
pub trait ReadFile: Send {
    /// Reads on into `buffer` and answers how many bytes, at most its length; `Ok(0)` is the end.
    ///
    /// # Errors
    ///
    /// What the system says when the disk fails.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Size of the whole file when it was opened, in bytes; `None` if that is not known. A download
    /// whose file ends before that has failed, and bytes beyond it are not sent, unless it is 0.
    fn size(&self) -> Option<u64>;

    /// The open file, if it is local and regular: then its bytes from [`offset`](Self::offset) on
    /// may be sent with `sendfile` instead of [`read`](Self::read), which does not move `offset`.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Position of the next [`read`](Self::read), in bytes from the start of the file.
    fn offset(&self) -> u64;

    /// Permission bits of the file when it was opened, where files have such: a copy of it is open
    /// to nobody that it is not open to.
    fn mode(&self) -> Option<u32> {
        None
    }
}

/// A file open for writing.
///
/// One that is opened to be replaced keeps its content until the first byte, or until it ends as
/// [`TransferEnd::Complete`]: an upload that broke off and brought nothing has replaced nothing,
/// and not what another has uploaded meanwhile, either. One that was not there before is gone again
/// after [`TransferEnd::Unsecured`], if it is still empty and nobody else can have it open: whoever
/// could not be told from a stranger has created nothing. It ends with [`finish`](Self::finish);
/// one that is only dropped was abandoned.
///
/// # Examples
///
/// An upload that goes to whoever listens, if it came as a whole:
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
    /// Writes on and answers how many of `bytes` were taken, which may be fewer than all.
    ///
    /// # Errors
    ///
    /// What the system says, for instance that the disk is full.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// The last call: the transfer ended as `end` says. The final reply waits for it, so what it
    /// refuses, the client is told.
    ///
    /// It may wait, for a virus scanner for instance, unless the filesystem
    /// [`is_local`](crate::Filesystem::is_local): there it is called on the event loop, and
    /// everybody would wait with it. Jobs of one home directory wait for each other if there are
    /// many, and a client is told after `DtpHandler::timeout` that its upload has failed.
    ///
    /// A program that is started here, to look into the upload for instance, may be root even where
    /// the server acts as the user; see [`Filesystem`](crate::Filesystem).
    ///
    /// # Errors
    ///
    /// What closing reported (network filesystems write late), or whatever a filesystem that checks
    /// its uploads has to say.
    fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError>;

    /// The open file, if it is local and regular: then, after the first [`write`](Self::write), it
    /// may be written to directly, at its own position.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Size of the file in bytes, now or a few hundredths of a second ago, or, in a filesystem that
    /// may block, when it was opened; `None` if that is not known. Others may write to the file,
    /// too. Where it is large, a server that calls this filesystem on its event loop has a thread
    /// make the first [`write`](Self::write), which may remove all of that, and call
    /// [`finish`](Self::finish); it asks before both. No default, since a wrapper that forgot it
    /// would have the loop do that. Asked without the rights of the user whose file it is, as is
    /// [`may_wait`](Self::may_wait).
    fn size(&self) -> Option<u64>;

    /// Whether the next [`write`](Self::write), or [`finish`](Self::finish), may wait for a disk to
    /// which content that it removes is on its way, as of a file that was stored a moment ago, now
    /// or a few hundredths of a second ago. A server that calls this filesystem on its event loop
    /// has a thread make that call. No default, for the same reason.
    fn may_wait(&self) -> bool;

    /// The path of the file: the one it was opened by, or the one that
    /// [`WriteMode::Unique`](crate::WriteMode::Unique) or
    /// [`WriteMode::Draft`](crate::WriteMode::Draft) chose.
    fn path(&self) -> &VirtualPath;

    /// Permission bits of the open file, where files have such.
    fn mode(&self) -> Option<u32> {
        None
    }

    /// Sets the permission bits of the open file, whatever has its path by now.
    ///
    /// # Errors
    ///
    /// [`NotSupported`](crate::ErrorKind::NotSupported) where files have none, as by default; what
    /// the system says.
    fn set_mode(&mut self, _mode: u32) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }
}

/// One name of a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Disk bytes, never `.` or `..`.
    pub name: Vec<u8>,
    /// Facts of the entry itself, links not followed, where they cost nothing more.
    pub metadata: Option<Metadata>,
}

/// Finds the facts of an entry of a directory itself, if they are at hand; `None` if they are not,
/// or if there is no such entry.
pub type Recall = Box<dyn Fn(&[u8]) -> Option<Metadata> + Send>;

/// An open directory.
///
/// # Examples
///
/// See [`Filesystem`](crate::Filesystem).
pub trait Listing: Send {
    /// Appends up to `max` entries to `out`, in directory order; `false` when none are left.
    ///
    /// # Errors
    ///
    /// What the system says when the disk fails.
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError>;

    /// Hands `each` the names of up to `max` entries, in directory order; `false` when none are
    /// left. By default they are those of a [`next_batch`](Self::next_batch); a directory that
    /// holds them in one piece saves a copy of each.
    ///
    /// # Errors
    ///
    /// As [`next_batch`](Self::next_batch), after the names that came before.
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

    /// Facts of the entry `name` itself.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) for one that was removed meanwhile: it is left out,
    /// as with any other error, which is logged. But
    /// [`PermissionDenied`](crate::ErrorKind::PermissionDenied) for the name `.`, too, says that no
    /// entry can be looked at, and ends the listing with an error.
    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError>;

    /// Facts of what the entry `name` leads to, links followed inside the home.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::stat`](crate::Filesystem::stat).
    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError>;

    /// For a directory with many entries: a function by which a second thread may find facts before
    /// [`lstat`](Self::lstat) is asked for them. That thread runs only where a processor has
    /// nothing else to do, and may be stopped anywhere for long, so the function must not wait, and
    /// hold no lock.
    ///
    /// By default `None`, which is right where [`lstat`](Self::lstat) takes no time, or may block.
    fn recall(&self) -> Option<Recall> {
        None
    }

    /// Target of the link entry `name`.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::readlink`](crate::Filesystem::readlink).
    fn readlink(&self, name: &[u8]) -> Result<Vec<u8>, FilesystemError>;
}
