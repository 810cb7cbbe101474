//! A wrapper that makes a filesystem read-only, whatever permissions a user has.
//!
//! Run it with a directory to share: `cargo run -p ftpdlib --example read_only_ftpd -- /srv/ftp`.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{
    AbstractedFs, ErrorKind, Filesystem, FilesystemError, Listing, ReadFile, WriteFile, WriteMode,
};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::proto::{Metadata, VirtualPath};
use ftpdlib::servers::{FtpServer, ServeOptions};

/// Forwards what only looks, and refuses changes: by default, a filesystem refuses those that are
/// not implemented here.
///
/// What looks has other defaults, which would show another directory first, or other owners; so all
/// of it is forwarded.
struct ReadOnly<F>(F);

impl<F: Filesystem> Filesystem for ReadOnly<F> {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        self.0.open_read(path, offset)
    }

    fn open_write(
        &self,
        _: &VirtualPath,
        _: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        Err(ErrorKind::ReadOnly.into())
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        self.0.list(path)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.0.stat(path)
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.0.lstat(path)
    }

    fn change_dir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.0.change_dir(path)
    }

    fn readlink(&self, path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
        self.0.readlink(path)
    }

    fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        self.0.canonical(path)
    }

    /// The variant without links must be wrapped as well, or clients could write to it.
    fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
        let inner = self.0.without_links()?;
        Ok(inner.map(|inner| Arc::new(ReadOnly(inner)) as Arc<dyn Filesystem>))
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        self.0.real_path(path)
    }

    fn available_space(&self, path: &VirtualPath) -> Result<u64, FilesystemError> {
        self.0.available_space(path)
    }

    fn start_dir(&self) -> VirtualPath {
        self.0.start_dir()
    }

    fn user_name(&self, uid: u32) -> Cow<'_, str> {
        self.0.user_name(uid)
    }

    fn group_name(&self, gid: u32) -> Cow<'_, str> {
        self.0.group_name(gid)
    }

    fn is_local(&self) -> bool {
        self.0.is_local()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let home = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());

    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(User::new("user", "12345", home).perm("elradfmwMT"))?;

    let handler = FtpHandler::new(authorizer).abstracted_fs(|login| {
        let disk = AbstractedFs::new(&login.home)?;
        Ok(Arc::new(ReadOnly(disk)) as Arc<dyn Filesystem>)
    });
    let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
