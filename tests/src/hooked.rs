//! A filesystem that asks a test before each of its calls.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use ftpdlib::filesystems::{
    Entry, Filesystem, FilesystemError, Listing, ReadFile, WriteFile, WriteMode,
};
use ftpdlib::proto::{Metadata, TransferEnd, VirtualPath};

/// Asked with the name of a call, such as `open_read`; it may block, or refuse the call.
pub type Hook = Arc<dyn Fn(&str) -> Result<(), FilesystemError> + Send + Sync>;

/// A filesystem before whose calls stands a [`Hook`]. It counts as one that may block, unless it is
/// [`local`](Self::local).
pub struct Hooked<F> {
    inner: F,
    hook: Hook,
    local: bool,
}

impl<F: Filesystem> Hooked<F> {
    /// Wraps `inner`.
    pub fn new(
        inner: F,
        hook: impl Fn(&str) -> Result<(), FilesystemError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner,
            hook: Arc::new(hook),
            local: false,
        }
    }

    /// Has it count as one that does not block.
    pub fn local(self) -> Self {
        Self {
            local: true,
            ..self
        }
    }

    fn asked(&self, call: &str) -> Result<&F, FilesystemError> {
        (self.hook)(call).map(|()| &self.inner)
    }
}

impl<F: Filesystem> Filesystem for Hooked<F> {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        let file = self.asked("open_read")?.open_read(path, offset)?;
        let hook = Arc::clone(&self.hook);
        Ok(Box::new(HookedFile { file, hook }))
    }

    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        let file = self.asked("open_write")?.open_write(path, mode)?;
        let hook = Arc::clone(&self.hook);
        Ok(Box::new(HookedFile { file, hook }))
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        let file = self.asked("list")?.list(path)?;
        let hook = Arc::clone(&self.hook);
        Ok(Box::new(HookedFile { file, hook }))
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.asked("stat")?.stat(path)
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.asked("lstat")?.lstat(path)
    }

    fn mkdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.asked("mkdir")?.mkdir(path)
    }

    fn rmdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.asked("rmdir")?.rmdir(path)
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.asked("remove")?.remove(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FilesystemError> {
        self.asked("rename")?.rename(from, to)
    }

    fn is_local(&self) -> bool {
        self.local
    }
}

/// Something open of a [`Hooked`] filesystem.
struct HookedFile<T> {
    file: T,
    hook: Hook,
}

impl ReadFile for HookedFile<Box<dyn ReadFile>> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.hook)("read").map_err(io::Error::other)?;
        self.file.read(buffer)
    }

    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn offset(&self) -> u64 {
        self.file.offset()
    }

    fn mode(&self) -> Option<u32> {
        self.file.mode()
    }
}

impl WriteFile for HookedFile<Box<dyn WriteFile>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (self.hook)("write") {
            Ok(()) => self.file.write(bytes),
            Err(error) if error.reply_code().value() == 452 => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
        (self.hook)("finish")?;
        self.file.finish(end)
    }

    /// The size now: a test need not wait until the disk's file asks for it.
    fn size(&self) -> Option<u64> {
        let file = self.file.descriptor().map(|file| file.try_clone_to_owned());
        match file {
            Some(file) => Some(File::from(file.ok()?).metadata().ok()?.len()),
            None => self.file.size(),
        }
    }

    /// Whether the hook refuses it, whatever the disk is: most tests are not about that.
    fn may_wait(&self) -> bool {
        (self.hook)("may_wait").is_err()
    }

    fn path(&self) -> &VirtualPath {
        self.file.path()
    }

    fn mode(&self) -> Option<u32> {
        self.file.mode()
    }

    fn set_mode(&mut self, mode: u32) -> Result<(), FilesystemError> {
        self.file.set_mode(mode)
    }
}

impl Listing for HookedFile<Box<dyn Listing>> {
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
        (self.hook)("next_batch")?;
        self.file.next_batch(max, out)
    }

    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.file.lstat(name)
    }

    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.file.stat(name)
    }

    fn readlink(&self, name: &[u8]) -> Result<Vec<u8>, FilesystemError> {
        self.file.readlink(name)
    }
}
