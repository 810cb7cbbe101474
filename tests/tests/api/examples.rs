//! What the library's examples promise.

use std::sync::Arc;

use ftpdlib::filesystems::{ErrorKind, Filesystem, FilesystemError, MemoryFs, WriteMode};
use ftpdlib::proto::{TransferEnd, VirtualPath};
use ftpdlib_tests::hooked::Hooked;

#[expect(dead_code, reason = "nobody calls its `main` here")]
#[path = "../../../crates/ftpdlib/examples/whole_uploads_ftpd.rs"]
mod whole_uploads_ftpd;

#[test]
fn an_upload_without_a_byte_removed_what_was_there_before() {
    let files = MemoryFs::new();
    files.insert("/file", "old").unwrap();
    files.insert("/empty", "").unwrap();
    let whole = whole_uploads_ftpd::whole_uploads(Arc::new(files.clone())).unwrap();
    for (path, left) in [("/file", "old"), ("/empty", ""), ("/new", "")] {
        let name = VirtualPath::new(path).unwrap();
        let file = whole.open_write(&name, WriteMode::Replace).unwrap();
        file.finish(&TransferEnd::Aborted).unwrap();
        assert_eq!(files.contents(path).unwrap(), left.as_bytes(), "{path}");
    }
}

#[test]
fn half_an_upload_stayed_when_closing_it_failed() {
    let files = MemoryFs::new();
    let failing = Hooked::new(files.clone(), |call: &str| match call {
        "finish" => Err(FilesystemError::from(ErrorKind::StorageFull)),
        _ => Ok(()),
    });
    let whole = whole_uploads_ftpd::whole_uploads(Arc::new(failing)).unwrap();
    let path = VirtualPath::new(b"/file").unwrap();
    for end in [TransferEnd::Complete, TransferEnd::Aborted] {
        let mut file = whole.open_write(&path, WriteMode::Replace).unwrap();
        file.write(b"half").unwrap();
        let error = file.finish(&end).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{end:?}");
        let error = files.stat(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{end:?}");
    }
}
