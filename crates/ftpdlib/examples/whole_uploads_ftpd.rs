//! Uploads that do not come whole are removed (in pyftpdlib's tutorial: `os.remove` in
//! `on_incomplete_file_received`).
//!
//! A client whose connection dies in the middle of a file should store it under another name when
//! it tries again: when the server notices that the first upload has stalled, it removes the file.
//!
//! Run it with a directory to share: `cargo run -p ftpdlib --example whole_uploads_ftpd --
//! /srv/ftp`.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{
    AbstractedFs, Filesystem, FilesystemError, Layer, Layered, WriteFile, WriteMode,
};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::proto::{TransferEnd, VirtualPath};
use ftpdlib::servers::{FtpServer, ServeOptions};

/// Opens files for writing that are removed unless their upload is complete.
///
/// An observer could only remove what has the path later, and not as the user.
struct WholeUploads {
    /// Follows no link: what was opened is removed, or nothing, whatever links are there by then.
    disk: Arc<dyn Filesystem>,
}

impl Layer for WholeUploads {
    fn open_write(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        let file = inner.open_write(path, mode)?;
        // What is continued was there before: it is left for the client to go on with.
        if let WriteMode::Append | WriteMode::At(_) = mode {
            return Ok(file);
        }
        let resolved = inner.canonical(file.path())?;
        let disk = Arc::clone(&self.disk);
        Ok(Box::new(Upload {
            file,
            has_begun: false,
            resolved,
            disk,
        }))
    }

    // On a local disk nothing here waits. One that has uploads scanned would leave this out, or all
    // clients would wait for the scanner.
    fn is_local(&self, inner: &dyn Filesystem) -> bool {
        inner.is_local()
    }
}

struct Upload {
    file: Box<dyn WriteFile>,
    /// Whether it has brought anything.
    has_begun: bool,
    /// The path with its links resolved.
    resolved: VirtualPath,
    disk: Arc<dyn Filesystem>,
}

impl WriteFile for Upload {
    /// The last call of a transfer, made as the user.
    fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
        let finished = self.file.finish(end);
        match end {
            // The data connection was nobody's: the file underneath has changed nothing.
            TransferEnd::Unsecured => {}
            // Nor is one whole that could not be closed, on a full disk for instance.
            TransferEnd::Complete if finished.is_ok() => {}
            // It has brought nothing: what is there was there before, or is another's by now.
            _ if !self.has_begun => {}
            _ => match self.disk.remove(&self.resolved) {
                Ok(()) => log::info!("{} is removed: {end:?}", self.resolved),
                Err(error) => log::warn!("{} is not complete, but stays: {error}", self.resolved),
            },
        }
        finished
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.has_begun = true;
        self.file.write(bytes)
    }

    // All others are handed on as well, or uploads would be slower, or block others.

    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn may_wait(&self) -> bool {
        self.file.may_wait()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.descriptor()
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

/// The files of `inner`, with whole uploads only.
pub(crate) fn whole_uploads(
    inner: Arc<dyn Filesystem>,
) -> Result<Arc<dyn Filesystem>, FilesystemError> {
    let twin = inner.without_links()?;
    let disk = twin.unwrap_or_else(|| Arc::clone(&inner));
    Ok(Arc::new(Layered::new(WholeUploads { disk }, inner)))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let home = std::env::args_os().nth(1).unwrap_or_else(|| ".".into());

    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(User::new("user", "12345", home).perm("elradfmwMT"))?;

    let handler = FtpHandler::new(authorizer).abstracted_fs(|login| {
        let disk = AbstractedFs::new(&login.home)?;
        whole_uploads(Arc::new(disk))
    });
    let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
