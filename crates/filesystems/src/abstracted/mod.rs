//! The jail: a directory of the disk, and nothing outside it.

mod methods;
#[cfg(test)]
mod tests;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftpdlib_proto::{Metadata, VirtualPath};
use ftpdlib_sys::{
    available_space, make_dir_at, read_link_at, remove_dir_at, rename_at, set_mode, set_modified,
    symlink_at, unlink_at,
};

use crate::disk_file::{DiskReadFile, DiskWriteFile};
use crate::disk_listing::DiskListing;
use crate::error::{ErrorKind, FilesystemError};
use crate::filesystem::{Filesystem, WriteMode};
use crate::jail::{Jail, Resolver, metadata};
use crate::transfer_file::{Listing, ReadFile, WriteFile};

pub use methods::OpenMode;

/// A home directory shown as `/` (pyftpdlib: `AbstractedFS`).
///
/// The directory is opened once, and every path is resolved beneath that descriptor: by one
/// `openat2` call where the kernel has it, otherwise from one descriptor to the next. Nothing is
/// checked by name and then opened by name, so renaming or linking files meanwhile cannot lead a
/// client out. Links that stay inside the home work, including absolute ones and ones that use
/// `..`; a link that leaves the home is refused, even if it would lead back into it.
///
/// The methods of [`Filesystem`] take absolute paths only. The inherent methods, which are those of
/// pyftpdlib's class, take virtual paths in disk bytes, as seen from the working directory,
/// [`cwd`](Self::cwd). Where pyftpdlib's methods take real paths, these take virtual ones unless
/// they say otherwise, so that none can be used outside the home. Clones share the open home, but
/// each has its own working directory.
///
/// Opening a file never waits for another process: a FIFO, socket or device is refused.
///
/// # Examples
///
/// ```
/// use ftpdlib_filesystems::AbstractedFs;
///
/// # let scratch = tempfile::tempdir()?;
/// # let home = scratch.path();
/// let mut fs = AbstractedFs::new(home)?;
/// fs.mkdir("pub")?;
/// fs.chdir("pub")?;
/// assert_eq!(fs.ftpnorm("a.txt")?.as_bytes(), b"/pub/a.txt");
/// assert!(fs.isdir("/pub") && !fs.lexists("/../../etc/passwd"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AbstractedFs {
    jail: Arc<Jail>,
    resolver: Resolver,
    cwd: VirtualPath,
}

impl AbstractedFs {
    /// Opens the directory at the real path `home`, following links in the path.
    ///
    /// # Errors
    ///
    /// Those of opening the directory: [`ErrorKind::NotFound`], [`ErrorKind::NotADirectory`],
    /// [`ErrorKind::PermissionDenied`].
    pub fn new(home: impl AsRef<Path>) -> Result<Self, FilesystemError> {
        Self::with_resolver(home, Resolver::default())
    }

    /// Opens the directory at the real path `home` like [`new`](Self::new), but resolves paths with
    /// `resolver`; for tests, and for systems whose `openat2` cannot be trusted.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_resolver(
        home: impl AsRef<Path>,
        resolver: Resolver,
    ) -> Result<Self, FilesystemError> {
        Ok(Self {
            jail: Arc::new(Jail::open_home(home.as_ref(), resolver)?),
            resolver,
            cwd: VirtualPath::root(),
        })
    }

    /// Denies opening anything on a filesystem of processes (`/proc`), wherever in the home it is
    /// mounted.
    ///
    /// For threads that act as a user of the system. They remain threads of root's process, and
    /// `/proc` shows them what it shows of that process, such as its memory map and open files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PermissionDenied`] for a home that itself lies on such a filesystem.
    pub fn without_processes(self) -> Result<Self, FilesystemError> {
        Ok(Self {
            jail: Arc::new(self.jail.without_processes()?),
            ..self
        })
    }
}

