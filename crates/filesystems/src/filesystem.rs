//! The trait that every filesystem implements.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use auto_impl::auto_impl;
use ftpdlib_proto::{FileKind, Metadata, VirtualPath};

use crate::error::{ErrorKind, FilesystemError};
use crate::transfer_file::{Listing, ReadFile, WriteFile};

/// How [`Filesystem::open_write`] treats an existing file.
///
/// More modes may be added: a filesystem refuses those that it does not know with
/// [`NotSupported`](ErrorKind::NotSupported), which is what clients are then told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WriteMode {
    /// STOR: the file is created or emptied.
    Replace,
    /// APPE: the file is created or continued at its end.
    Append,
    /// REST then STOR: an existing file is written from this byte on, without being truncated
    /// first; refused past its end.
    At(u64),
    /// STOU: a new file is created, with a name derived from the last component of the given path.
    Unique,
    /// Like [`Unique`](Self::Unique), for the draft that SITE COPY, CPTO and COMB write and then
    /// [rename](Filesystem::rename) when it is complete. It may contain what others must not read,
    /// so only its owner can access it from the start; it gets its [mode](WriteFile::set_mode) at
    /// the end. Before it, an empty [`Unique`](Self::Unique) file is opened and removed, which
    /// shows the mode of new files. If the filesystem refuses this mode as not supported, the draft
    /// is opened with [`Unique`](Self::Unique).
    Draft,
}

/// The permission bits of a draft.
pub(crate) const DRAFT_MODE: u32 = 0o600;

/// Files as a client sees them.
///
/// All methods but [`real_path`](Self::real_path) may block, unless [`is_local`](Self::is_local)
/// says that they do not. All paths are absolute and normalised, since the session owns the working
/// directory.
///
/// Implementors must provide the five methods that open files or look at them; the defaults of the
/// others return [`NotSupported`](ErrorKind::NotSupported) or something harmless. A wrapper that
/// forgets to forward a defaulted method falls back to that default; a [`Layer`](crate::Layer)
/// forwards all methods that it does not change, except `is_local`.
///
/// A server may act as a user of the system during a call. That applies to the calling thread, but
/// not to a program that a method starts: the program has root's real id and can become root again.
/// It must be given the user's ids and groups itself, for instance with `Command::uid`, `gid` and
/// `groups`, by a thread that was started earlier and does not act as the user. The filesystem and
/// what it has opened are dropped without the user's rights, on a thread unless the filesystem is
/// local.
///
/// An `Arc` or a `Box` of a filesystem is a filesystem, too.
///
/// # Examples
///
/// A directory with one file:
///
/// ```
/// use std::io::{self, Read};
///
/// use ftpdlib_filesystems::{
///     Entry, ErrorKind, Filesystem, FilesystemError, Listing, ReadFile, WriteFile, WriteMode,
/// };
/// use ftpdlib_proto::{FileKind, Metadata, VirtualPath};
///
/// const TEXT: &str = "All is well.\n";
///
/// struct Report;
///
/// fn facts(path: &[u8]) -> Result<Metadata, FilesystemError> {
///     let (kind, size, mode) = match path {
///         b"/" => (FileKind::Directory, 0, 0o555),
///         b"/report" => (FileKind::File, TEXT.len() as u64, 0o444),
///         _ => return Err(ErrorKind::NotFound.into()),
///     };
///     let (modified, links, uid, gid, device, inode) = (0, 1, 0, 0, 0, 0);
///     let unwritten = false;
///     Ok(Metadata { kind, size, modified, mode, links, uid, gid, device, inode, unwritten })
/// }
///
/// impl Filesystem for Report {
///     fn open_read(
///         &self,
///         path: &VirtualPath,
///         offset: u64,
///     ) -> Result<Box<dyn ReadFile>, FilesystemError> {
///         match facts(path.as_bytes())? {
///             facts if facts.kind == FileKind::Directory => Err(ErrorKind::IsADirectory.into()),
///             facts if facts.size < offset => Err(ErrorKind::OffsetPastEnd.into()),
///             _ => {
///                 let mut text = io::Cursor::new(TEXT);
///                 text.set_position(offset);
///                 Ok(Box::new(Text(text)))
///             }
///         }
///     }
///
///     fn open_write(
///         &self,
///         _: &VirtualPath,
///         _: WriteMode,
///     ) -> Result<Box<dyn WriteFile>, FilesystemError> {
///         Err(ErrorKind::ReadOnly.into())
///     }
///
///     fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
///         self.change_dir(path)?;
///         Ok(Box::new(Names))
///     }
///
///     fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
///         facts(path.as_bytes())
///     }
///
///     fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
///         facts(path.as_bytes())
///     }
/// }
///
/// struct Text(io::Cursor<&'static str>);
///
/// impl ReadFile for Text {
///     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
///         self.0.read(buffer)
///     }
///
///     fn size(&self) -> Option<u64> {
///         Some(TEXT.len() as u64)
///     }
///
///     fn offset(&self) -> u64 {
///         self.0.position()
///     }
/// }
///
/// struct Names;
///
/// impl Listing for Names {
///     fn next_batch(&mut self, _: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
///         out.push(Entry { name: b"report".to_vec(), metadata: None });
///         Ok(false)
///     }
///
///     fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
///         facts(&[b"/", name].concat())
///     }
///
///     fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
///         self.lstat(name)
///     }
///
///     fn readlink(&self, _: &[u8]) -> Result<Vec<u8>, FilesystemError> {
///         Err(ErrorKind::NotSupported.into())
///     }
/// }
///
/// let mut names = Vec::new();
/// Report.list(&VirtualPath::root())?.next_batch(10, &mut names)?;
/// let path = VirtualPath::root().join(&names[0].name)?;
/// let mut bytes = [0; 20];
/// let count = Report.open_read(&path, 7)?.read(&mut bytes)?;
/// assert_eq!(&bytes[..count], b"well.\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[auto_impl(Arc, Box)]
pub trait Filesystem: Send + Sync {
    /// Opens a regular file for reading, positioned at `offset` (RETR).
    ///
    /// # Errors
    ///
    /// [`IsADirectory`](ErrorKind::IsADirectory) and
    /// [`NotARegularFile`](ErrorKind::NotARegularFile) if `path` is not a regular file,
    /// [`OffsetPastEnd`](ErrorKind::OffsetPastEnd) for an offset greater than the size.
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError>;

