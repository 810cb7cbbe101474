//! Changing one thing about a filesystem, and nothing else.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ftpdlib_proto::{Metadata, VirtualPath};

use crate::error::FilesystemError;
use crate::filesystem::{Filesystem, WriteMode};
use crate::transfer_file::{Listing, ReadFile, WriteFile};

/// A change to a filesystem (pyftpdlib: a subclass of `AbstractedFS`).
///
/// Every method corresponds to one of [`Filesystem`]. It is given the filesystem underneath and by
/// default calls its method, except for [`is_local`](Self::is_local). [`Layered`] combines the two.
///
/// A layer changes only the methods that it implements. If nothing else is to be let through, for
/// instance to forbid all changes, implement [`Filesystem`] instead: what it does not forward is
/// refused, now and in later versions.
///
/// # Examples
///
/// Keeps clients from removing files that others may still be fetching:
///
/// ```
/// use std::sync::Arc;
///
/// use ftpdlib_filesystems::{
///     ErrorKind, Filesystem, FilesystemError, Layer, Layered, MemoryFs,
/// };
/// use ftpdlib_proto::VirtualPath;
///
/// struct KeepReleases;
///
/// impl Layer for KeepReleases {
///     fn remove(
///         &self,
///         inner: &dyn Filesystem,
///         path: &VirtualPath,
///     ) -> Result<(), FilesystemError> {
///         if path.as_bytes().ends_with(b".tar.gz") {
///             return Err(ErrorKind::PermissionDenied.into());
///         }
///         inner.remove(path)
///     }
///
///     // The method above never waits.
///     fn is_local(&self, inner: &dyn Filesystem) -> bool {
///         inner.is_local()
///     }
/// }
///
/// let files = MemoryFs::new();
/// files.insert("/notes", "…")?;
/// files.insert("/v1.tar.gz", "…")?;
/// let files = Layered::new(KeepReleases, Arc::new(files));
/// assert!(files.remove(&VirtualPath::new("/notes").unwrap()).is_ok());
/// assert!(files.remove(&VirtualPath::new("/v1.tar.gz").unwrap()).is_err());
/// # Ok::<(), FilesystemError>(())
/// ```
#[expect(
    clippy::missing_errors_doc,
    reason = "the errors are those of the same methods of `Filesystem`"
)]
pub trait Layer: Send + Sync {
    /// See [`Filesystem::open_read`].
    fn open_read(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        inner.open_read(path, offset)
    }

    /// See [`Filesystem::open_write`].
    fn open_write(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        inner.open_write(path, mode)
    }

