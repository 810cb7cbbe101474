use std::sync::Mutex;

use super::*;
use crate::{AbstractedFs, ErrorKind, MemoryFs};

/// Refuses to remove files.
struct Keep;

impl Layer for Keep {
    fn remove(&self, _: &dyn Filesystem, _: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::PermissionDenied.into())
    }
}

#[test]
fn the_twin_that_follows_no_links_has_the_layer_too() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("f"), "x").unwrap();
    let disk = Arc::new(AbstractedFs::new(home.path()).unwrap());
    let layered: Arc<dyn Filesystem> = Arc::new(Layered::new(Keep, disk));
    let twin = layered.without_links().unwrap().unwrap();
    let path = VirtualPath::new("/f").unwrap();
    for files in [&layered, &twin] {
        assert_eq!(files.stat(&path).unwrap().size, 1);
        let error = files.remove(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
    assert!(home.path().join("f").exists());
}

/// Records which methods are called.
#[derive(Default)]
struct Noting(Mutex<Vec<&'static str>>);

impl Noting {
    fn note(&self, method: &'static str) {
        self.0.lock().unwrap().push(method);
    }
}

impl Layer for Noting {
    fn open_read(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        self.note("open_read");
        inner.open_read(path, offset)
    }

    fn open_write(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        self.note("open_write");
        inner.open_write(path, mode)
    }

    fn list(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Box<dyn Listing>, FilesystemError> {
        self.note("list");
        inner.list(path)
    }

    fn stat(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Metadata, FilesystemError> {
        self.note("stat");
        inner.stat(path)
    }

    fn lstat(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Metadata, FilesystemError> {
        self.note("lstat");
        inner.lstat(path)
    }

    fn change_dir(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<(), FilesystemError> {
        self.note("change_dir");
        inner.change_dir(path)
    }

    fn mkdir(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.note("mkdir");
        inner.mkdir(path)
    }

    fn rmdir(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.note("rmdir");
        inner.rmdir(path)
    }

    fn remove(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.note("remove");
        inner.remove(path)
    }

    fn rename(
        &self,
        inner: &dyn Filesystem,
        from: &VirtualPath,
        to: &VirtualPath,
    ) -> Result<(), FilesystemError> {
        self.note("rename");
        inner.rename(from, to)
    }

    fn set_mode(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        mode: u32,
    ) -> Result<(), FilesystemError> {
        self.note("set_mode");
        inner.set_mode(path, mode)
    }

    fn set_modified(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        modified: i64,
    ) -> Result<(), FilesystemError> {
        self.note("set_modified");
        inner.set_modified(path, modified)
    }

    fn symlink(
        &self,
        inner: &dyn Filesystem,
        target: &VirtualPath,
        link: &VirtualPath,
    ) -> Result<(), FilesystemError> {
        self.note("symlink");
        inner.symlink(target, link)
    }

    fn available_space(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<u64, FilesystemError> {
        self.note("available_space");
        inner.available_space(path)
    }

    fn readlink(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<Vec<u8>, FilesystemError> {
        self.note("readlink");
        inner.readlink(path)
    }

    fn canonical(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
    ) -> Result<VirtualPath, FilesystemError> {
        self.note("canonical");
        inner.canonical(path)
    }

    fn real_path(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Option<PathBuf> {
        self.note("real_path");
        inner.real_path(path)
    }

    fn start_dir(&self, inner: &dyn Filesystem) -> VirtualPath {
        self.note("start_dir");
        inner.start_dir()
    }

    fn user_name<'a>(&'a self, inner: &'a dyn Filesystem, uid: u32) -> Cow<'a, str> {
        self.note("user_name");
        inner.user_name(uid)
    }

    fn group_name<'a>(&'a self, inner: &'a dyn Filesystem, gid: u32) -> Cow<'a, str> {
        self.note("group_name");
        inner.group_name(gid)
    }

    fn is_local(&self, inner: &dyn Filesystem) -> bool {
        self.note("is_local");
        inner.is_local()
    }
}

#[test]
fn every_method_is_the_layers() {
    let noting = Arc::new(Noting::default());
    let layer: Arc<dyn Layer> = noting.clone();
    let (files, path) = (
        Layered::shared(layer, Arc::new(MemoryFs::new())),
        VirtualPath::root(),
    );
    let _ = files.open_read(&path, 0);
    let _ = files.open_write(&path, WriteMode::Replace);
    let _ = files.list(&path);
    let _ = files.stat(&path);
    let _ = files.lstat(&path);
    let _ = files.change_dir(&path);
    let _ = files.mkdir(&path);
    let _ = files.rmdir(&path);
    let _ = files.remove(&path);
    let _ = files.rename(&path, &path);
    let _ = files.set_mode(&path, 0o600);
    let _ = files.set_modified(&path, 0);
    let _ = files.symlink(&path, &path);
    let _ = files.available_space(&path);
    let _ = files.readlink(&path);
    let _ = files.canonical(&path);
    let _ = files.real_path(&path);
    let _ = files.start_dir();
    let _ = files.user_name(0);
    let _ = files.group_name(0);
    let _ = files.is_local();
    let called = std::mem::take(&mut *noting.0.lock().unwrap());
    let all = [
        "open_read",
        "open_write",
        "list",
        "stat",
        "lstat",
        "change_dir",
        "mkdir",
        "rmdir",
        "remove",
        "rename",
        "set_mode",
        "set_modified",
        "symlink",
        "available_space",
        "readlink",
        "canonical",
        "real_path",
        "start_dir",
        "user_name",
        "group_name",
        "is_local",
    ];
    assert_eq!(called, all);
}