impl Filesystem for AbstractedFs {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        Ok(Box::new(DiskReadFile::open(&self.jail, path, offset)?))
    }

    /// New files get mode `0666` less the umask. An upload that fails leaves what has arrived.
    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        Ok(Box::new(DiskWriteFile::open(&self.jail, path, mode)?))
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        Ok(Box::new(DiskListing::open(&self.jail, path)?))
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.jail.stat(path).map(metadata)
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.jail.lstat_whole(path)
    }

    fn change_dir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.jail.enter(path)
    }

    fn mkdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        if path.is_root() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (parent, name) = self.jail.parent(path)?;
        Ok(make_dir_at(parent.as_fd(), name, 0o777)?)
    }

    fn rmdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        let (parent, name) = self.jail.parent(path)?;
        Ok(remove_dir_at(parent.as_fd(), name)?)
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        if path.is_root() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let (parent, name) = self.jail.parent(path)?;
        Ok(unlink_at(parent.as_fd(), name)?)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FilesystemError> {
        let (parent, name) = self.jail.parent(from)?;
        let is_beside = |new_name: &&[u8]| {
            from.as_bytes().strip_suffix(name) == to.as_bytes().strip_suffix(*new_name)
        };
        let (other_parent, new_name) = match to.file_name().filter(is_beside) {
            Some(new_name) => (None, new_name),
            None => {
                let (other_parent, new_name) = self.jail.parent(to)?;
                (Some(other_parent), new_name)
            }
        };
        let new_parent = other_parent.as_ref().unwrap_or(&parent);
        Ok(rename_at(
            parent.as_fd(),
            name,
            new_parent.as_fd(),
            new_name,
        )?)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FilesystemError> {
        let found = self.jail.descriptor(path)?;
        Ok(set_mode(found.as_fd(), mode & 0o7777)?)
    }

    fn set_modified(&self, path: &VirtualPath, modified: i64) -> Result<(), FilesystemError> {
        let found = self.jail.descriptor(path)?;
        Ok(set_modified(found.as_fd(), modified)?)
    }

    /// The link is relative, and so can be moved along with its target, if the target is below the
    /// link's directory. Any other link is written with the real path of the home, so that no
    /// renaming makes it lead outside; a link with `..` would do so once moved up.
    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), FilesystemError> {
        let below = below(target, link);
        match self.canonical(target) {
            // The target's directory may be uploaded after the link.
            Err(error) if below.is_some() && error.kind() == ErrorKind::NotFound => {}
            found => drop(found?),
        }
        let (parent, name) = self.jail.parent(link)?;
        if let Some(text) = below {
            return Ok(symlink_at(text, parent.as_fd(), name)?);
        }
        let target = match self.jail.is_linkless() {
            true => self.real(target),
            false => self.real(&self.jail.canonical_entry(target)?),
        };
        let text = target.as_os_str().as_encoded_bytes();
        Ok(symlink_at(text, parent.as_fd(), name)?)
    }

    fn available_space(&self, path: &VirtualPath) -> Result<u64, FilesystemError> {
        let found = self.jail.descriptor(path)?;
        Ok(available_space(found.as_fd())?)
    }

    fn readlink(&self, path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
        let (parent, name) = self.jail.parent(path)?;
        let target = read_link_at(parent.as_fd(), name)?;
        self.jail.shown_target(target, parent.as_fd())
    }

    fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        if self.jail.is_linkless() {
            return Ok(path.clone());
        }
        self.jail.canonical(path.relative())
    }

    fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
        Ok(Some(Arc::new(Self {
            jail: Arc::new(self.jail.linkless()),
            resolver: self.resolver,
            cwd: self.cwd.clone(),
        })))
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        Some(self.real(path))
    }

    /// Whether the home is neither on a network filesystem nor on one that a process serves (FUSE),
    /// and no such filesystem is mounted below it. A server asks this at each login: what is
    /// mounted during a session is noticed only by later sessions.
    fn is_local(&self) -> bool {
        self.jail.is_local()
    }
}

/// Returns `target` as seen from the directory of `link`, if it is below that directory and not at
/// or below `link` itself.
fn below<'a>(target: &'a VirtualPath, link: &VirtualPath) -> Option<&'a [u8]> {
    let dir = link.parent()?;
    if *target == dir || !target.starts_with(&dir) || target.starts_with(link) {
        return None;
    }
    let rest = &target.relative()[dir.relative().len()..];
    Some(rest.strip_prefix(b"/").unwrap_or(rest))
}
