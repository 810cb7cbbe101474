//! Our server, where the files of one user are on a disk that takes 50 ms for each call.
//!
//! `slow_disk PORT DIRECTORY` knows `user`, whose files are where they are, and `slow`, both with
//! the password `pw`. All else is as in the program as it is shipped, without the limit on
//! connections, and without its log.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{
    AbstractedFs, Filesystem, FilesystemError, Listing, ReadFile, WriteFile, WriteMode,
};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::proto::{Metadata, VirtualPath};
use ftpdlib::servers::{FtpServerBuilder, ServeOptions};

/// What a disk far away takes for each call.
const DELAY: Duration = Duration::from_millis(50);

/// Files that can be looked at and read, slowly. By default, a filesystem
/// refuses the changes that are not here.
struct Slow<F>(F);

impl<F: Filesystem> Filesystem for Slow<F> {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        thread::sleep(DELAY);
        let inner = self.0.open_read(path, offset)?;
        Ok(Box::new(SlowFile(inner)))
    }

    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        thread::sleep(DELAY);
        self.0.open_write(path, mode)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        thread::sleep(DELAY);
        self.0.list(path)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        thread::sleep(DELAY);
        self.0.stat(path)
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        thread::sleep(DELAY);
        self.0.lstat(path)
    }
}

/// A file that is read slowly, and has no descriptor to go around that.
struct SlowFile(Box<dyn ReadFile>);

impl ReadFile for SlowFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        thread::sleep(DELAY);
        self.0.read(buffer)
    }

    fn size(&self) -> Option<u64> {
        self.0.size()
    }

    fn offset(&self) -> u64 {
        self.0.offset()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, root] = arguments.as_slice() else {
        return Err("usage: slow_disk PORT DIRECTORY".into());
    };
    ftpdlib_sys::raise_descriptor_limit()?;
    let authorizer = DummyAuthorizer::new();
    for name in ["user", "slow"] {
        authorizer.add_user(User::new(name, "pw", root).perm("elradfmwMT"))?;
    }
    let handler = FtpHandler::new(authorizer).abstracted_fs(|login| {
        let disk = AbstractedFs::new(&login.home)?;
        Ok(match login.username.as_str() {
            "slow" => Arc::new(Slow(disk)) as Arc<dyn Filesystem>,
            _ => Arc::new(disk),
        })
    });
    let mut server = FtpServerBuilder::new(handler)
        .listen((Ipv4Addr::LOCALHOST, port.parse()?))
        .max_cons(0)
        .threads(0)
        .build()?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
