//! What the library's examples promise.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use ftpdlib::authorizers::{Authorizer, Login};
use ftpdlib::filesystems::{ErrorKind, Filesystem, FilesystemError, MemoryFs, WriteMode};
use ftpdlib::proto::{Perm, TransferEnd, VirtualPath};
use ftpdlib_tests::hooked::Hooked;
use tempfile::TempDir;

#[expect(dead_code, reason = "nobody calls its `main` here")]
#[path = "../../../crates/ftpdlib/examples/own_authorizer_ftpd.rs"]
mod own_authorizer_ftpd;

#[expect(dead_code, reason = "nobody calls its `main` here")]
#[path = "../../../crates/ftpdlib/examples/several_directories_ftpd.rs"]
mod several_directories_ftpd;

#[expect(dead_code, reason = "nobody calls its `main` here")]
#[path = "../../../crates/ftpdlib/examples/whole_uploads_ftpd.rs"]
mod whole_uploads_ftpd;

#[test]
fn who_may_write_below_a_directory_could_remove_it() {
    let users = own_authorizer_ftpd::UserFile(PathBuf::new());
    let login = Login::new("user", "/");
    for (path, may_write) in [("/", false), ("/incoming", false), ("/incoming/a", true)] {
        let path = VirtualPath::new(path).unwrap();
        let perms =
            [Perm::Retrieve, Perm::Store, Perm::Delete].map(|it| users.has_perm(&login, it, &path));
        assert_eq!(perms, [true, may_write, may_write], "{path:?}");
    }
}

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

/// The path of the directory `one` in a new one, which holds a file and links to it.
fn linked() -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let one = scratch.path().canonicalize().unwrap().join("one");
    fs::create_dir(&one).unwrap();
    fs::write(one.join("x"), "x").unwrap();
    symlink(one.join("x"), one.join("absolute")).unwrap();
    symlink("x", one.join("relative")).unwrap();
    (scratch, one)
}

#[test]
fn absolute_links_of_one_directory_were_shown_without_its_name() {
    let (_scratch, one) = linked();
    let files = several_directories_ftpd::Directories::new([one].into_iter()).unwrap();
    let listing = files.list(&VirtualPath::new("/one").unwrap()).unwrap();
    for (link, target) in [("absolute", "/one/x"), ("relative", "x")] {
        assert_eq!(
            listing.readlink(link.as_bytes()).unwrap(),
            target.as_bytes()
        );
        let path = VirtualPath::new(format!("/one/{link}")).unwrap();
        assert_eq!(files.readlink(&path).unwrap(), target.as_bytes(), "{path}");
    }
}

#[test]
fn the_root_told_other_facts_of_a_directory_than_the_directory() {
    let (_scratch, one) = linked();
    let files = several_directories_ftpd::Directories::new([one].into_iter()).unwrap();
    let mut root = files.list(&VirtualPath::root()).unwrap();
    let mut entries = Vec::new();
    assert!(!root.next_batch(9, &mut entries).unwrap());
    assert_eq!(entries.len(), 1);
    let shown = root.lstat(&entries[0].name).unwrap();
    let asked = files.stat(&VirtualPath::new("/one").unwrap()).unwrap();
    assert_eq!(shown, asked);
    files
        .change_dir(&VirtualPath::new("/one").unwrap())
        .unwrap();
}