    /// Opens a regular file for writing (STOR, APPE, STOU).
    ///
    /// For [`WriteMode::Unique`] and [`WriteMode::Draft`], the last component of `path` is the
    /// start of the new name.
    ///
    /// # Errors
    ///
    /// As [`open_read`](Self::open_read); also [`StorageFull`](ErrorKind::StorageFull),
    /// [`QuotaExceeded`](ErrorKind::QuotaExceeded) and [`ReadOnly`](ErrorKind::ReadOnly).
    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError>;

    /// Opens a directory for listing (LIST, NLST, MLSD).
    ///
    /// # Errors
    ///
    /// [`NotADirectory`](ErrorKind::NotADirectory) for a file.
    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError>;

    /// Returns the facts of what `path` leads to, following links inside the home.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), also for a link that leads nowhere;
    /// [`OutsideHome`](ErrorKind::OutsideHome) for a link that leaves the home.
    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError>;

    /// Returns the facts of `path` itself, without following it if it is a link.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError>;

    /// Checks that `path` is a directory that may be entered (CWD).
    ///
    /// The default asks [`stat`](Self::stat) whether `path` is a directory.
    ///
    /// # Errors
    ///
    /// [`NotADirectory`](ErrorKind::NotADirectory); those of [`stat`](Self::stat).
    fn change_dir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        match self.stat(path)?.kind {
            FileKind::Directory => Ok(()),
            FileKind::File | FileKind::Symlink | FileKind::Other => {
                Err(ErrorKind::NotADirectory.into())
            }
        }
    }

    /// Makes a directory (MKD).
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists); by default
    /// [`NotSupported`](ErrorKind::NotSupported).
    fn mkdir(&self, _path: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Removes an empty directory (RMD).
    ///
    /// # Errors
    ///
    /// [`DirectoryNotEmpty`](ErrorKind::DirectoryNotEmpty);
    /// [`NotADirectory`](ErrorKind::NotADirectory), also for a link to a directory; by default
    /// [`NotSupported`](ErrorKind::NotSupported).
    fn rmdir(&self, _path: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Removes a file or a link itself (DELE). COMB also calls this to remove the parts, and COMB,
    /// SITE COPY and CPTO to remove a draft that was given up, which would otherwise stay.
    ///
    /// # Errors
    ///
    /// [`IsADirectory`](ErrorKind::IsADirectory); by default
    /// [`NotSupported`](ErrorKind::NotSupported).
    fn remove(&self, _path: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Renames `from` to `to` (RNFR, RNTO), neither of which is followed if it is a link. A file
    /// may replace a file, and a directory an empty directory.
    ///
    /// SITE COPY, CPTO and COMB call this to give the draft that they have written its name. Before
    /// they write, they try it with a name that cannot exist for both `from` and `to`: a filesystem
    /// that returns [`NotSupported`](ErrorKind::NotSupported) is not written to.
    ///
    /// # Errors
    ///
    /// [`IsADirectory`](ErrorKind::IsADirectory), [`NotADirectory`](ErrorKind::NotADirectory) and
    /// [`DirectoryNotEmpty`](ErrorKind::DirectoryNotEmpty) if `to` is anything else; by default
    /// [`NotSupported`](ErrorKind::NotSupported).
    fn rename(&self, _from: &VirtualPath, _to: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Sets the permission bits (`0o7777` mask) of what `path` leads to (SITE CHMOD).
    ///
    /// # Errors
    ///
    /// By default [`NotSupported`](ErrorKind::NotSupported).
    fn set_mode(&self, _path: &VirtualPath, _mode: u32) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Sets the modification time of what `path` leads to, in seconds since 1970 UTC (MFMT). The
    /// access time may change with it.
    ///
    /// # Errors
    ///
    /// By default [`NotSupported`](ErrorKind::NotSupported).
    fn set_modified(&self, _path: &VirtualPath, _modified: i64) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Makes `link` a symbolic link to `target` (SITE SYMLINK). `target` need not exist. Nor need
    /// its directory if it is below the directory of `link`; any other directory has to exist. For
    /// a user with permission overrides, the directory always has to exist, since its permissions
    /// are looked up.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists); [`OutsideHome`](ErrorKind::OutsideHome) if a
    /// link leads the target out of the home; by default [`NotSupported`](ErrorKind::NotSupported).
    fn symlink(&self, _target: &VirtualPath, _link: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Returns how many more bytes can be written where `path` leads (AVBL).
    ///
    /// # Errors
    ///
    /// By default [`NotSupported`](ErrorKind::NotSupported).
    fn available_space(&self, _path: &VirtualPath) -> Result<u64, FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Returns the target of a link as a client may see it, in disk bytes: only inside the home,
    /// and with an absolute target as a virtual path.
    ///
    /// # Errors
    ///
    /// [`OutsideHome`](ErrorKind::OutsideHome) for a target that would reveal what lies outside; by
    /// default [`NotSupported`](ErrorKind::NotSupported).
    fn readlink(&self, _path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Returns `path` with every link resolved inside the home, as a virtual path; a last component
    /// that does not exist is kept. Permission overrides are looked up by the result.
    ///
    /// The default returns `path` itself, which is right if there are no links.
    ///
    /// A failure needs its [places](FilesystemError::with_places): whether a user with overrides is
    /// told the reason depends on the permissions there. If there are no places, such a user is
    /// told that privileges are missing. A filesystem that shows another one under different paths
    /// has to translate the places of its failures, too, or it reveals what is in a guarded
    /// directory.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) when a directory on the way is missing,
    /// [`OutsideHome`](ErrorKind::OutsideHome) when a link leaves,
    /// [`NameTooLong`](ErrorKind::NameTooLong) when the path would be too long with its links
    /// resolved.
    fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        Ok(path.clone())
    }

    /// Makes a variant of this filesystem for paths that are already
    /// [`canonical`](Self::canonical): a link on the way, which must have been put there since, is
    /// not followed but is an error. This makes permissions hold for what is opened, even if links
    /// are swapped meanwhile.
    ///
    /// The default is `None`, which is right if there are no links. A wrapper that forwards
    /// [`canonical`](Self::canonical) has to forward this method, too, and wrap the result: an
    /// unwrapped variant would be used without the wrapper.
    ///
    /// # Errors
    ///
    /// Those of opening the home a second time.
    fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
        Ok(None)
    }

    /// Returns the real path that `path` stands for, by name: links are not resolved. For logs and
    /// observers, never for clients. Must not access the disk, since a driver may always call this
    /// on its event loop.
    ///
    /// The default is `None`, since the files need not lie on a disk.
    fn real_path(&self, _path: &VirtualPath) -> Option<PathBuf> {
        None
    }

    /// Returns the directory in which a session starts: `/` by default.
    fn start_dir(&self) -> VirtualPath {
        VirtualPath::root()
    }

    /// Returns the owner shown in LIST: `owner` by default, so that no system name is revealed.
    fn user_name(&self, _uid: u32) -> Cow<'_, str> {
        Cow::Borrowed("owner")
    }

    /// Returns the group shown in LIST: `group` by default.
    fn group_name(&self, _gid: u32) -> Cow<'_, str> {
        Cow::Borrowed("group")
    }

    /// Whether all calls, including those of open files and listings, are answered by this machine
    /// without waiting, from a local disk or memory. A driver may then call the filesystem on its
    /// event loop, and leave transfers of files with a descriptor to the kernel. The default is
    /// `false`. A driver may still use a thread for operations that take long because a file or
    /// directory is large; it knows that from the reported sizes.
    fn is_local(&self) -> bool {
        false
    }
}
