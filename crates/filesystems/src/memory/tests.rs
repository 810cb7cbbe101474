use ftpdlib_proto::{FileKind, TransferEnd};

use super::*;

fn path(text: &str) -> VirtualPath {
    VirtualPath::new(text).unwrap()
}

fn scene() -> MemoryFs {
    let fs = MemoryFs::new();
    fs.insert("/f", "in f").unwrap();
    fs.insert("/d/g", "in g").unwrap();
    fs.mkdir(&path("/d/e")).unwrap();
    fs
}

fn kind<T>(result: Result<T, FilesystemError>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[track_caller]
fn check_write(before: Option<&str>, mode: WriteMode, expected: Result<&str, ErrorKind>) {
    let fs = scene();
    if let Some(before) = before {
        fs.insert("/d/new", before).unwrap();
    }
    let got = fs.open_write(&path("/d/new"), mode).and_then(|mut file| {
        assert_eq!(file.write(b"NEW").unwrap(), 3);
        file.finish(&TransferEnd::Complete)?;
        Ok(String::from_utf8(fs.contents("/d/new").unwrap()).unwrap())
    });
    let got = got.as_deref().map_err(FilesystemError::kind);
    assert_eq!(got, expected, "{before:?} {mode:?}");
}

#[test]
fn uploads_start_where_the_mode_says() {
    check_write(None, WriteMode::Replace, Ok("NEW"));
    check_write(Some("older"), WriteMode::Replace, Ok("NEW"));
    check_write(None, WriteMode::Append, Ok("NEW"));
    check_write(Some("old"), WriteMode::Append, Ok("oldNEW"));
    check_write(Some("01234567"), WriteMode::At(2), Ok("01NEW567"));
    check_write(Some("012"), WriteMode::At(4), Err(ErrorKind::OffsetPastEnd));
    check_write(None, WriteMode::At(0), Err(ErrorKind::NotFound));
}

#[test]
fn unique_uploads_never_replace() {
    let fs = scene();
    for (prefix, expected) in [("/", "/ftpd.0"), ("/", "/ftpd.1"), ("/d/up.", "/d/up.0")] {
        let file = fs.open_write(&path(prefix), WriteMode::Unique).unwrap();
        assert_eq!(file.path(), &path(expected));
    }
}

#[test]
fn downloads_start_at_the_offset() {
    let fs = scene();
    let mut file = fs.open_read(&path("/f"), 3).unwrap();
    let mut buffer = [0; 9];
    assert_eq!((file.read(&mut buffer).unwrap(), buffer[0]), (1, b'f'));
    assert_eq!((file.read(&mut buffer).unwrap(), file.offset()), (0, 4));
    assert_eq!(
        kind(fs.open_read(&path("/f"), 5)),
        Some(ErrorKind::OffsetPastEnd)
    );
    assert_eq!(
        kind(fs.open_read(&path("/d"), 0)),
        Some(ErrorKind::IsADirectory)
    );
    assert_eq!(
        kind(fs.open_read(&path("/f/x"), 0)),
        Some(ErrorKind::NotADirectory)
    );
}

#[test]
fn two_that_appended_at_once_overwrote_each_other() {
    let fs = scene();
    let mut files = [(); 2].map(|()| fs.open_write(&path("/f"), WriteMode::Append).unwrap());
    for (number, bytes) in [(0, b" one"), (1, b" two"), (0, b" 1.5")] {
        assert_eq!(files[number].write(bytes).unwrap(), bytes.len());
    }
    assert_eq!(fs.contents("/f").unwrap(), b"in f one two 1.5");
}

#[test]
fn an_upload_that_brought_nothing_emptied_what_another_had_uploaded_since() {
    for end in [
        TransferEnd::Aborted,
        TransferEnd::ControlLost,
        TransferEnd::Unsecured,
        TransferEnd::Complete,
    ] {
        let fs = scene();
        let idle = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
        let mut file = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
        file.write(b"new").unwrap();
        file.finish(&TransferEnd::Complete).unwrap();
        idle.finish(&end).unwrap();
        assert_eq!(fs.contents("/f").unwrap(), b"new", "{end:?}");
    }
}

#[test]
fn late_bytes_of_a_dead_client_emptied_what_its_next_try_had_uploaded() {
    let fs = scene();
    let mut late = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
    let mut file = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
    file.write(b"new").unwrap();
    file.finish(&TransferEnd::Complete).unwrap();
    late.write(b"n").unwrap();
    late.finish(&TransferEnd::Complete).unwrap();
    assert_eq!(fs.contents("/f").unwrap(), b"new");
}

#[test]
fn changes_are_refused_as_a_disk_would() {
    let fs = scene();
    assert_eq!(kind(fs.mkdir(&path("/d"))), Some(ErrorKind::AlreadyExists));
    assert_eq!(kind(fs.mkdir(&path("/"))), Some(ErrorKind::AlreadyExists));
    assert_eq!(kind(fs.mkdir(&path("/x/y"))), Some(ErrorKind::NotFound));
    assert_eq!(
        kind(fs.rmdir(&path("/d"))),
        Some(ErrorKind::DirectoryNotEmpty)
    );
    assert_eq!(kind(fs.rmdir(&path("/f"))), Some(ErrorKind::NotADirectory));
    assert_eq!(
        kind(fs.rmdir(&path("/"))),
        Some(ErrorKind::PermissionDenied)
    );
    assert_eq!(kind(fs.remove(&path("/d"))), Some(ErrorKind::IsADirectory));
    assert_eq!(kind(fs.remove(&path("/x"))), Some(ErrorKind::NotFound));
    assert_eq!(
        kind(fs.rename(&path("/f"), &path("/d"))),
        Some(ErrorKind::IsADirectory)
    );
    assert_eq!(
        kind(fs.rename(&path("/d"), &path("/f"))),
        Some(ErrorKind::NotADirectory)
    );
    assert_eq!(
        kind(fs.rename(&path("/d/e"), &path("/d"))),
        Some(ErrorKind::DirectoryNotEmpty)
    );
    assert_eq!(
        kind(fs.rename(&path("/d"), &path("/d/e/x"))),
        Some(ErrorKind::Other)
    );
    assert_eq!(
        kind(fs.readlink(&path("/f"))),
        Some(ErrorKind::NotSupported)
    );
    assert_eq!(
        kind(fs.change_dir(&path("/f"))),
        Some(ErrorKind::NotADirectory)
    );
}

#[test]
fn changes_are_seen_by_who_shares_the_files() {
    let fs = scene();
    let shared = fs.clone();
    fs.rename(&path("/f"), &path("/d/g")).unwrap();
    assert_eq!(shared.contents("/d/g").as_deref(), Some(b"in f".as_slice()));
    assert_eq!(kind(shared.stat(&path("/f"))), Some(ErrorKind::NotFound));
    fs.set_mode(&path("/d/g"), 0o100_600).unwrap();
    fs.set_modified(&path("/d"), 7).unwrap();
    assert_eq!(shared.stat(&path("/d/g")).unwrap().mode, 0o600);
    assert_eq!(shared.stat(&path("/d")).unwrap().modified, 7);
    fs.remove(&path("/d/g")).unwrap();
    fs.rmdir(&path("/d/e")).unwrap();
    fs.rmdir(&path("/d")).unwrap();
    assert_eq!(kind(shared.lstat(&path("/d"))), Some(ErrorKind::NotFound));
}

#[test]
fn directories_moved_below_each_other_ended_the_process() {
    let fs = MemoryFs::new();
    fs.mkdir(&path("/moved")).unwrap();
    let end = format!("/top{}", "/d".repeat(1000));
    for _ in 0..60 {
        fs.insert(format!("{end}/f"), "").unwrap();
        fs.rename(&path("/moved"), &path(&format!("{end}/moved")))
            .unwrap();
        fs.rename(&path("/top"), &path("/moved")).unwrap();
    }
    assert!(format!("{fs:?}").len() < 1000);
    drop(fs);
}

#[test]
fn listings_come_in_batches() {
    let shared: Arc<dyn Filesystem> = Arc::new(scene());
    let mut listing = shared.list(&VirtualPath::root()).unwrap();
    let mut entries = Vec::new();
    assert!(listing.next_batch(1, &mut entries).unwrap());
    assert!(!listing.next_batch(1, &mut entries).unwrap());
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_slice()).collect();
    assert_eq!(names, [b"d", b"f"]);
    assert_eq!(listing.stat(b"d").unwrap().kind, FileKind::Directory);
    assert_eq!(entries[1].metadata.as_ref().unwrap().size, 4);
    assert_eq!(kind(listing.lstat(b"x")), Some(ErrorKind::NotFound));
    assert_eq!(
        kind(shared.list(&path("/f"))),
        Some(ErrorKind::NotADirectory)
    );
}
