//! The trait every filesystem implements.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use auto_impl::auto_impl;
use ftpdlib_proto::{FileKind, Metadata, VirtualPath};

use crate::error::{ErrorKind, FilesystemError};
use crate::transfer_file::{Listing, ReadFile, WriteFile};

/// How [`Filesystem::open_write`] treats what is there.
///
/// There may be more ways one day: a filesystem refuses those it does not know with
/// [`NotSupported`](ErrorKind::NotSupported), which is what clients are told then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WriteMode {
    /// STOR: created or emptied.
    Replace,
    /// APPE: created or continued at its end.
    Append,
    /// REST then STOR: an existing file written from this byte on (not truncated first); refused
    /// past its end.
    At(u64),
    /// STOU: a new file, its name made from the last component of the path given.
    Unique,
    /// The same for the draft that SITE COPY, CPTO and COMB write, and
    /// [rename](Filesystem::rename) when it is complete. It may hold what others must not read, so
    /// it is closed to all but its owner from the start; it gets its
    /// [mode](WriteFile::set_mode) at the end. Where this is refused as not supported, the draft is
    /// a file as of [`Unique`](Self::Unique).
    Draft,
}

/// What a draft may be used for.
pub(crate) const DRAFT_MODE: u32 = 0o600;

/// Files as a client sees them. All methods but [`real_path`](Self::real_path) may block, unless
/// [`is_local`](Self::is_local) says that they do not; all paths are absolute and normalised, since
/// the session owns the working directory.
///
/// Implementors must have the five that open or look; the rest answers
/// [`NotSupported`](ErrorKind::NotSupported) or something harmless unless it is given. A wrapper
/// that forgets to hand on a defaulted method falls back to that default; a
/// [`Layer`](crate::Layer) hands on whatever it does not change, but for `is_local`.
///
/// A server may act as a user of the system during a call. That holds for the calling thread, not
/// for a program that a method starts: it has root's real id and can become root again, so it must
/// be given the user's ids and groups itself, as by `Command::uid`, `gid` and `groups`, on a thread
/// that was started earlier and does not act as the user. What was opened, and the filesystem, are
/// dropped without the user's rights; unless the filesystem is local, on a thread.
///
/// An `Arc` or a `Box` of a filesystem is one, too.
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
    /// [`NotARegularFile`](ErrorKind::NotARegularFile) for what cannot be sent,
    /// [`OffsetPastEnd`](ErrorKind::OffsetPastEnd) for an offset greater than the size.
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError>;

    /// Opens a regular file for writing (STOR, APPE, STOU).
    ///
    /// For [`WriteMode::Unique`] and [`WriteMode::Draft`], `path` is the directory joined with the
    /// start of the name.
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

    /// Facts of what `path` leads to, links followed inside the home.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), also for a link that leads nowhere;
    /// [`OutsideHome`](ErrorKind::OutsideHome) for one that leaves.
    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError>;

    /// Facts of `path` itself: of a link, the link.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound).
    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError>;

    /// Checks that `path` is a directory that may be entered (CWD).
    ///
    /// The default asks [`stat`](Self::stat) whether it is a directory.
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
    /// [`NotADirectory`](ErrorKind::NotADirectory), also for a link to one; by default
    /// [`NotSupported`](ErrorKind::NotSupported).
    fn rmdir(&self, _path: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Removes a file (DELE); of a link, the link. COMB removes the parts so, and it, SITE COPY and
    /// CPTO a draft that was given up, which otherwise stays.
    ///
    /// # Errors
    ///
    /// [`IsADirectory`](ErrorKind::IsADirectory); by default
    /// [`NotSupported`](ErrorKind::NotSupported).
    fn remove(&self, _path: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Renames `from` to `to` (RNFR, RNTO), neither of them followed if it is a link. A file takes
    /// the place of a file, a directory that of an empty directory.
    ///
    /// SITE COPY, CPTO and COMB give the file they have written its name so. Before they write,
    /// they ask by a name at which nothing can be, for `from` and `to`: a filesystem that answers
    /// [`NotSupported`](ErrorKind::NotSupported) is not written to.
    ///
    /// # Errors
    ///
    /// [`IsADirectory`](ErrorKind::IsADirectory), [`NotADirectory`](ErrorKind::NotADirectory) and
    /// [`DirectoryNotEmpty`](ErrorKind::DirectoryNotEmpty) for anything else in the place of `to`;
    /// by default [`NotSupported`](ErrorKind::NotSupported).
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

    /// Makes `link` a symbolic link that leads to `target` (SITE SYMLINK). `target` need not exist,
    /// nor the directory it is in, if that is below the link's; any other directory has to, and so
    /// has every one for a user with permissions per directory, which are looked up there.
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](ErrorKind::AlreadyExists);
    /// [`OutsideHome`](ErrorKind::OutsideHome) for a target that a link leads out of the home; by
    /// default [`NotSupported`](ErrorKind::NotSupported).
    fn symlink(&self, _target: &VirtualPath, _link: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Bytes that may still be written where `path` leads to (AVBL).
    ///
    /// # Errors
    ///
    /// By default [`NotSupported`](ErrorKind::NotSupported).
    fn available_space(&self, _path: &VirtualPath) -> Result<u64, FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// Target of a link as a client may see it, in disk bytes: inside the home only, absolute ones
    /// as virtual paths.
    ///
    /// # Errors
    ///
    /// [`OutsideHome`](ErrorKind::OutsideHome) for a target that would tell of what lies outside;
    /// by default [`NotSupported`](ErrorKind::NotSupported).
    fn readlink(&self, _path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    /// `path` with every link resolved, inside the home, as a virtual path; a last component that
    /// does not exist is kept. Permission overrides are looked up by it.
    ///
    /// By default `path` itself, which is right where there are no links.
    ///
    /// A failure needs its [places](FilesystemError::with_places): whether a user with overrides is
    /// told why depends on the permissions there. Without any, such a user is told that privileges
    /// are missing. A filesystem that shows another under other paths has to translate the places
    /// of its failures, too, or it tells what is in a guarded directory.
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

    /// Makes a variant of this filesystem for paths that are [`canonical`](Self::canonical)
    /// already: a link on the way, put there since, is an error instead of being followed. With it,
    /// permissions hold for what is opened, whoever swaps links meanwhile.
    ///
    /// By default `None`, which is right where there are no links. A wrapper that hands on
    /// [`canonical`](Self::canonical) hands on this one, too, and wraps what it is given: what it
    /// left unwrapped would be used without it.
    ///
    /// # Errors
    ///
    /// Those of opening the home a second time.
    fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
        Ok(None)
    }

    /// The real path that `path` stands for, by name: links are not resolved. For logs and
    /// observers, never for clients; answers without looking at the disk, since a driver may call
    /// it on its event loop in any case.
    ///
    /// By default `None`: what is shown need not lie on a disk.
    fn real_path(&self, _path: &VirtualPath) -> Option<PathBuf> {
        None
    }

    /// Where a session starts: `/` by default.
    fn start_dir(&self) -> VirtualPath {
        VirtualPath::root()
    }

    /// Owner shown in LIST: `owner` by default, so that no system name is told.
    fn user_name(&self, _uid: u32) -> Cow<'_, str> {
        Cow::Borrowed("owner")
    }

    /// Group shown in LIST: `group` by default.
    fn group_name(&self, _gid: u32) -> Cow<'_, str> {
        Cow::Borrowed("group")
    }

    /// Whether every call answers from this machine without waiting (local disk or memory), those
    /// of its files and listings, too, so that a driver may call it on its event loop, and leave
    /// transfers of files with a descriptor to the kernel; `false` by default. What takes long
    /// since a file or directory is large, a driver may still do on a thread: it knows that by the
    /// sizes that are told.
    fn is_local(&self) -> bool {
        false
    }
}