    /// See [`Filesystem::list`].
    fn list(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Box<dyn Listing>, FilesystemError> {
        inner.list(path)
    }

    /// See [`Filesystem::stat`].
    fn stat(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Metadata, FilesystemError> {
        inner.stat(path)
    }

    /// See [`Filesystem::lstat`].
    fn lstat(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Metadata, FilesystemError> {
        inner.lstat(path)
    }

    /// See [`Filesystem::change_dir`].
    fn change_dir(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<(), FilesystemError> {
        inner.change_dir(path)
    }

    /// See [`Filesystem::mkdir`].
    fn mkdir(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
        inner.mkdir(path)
    }

    /// See [`Filesystem::rmdir`].
    fn rmdir(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
        inner.rmdir(path)
    }

    /// See [`Filesystem::remove`].
    fn remove(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
        inner.remove(path)
    }

    /// See [`Filesystem::rename`].
    fn rename(
        &self,
        inner: &dyn Filesystem,
        from: &VirtualPath,
        to: &VirtualPath,
    ) -> Result<(), FilesystemError> {
        inner.rename(from, to)
    }

    /// See [`Filesystem::set_mode`].
    fn set_mode(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        mode: u32,
    ) -> Result<(), FilesystemError> {
        inner.set_mode(path, mode)
    }

    /// See [`Filesystem::set_modified`].
    fn set_modified(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        modified: i64,
    ) -> Result<(), FilesystemError> {
        inner.set_modified(path, modified)
    }

    /// See [`Filesystem::symlink`].
    fn symlink(
        &self,
        inner: &dyn Filesystem,
        target: &VirtualPath,
        link: &VirtualPath,
    ) -> Result<(), FilesystemError> {
        inner.symlink(target, link)
    }

    /// See [`Filesystem::available_space`].
    fn available_space(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<u64, FilesystemError> {
        inner.available_space(path)
    }

    /// See [`Filesystem::readlink`].
    fn readlink(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Vec<u8>, FilesystemError> {
        inner.readlink(path)
    }

    /// See [`Filesystem::canonical`], also for the places of failures.
    fn canonical(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<VirtualPath, FilesystemError> {
        inner.canonical(path)
    }

    /// See [`Filesystem::real_path`].
    fn real_path(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Option<PathBuf> {
        inner.real_path(path)
    }

    /// See [`Filesystem::start_dir`].
    fn start_dir(&self, inner: &dyn Filesystem) -> VirtualPath {
        inner.start_dir()
    }

    /// See [`Filesystem::user_name`].
    fn user_name<'a>(&'a self, inner: &'a dyn Filesystem, uid: u32) -> Cow<'a, str> {
        inner.user_name(uid)
    }

    /// See [`Filesystem::group_name`].
    fn group_name<'a>(&'a self, inner: &'a dyn Filesystem, gid: u32) -> Cow<'a, str> {
        inner.group_name(gid)
    }

    /// See [`Filesystem::is_local`]. The default is `false`, since only the layer knows whether it
    /// waits.
    ///
    /// If no method of the layer waits, nor any method of the files and listings that it wraps,
    /// return `inner.is_local()`. Otherwise, transfers are copied on threads, which is several
    /// times slower than what the kernel does for local disks. A layer that returns `true` and
    /// still waits holds up all clients.
    fn is_local(&self, _inner: &dyn Filesystem) -> bool {
        false
    }
}

/// A filesystem with a [`Layer`] over it.
///
/// The layer also covers the variant that follows no links
/// ([`without_links`](Filesystem::without_links)), so it cannot be bypassed.
pub struct Layered<L: ?Sized> {
    layer: Arc<L>,
    inner: Arc<dyn Filesystem>,
}

impl<L: Layer> Layered<L> {
    /// Puts `layer` over `inner`.
    pub fn new(layer: L, inner: Arc<dyn Filesystem>) -> Self {
        Self::shared(Arc::new(layer), inner)
    }
}

impl<L: Layer + ?Sized> Layered<L> {
    /// Puts a `layer` over `inner` that also covers other filesystems, or whose type is known only
    /// at run time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use ftpdlib_filesystems::{Filesystem, Layer, Layered, MemoryFs};
    ///
    /// fn stacked(layers: &[Arc<dyn Layer>]) -> Arc<dyn Filesystem> {
    ///     let mut files: Arc<dyn Filesystem> = Arc::new(MemoryFs::new());
    ///     for layer in layers {
    ///         files = Arc::new(Layered::shared(Arc::clone(layer), files));
    ///     }
    ///     files
    /// }
    /// # struct Nothing;
    /// # impl Layer for Nothing {}
    /// # assert!(!stacked(&[Arc::new(Nothing), Arc::new(Nothing)]).is_local());
    /// ```
    pub fn shared(layer: Arc<L>, inner: Arc<dyn Filesystem>) -> Self {
        Self { layer, inner }
    }
}

impl<L: Layer + ?Sized + 'static> Filesystem for Layered<L> {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        self.layer.open_read(&*self.inner, path, offset)
    }

    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        self.layer.open_write(&*self.inner, path, mode)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        self.layer.list(&*self.inner, path)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.layer.stat(&*self.inner, path)
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.layer.lstat(&*self.inner, path)
    }

    fn change_dir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.layer.change_dir(&*self.inner, path)
    }

    fn mkdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.layer.mkdir(&*self.inner, path)
    }

    fn rmdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.layer.rmdir(&*self.inner, path)
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.layer.remove(&*self.inner, path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FilesystemError> {
        self.layer.rename(&*self.inner, from, to)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FilesystemError> {
        self.layer.set_mode(&*self.inner, path, mode)
    }

    fn set_modified(&self, path: &VirtualPath, modified: i64) -> Result<(), FilesystemError> {
        self.layer.set_modified(&*self.inner, path, modified)
    }

    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), FilesystemError> {
        self.layer.symlink(&*self.inner, target, link)
    }

    fn available_space(&self, path: &VirtualPath) -> Result<u64, FilesystemError> {
        self.layer.available_space(&*self.inner, path)
    }

    fn readlink(&self, path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
        self.layer.readlink(&*self.inner, path)
    }

    fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        self.layer.canonical(&*self.inner, path)
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        self.layer.real_path(&*self.inner, path)
    }

    fn start_dir(&self) -> VirtualPath {
        self.layer.start_dir(&*self.inner)
    }

    fn user_name(&self, uid: u32) -> Cow<'_, str> {
        self.layer.user_name(&*self.inner, uid)
    }

    fn group_name(&self, gid: u32) -> Cow<'_, str> {
        self.layer.group_name(&*self.inner, gid)
    }

    fn is_local(&self) -> bool {
        self.layer.is_local(&*self.inner)
    }

    fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
        let inner = self.inner.without_links()?;
        Ok(inner.map(|inner| {
            let layer = Arc::clone(&self.layer);
            Arc::new(Self { layer, inner }) as Arc<dyn Filesystem>
        }))
    }
}

impl<L: ?Sized> fmt::Debug for Layered<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered")
            .field("layer", &std::any::type_name::<L>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
