//! A pointer to a layer is a layer.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use ftpdlib_proto::{Metadata, VirtualPath};

use crate::error::FilesystemError;
use crate::filesystem::{Filesystem, WriteMode};
use crate::layer::Layer;
use crate::transfer_file::{Listing, ReadFile, WriteFile};

macro_rules! hand_on {
    ($pointer:ident) => {
        impl<T: Layer + ?Sized> Layer for $pointer<T> {
            fn open_read(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
                offset: u64,
            ) -> Result<Box<dyn ReadFile>, FilesystemError> {
                (**self).open_read(inner, path, offset)
            }

            fn open_write(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
                mode: WriteMode,
            ) -> Result<Box<dyn WriteFile>, FilesystemError> {
                (**self).open_write(inner, path, mode)
            }

            fn list(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<Box<dyn Listing>, FilesystemError> {
                (**self).list(inner, path)
            }

            fn stat(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<Metadata, FilesystemError> {
                (**self).stat(inner, path)
            }

            fn lstat(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<Metadata, FilesystemError> {
                (**self).lstat(inner, path)
            }

            fn change_dir(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<(), FilesystemError> {
                (**self).change_dir(inner, path)
            }

            fn mkdir(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<(), FilesystemError> {
                (**self).mkdir(inner, path)
            }

            fn rmdir(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<(), FilesystemError> {
                (**self).rmdir(inner, path)
            }

            fn remove(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<(), FilesystemError> {
                (**self).remove(inner, path)
            }

            fn rename(
                &self,
                inner: &dyn Filesystem,
                from: &VirtualPath,
                to: &VirtualPath,
            ) -> Result<(), FilesystemError> {
                (**self).rename(inner, from, to)
            }

            fn set_mode(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
                mode: u32,
            ) -> Result<(), FilesystemError> {
                (**self).set_mode(inner, path, mode)
            }

            fn set_modified(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
                modified: i64,
            ) -> Result<(), FilesystemError> {
                (**self).set_modified(inner, path, modified)
            }

            fn symlink(
                &self,
                inner: &dyn Filesystem,
                target: &VirtualPath,
                link: &VirtualPath,
            ) -> Result<(), FilesystemError> {
                (**self).symlink(inner, target, link)
            }

            fn available_space(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<u64, FilesystemError> {
                (**self).available_space(inner, path)
            }

            fn readlink(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<Vec<u8>, FilesystemError> {
                (**self).readlink(inner, path)
            }

            fn canonical(
                &self,
                inner: &dyn Filesystem,
                path: &VirtualPath,
            ) -> Result<VirtualPath, FilesystemError> {
                (**self).canonical(inner, path)
            }

            fn real_path(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Option<PathBuf> {
                (**self).real_path(inner, path)
            }

            fn start_dir(&self, inner: &dyn Filesystem) -> VirtualPath {
                (**self).start_dir(inner)
            }

            fn user_name<'a>(&'a self, inner: &'a dyn Filesystem, uid: u32) -> Cow<'a, str> {
                (**self).user_name(inner, uid)
            }

            fn group_name<'a>(&'a self, inner: &'a dyn Filesystem, gid: u32) -> Cow<'a, str> {
                (**self).group_name(inner, gid)
            }

            fn is_local(&self, inner: &dyn Filesystem) -> bool {
                (**self).is_local(inner)
            }
        }
    };
}

hand_on!(Arc);
hand_on!(Box);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::MemoryFs;

    /// Notes which methods are called.
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

        fn remove(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<(), FilesystemError> {
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

    fn check(layer: impl Layer, noting: &Noting) {
        let (inner, path) = (MemoryFs::new(), VirtualPath::root());
        let _ = layer.open_read(&inner, &path, 0);
        let _ = layer.open_write(&inner, &path, WriteMode::Replace);
        let _ = layer.list(&inner, &path);
        let _ = layer.stat(&inner, &path);
        let _ = layer.lstat(&inner, &path);
        let _ = layer.change_dir(&inner, &path);
        let _ = layer.mkdir(&inner, &path);
        let _ = layer.rmdir(&inner, &path);
        let _ = layer.remove(&inner, &path);
        let _ = layer.rename(&inner, &path, &path);
        let _ = layer.set_mode(&inner, &path, 0o600);
        let _ = layer.set_modified(&inner, &path, 0);
        let _ = layer.symlink(&inner, &path, &path);
        let _ = layer.available_space(&inner, &path);
        let _ = layer.readlink(&inner, &path);
        let _ = layer.canonical(&inner, &path);
        let _ = layer.real_path(&inner, &path);
        let _ = layer.start_dir(&inner);
        let _ = layer.user_name(&inner, 0);
        let _ = layer.group_name(&inner, 0);
        let _ = layer.is_local(&inner);
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

    #[test]
    fn a_pointer_does_what_its_layer_does() {
        let noting = Arc::new(Noting::default());
        check(Arc::clone(&noting), &noting);
        check(Box::new(Arc::clone(&noting)) as Box<dyn Layer>, &noting);
    }
}
