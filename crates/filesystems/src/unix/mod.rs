//! The whole disk.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ftpdlib_proto::{Metadata, VirtualPath};

use crate::abstracted::AbstractedFs;
use crate::error::FilesystemError;
use crate::filesystem::{Filesystem, WriteMode};
use crate::transfer_file::{Listing, ReadFile, WriteFile};

/// The real filesystem from its root down, as a local user sees it (pyftpdlib: `UnixFilesystem`).
///
/// Virtual paths are real paths, a session starts in the home directory and may leave it, and LIST
/// shows the names of users and groups. Meant for users of the system, together with an authorizer
/// that assumes their identity.
///
/// `/proc` can be seen but not entered, and nothing on a filesystem of that kind can be opened,
/// wherever it is mounted: users must not see what it shows of the server's process.
///
/// # Examples
///
/// ```
/// use ftpdlib_filesystems::{Filesystem, UnixFilesystem};
///
/// let fs = UnixFilesystem::new("/tmp")?;
/// assert_eq!(fs.start_dir(), fs.canonical(&fs.start_dir())?);
/// # Ok::<(), ftpdlib_filesystems::FilesystemError>(())
/// ```
#[derive(Debug)]
pub struct UnixFilesystem {
    /// The whole disk, with the home as its working directory.
    disk: AbstractedFs,
    users: Names,
    groups: Names,
}

impl UnixFilesystem {
    /// Shows the whole disk, with sessions that start in the directory `home`.
    ///
    /// # Errors
    ///
    /// Those of opening `home`, as for [`AbstractedFs::new`].
    pub fn new(home: impl AsRef<Path>) -> Result<Self, FilesystemError> {
        let home = AbstractedFs::new(home)?;
        let mut disk = AbstractedFs::new("/")?.without_processes()?;
        disk.set_cwd(disk.fs2ftp(home.root()));
        Ok(Self {
            disk,
            users: Names::default(),
            groups: Names::default(),
        })
    }

    /// Gives access to the methods of pyftpdlib's class, with the root of the disk as
    /// [`root`](AbstractedFs::root) and the home as [`cwd`](AbstractedFs::cwd). A clone has its own
    /// working directory.
    ///
    /// # Examples
    ///
    /// ```
    /// use ftpdlib_filesystems::UnixFilesystem;
    ///
    /// let fs = UnixFilesystem::new("/tmp")?;
    /// assert!(fs.as_abstracted().isdir("."));
    /// # Ok::<(), ftpdlib_filesystems::FilesystemError>(())
    /// ```
    pub fn as_abstracted(&self) -> &AbstractedFs {
        &self.disk
    }

    /// The disk through the methods of the trait: pyftpdlib's methods of the same names would join
    /// the path with the working directory once more.
    fn files(&self) -> &dyn Filesystem {
        &self.disk
    }
}

impl Filesystem for UnixFilesystem {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        self.files().open_read(path, offset)
    }

    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        self.files().open_write(path, mode)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        self.files().list(path)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.files().stat(path)
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.files().lstat(path)
    }

    fn change_dir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.files().change_dir(path)
    }

    fn mkdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.files().mkdir(path)
    }

    fn rmdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.files().rmdir(path)
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.files().remove(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FilesystemError> {
        self.files().rename(from, to)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FilesystemError> {
        self.files().set_mode(path, mode)
    }

    fn set_modified(&self, path: &VirtualPath, modified: i64) -> Result<(), FilesystemError> {
        self.files().set_modified(path, modified)
    }

    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), FilesystemError> {
        self.files().symlink(target, link)
    }

    fn available_space(&self, path: &VirtualPath) -> Result<u64, FilesystemError> {
        self.files().available_space(path)
    }

    fn readlink(&self, path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
        self.files().readlink(path)
    }

    fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        self.files().canonical(path)
    }

    fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
        self.files().without_links()
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        self.files().real_path(path)
    }

    /// The canonical path of the home directory.
    fn start_dir(&self) -> VirtualPath {
        self.disk.cwd().clone()
    }

    /// The user's name, or the id if there is none.
    fn user_name(&self, uid: u32) -> Cow<'_, str> {
        self.users.get_or_look_up(uid, ftpdlib_sys::user_name)
    }

    /// The group's name, or the id if there is none.
    fn group_name(&self, gid: u32) -> Cow<'_, str> {
        self.groups.get_or_look_up(gid, ftpdlib_sys::group_name)
    }

    // `is_local` stays false: names may come from a directory service, and a network disk may be
    // mounted anywhere.
}

/// A cache of names. A lookup reads files or asks a service, and a listing shows the same few names
/// over and over.
#[derive(Debug, Default)]
struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Maps each id to its name, or to the id itself if it has none.
    names: HashMap<u32, String>,
    /// If the last lookup failed, when to look up other ids again.
    again: Option<Instant>,
}

/// How long no names are looked up after a failure, so that a service that does not answer is not
/// asked for each entry of a listing.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

impl Names {
    fn get_or_look_up(
        &self,
        id: u32,
        look_up: fn(u32) -> io::Result<Option<String>>,
    ) -> Cow<'_, str> {
        // A panic elsewhere cannot leave the map half changed.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.names.get(&id) {
            return Cow::Owned(name.clone());
        }
        let number = id.to_string();
        if known.again.is_some_and(|again| Instant::now() < again) {
            return Cow::Owned(number);
        }
        match look_up(id) {
            Ok(found) => {
                let name = found.unwrap_or(number);
                known.names.insert(id, name.clone());
                Cow::Owned(name)
            }
            Err(_) => {
                known.again = Some(Instant::now() + AGAIN_AFTER);
                Cow::Owned(number)
            }
        }
    }
}

#[cfg(test)]
mod tests;
