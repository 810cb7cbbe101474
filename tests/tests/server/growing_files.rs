//! Files that grow while they are sent.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use ftpdlib::filesystems::{AbstractedFs, Filesystem};
use ftpdlib_tests::client::read_all;
use ftpdlib_tests::hooked::Hooked;
use ftpdlib_tests::server::TestServer;
use tempfile::TempDir;

use crate::transfers::pattern;

/// More than sockets hold.
const MUCH: usize = 64 << 20;

const TYPES: [&str; 2] = ["TYPE I", "TYPE A"];

/// Bytes that are the same in both types.
fn letters(size: usize) -> Vec<u8> {
    let letter = |byte: &u8| b'a' + byte % 26;
    pattern(size).iter().map(letter).collect()
}

fn grow(path: &Path) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(b"more").unwrap();
}

/// Network disks give no descriptor to send from; clients took what came behind the size that they
/// were told for an error.
#[test]
fn a_file_that_is_read_to_be_sent_came_with_what_was_added_meanwhile() {
    for (size, is_local) in [
        (10, false),
        (10, true),
        (1_000_000, false),
        (1_000_000, true),
    ] {
        let home = TempDir::new().unwrap();
        let path = home.path().join("a");
        let growing = path.clone();
        let disk = Hooked::new(AbstractedFs::new(home.path()).unwrap(), move |call| {
            let is_as_long = || growing.metadata().unwrap().len() == size as u64;
            if call == "read" && is_as_long() {
                grow(&growing);
            }
            Ok(())
        });
        let disk: Arc<dyn Filesystem> = Arc::new(if is_local { disk.local() } else { disk });
        let server =
            TestServer::with(|handler| handler.abstracted_fs(move |_| Ok(Arc::clone(&disk))));
        let mut client = server.client();
        let content = letters(size);
        for transfer_type in TYPES {
            fs::write(&path, &content).unwrap();
            client.expect(transfer_type, 200);
            assert!(client.fetch("RETR a") == content, "{transfer_type}, {size}");
            assert!(fs::read(&path).unwrap().len() > size);
        }
    }
}

#[test]
fn a_text_came_with_what_was_added_meanwhile() {
    let server = TestServer::new();
    let content = letters(MUCH);
    let path = server.file("a", &content);
    for transfer_type in TYPES {
        fs::write(&path, &content).unwrap();
        let mut client = server.client();
        client.expect(transfer_type, 200);
        let stream = client.begin("RETR a");
        grow(&path);
        assert!(read_all(stream) == content, "{transfer_type}");
        client.expect_reply(226);
    }
}
