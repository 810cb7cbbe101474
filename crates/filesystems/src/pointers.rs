//! A pointer to a filesystem is a filesystem.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use ftpdlib_proto::{Metadata, VirtualPath};

use crate::error::FilesystemError;
use crate::filesystem::{Filesystem, WriteMode};
use crate::transfer_file::{Listing, ReadFile, WriteFile};

macro_rules! hand_on {
    ($pointer:ident) => {
        impl<T: Filesystem + ?Sized> Filesystem for $pointer<T> {
            fn open_read(
                &self,
                path: &VirtualPath,
                offset: u64,
            ) -> Result<Box<dyn ReadFile>, FilesystemError> {
                (**self).open_read(path, offset)
            }

            fn open_write(
                &self,
                path: &VirtualPath,
                mode: WriteMode,
            ) -> Result<Box<dyn WriteFile>, FilesystemError> {
                (**self).open_write(path, mode)
            }

            fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
                (**self).list(path)
            }

            fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
                (**self).stat(path)
            }

            fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
                (**self).lstat(path)
            }

            fn change_dir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
                (**self).change_dir(path)
            }

            fn mkdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
                (**self).mkdir(path)
            }

            fn rmdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
                (**self).rmdir(path)
            }

            fn remove(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
                (**self).remove(path)
            }

            fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FilesystemError> {
                (**self).rename(from, to)
            }

            fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FilesystemError> {
                (**self).set_mode(path, mode)
            }

            fn set_modified(
                &self,
                path: &VirtualPath,
                modified: i64,
            ) -> Result<(), FilesystemError> {
                (**self).set_modified(path, modified)
            }

            fn symlink(
                &self,
                target: &VirtualPath,
                link: &VirtualPath,
            ) -> Result<(), FilesystemError> {
                (**self).symlink(target, link)
            }

            fn available_space(&self, path: &VirtualPath) -> Result<u64, FilesystemError> {
                (**self).available_space(path)
            }

            fn readlink(&self, path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
                (**self).readlink(path)
            }

            fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
                (**self).canonical(path)
            }

            fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
                (**self).without_links()
            }

            fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
                (**self).real_path(path)
            }

            fn start_dir(&self) -> VirtualPath {
                (**self).start_dir()
            }

            fn user_name(&self, uid: u32) -> Cow<'_, str> {
                (**self).user_name(uid)
            }

            fn group_name(&self, gid: u32) -> Cow<'_, str> {
                (**self).group_name(gid)
            }

            fn is_local(&self) -> bool {
                (**self).is_local()
            }
        }
    };
}

hand_on!(Arc);
hand_on!(Box);
