//! A file that is emptied and written again while it is sent.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use ftpdlib::filesystems::{AbstractedFs, Filesystem, FilesystemError, Layer, Layered, ReadFile};
use ftpdlib::proto::VirtualPath;
use ftpdlib_tests::client::read_to_any_end;
use ftpdlib_tests::server::TestServer;
use tempfile::tempfile;

const SIZE: usize = 20_000;

/// Is empty when its bytes are asked for, and has its size whenever else it is looked at.
struct Rewritten {
    empty: File,
    full: File,
    is_asked: Cell<bool>,
}

impl Rewritten {
    fn new() -> io::Result<Self> {
        let mut full = tempfile()?;
        full.write_all(&[b'x'; SIZE])?;
        Ok(Self {
            empty: tempfile()?,
            full,
            is_asked: Cell::new(false),
        })
    }
}

impl ReadFile for Rewritten {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn size(&self) -> Option<u64> {
        // The next look is for sending.
        self.is_asked.set(true);
        Some(SIZE as u64)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        let is_first = self.is_asked.replace(false);
        let file = if is_first { &self.empty } else { &self.full };
        Some(file.as_fd())
    }

    fn offset(&self) -> u64 {
        0
    }
}

struct Rewriting;

impl Layer for Rewriting {
    fn open_read(
        &self,
        _: &dyn Filesystem,
        _: &VirtualPath,
        _: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        Ok(Box::new(Rewritten::new()?))
    }

    fn is_local(&self, inner: &dyn Filesystem) -> bool {
        inner.is_local()
    }
}

#[test]
fn a_download_was_complete_though_its_file_was_empty_when_it_was_read() {
    let server = TestServer::with(|handler| {
        handler.abstracted_fs(|login| {
            let disk: Arc<dyn Filesystem> = Arc::new(AbstractedFs::new(&login.home)?);
            Ok(Arc::new(Layered::new(Rewriting, disk)))
        })
    });
    let mut client = server.client();
    client.expect("TYPE I", 200);
    let stream = client.begin("RETR a");
    assert!(read_to_any_end(stream).is_empty());
    let reply = client.next_reply().unwrap();
    let told = "451 File became shorter while it was sent.";
    assert_eq!(reply.text().trim_end(), told);
}
