//! What uploads do to existing files, and when.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use super::*;

#[track_caller]
fn check_write(before: Option<&str>, mode: WriteMode, expected: Result<&str, ErrorKind>) {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        let fs = scene.open(resolver);
        if let Some(before) = before {
            fs::write(scene.home("d/new"), before).unwrap();
        }
        let got = write_all(&fs, "/d/new", mode, b"NEW").map(|written| {
            assert_eq!(written, path("/d/new"));
            fs::read_to_string(scene.home("d/new")).unwrap()
        });
        let got = got.as_deref().map_err(FilesystemError::kind);
        assert_eq!(got, expected, "{before:?} {mode:?} {resolver:?}");
    }
}

#[test]
fn uploads_start_where_the_mode_says() {
    check_write(None, WriteMode::Replace, Ok("NEW"));
    check_write(Some("older"), WriteMode::Replace, Ok("NEW"));
    check_write(None, WriteMode::Append, Ok("NEW"));
    check_write(Some("old"), WriteMode::Append, Ok("oldNEW"));
    check_write(Some("01234567"), WriteMode::At(2), Ok("01NEW567"));
    check_write(Some("012"), WriteMode::At(3), Ok("012NEW"));
    check_write(Some("012"), WriteMode::At(4), Err(ErrorKind::OffsetPastEnd));
    check_write(None, WriteMode::At(0), Err(ErrorKind::NotFound));
}

#[test]
fn unique_uploads_never_replace() {
    let scene = Scene::new();
    scene.link("../outside/canary", "ftpd.");
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        for (prefix, start) in [("/", "/ftpd."), ("/d/up", "/d/up."), ("/d/up.", "/d/up.")] {
            let one = write_all(&fs, prefix, WriteMode::Unique, b"1").unwrap();
            let two = write_all(&fs, prefix, WriteMode::Unique, b"2").unwrap();
            assert_ne!(one, two);
            assert!(one.as_bytes().starts_with(start.as_bytes()), "{one}");
            assert_eq!(fs.getsize(one).unwrap(), 1);
        }
        let (mut file, temporary) = fs.mkstemp(".tmp", "up-", "/d").unwrap();
        file.write_all(b"x").unwrap();
        assert!(temporary.as_bytes().ends_with(b".tmp"));
        assert!(fs.isfile(temporary));
        assert!(fs.mkstemp("", "../", "/d").is_err());
    }
    scene.check_outside();
}

#[test]
fn a_draft_was_open_to_others_while_it_was_written() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        let fs = scene.open(resolver);
        let draft = fs.open_write(&path("/d/.draft"), WriteMode::Draft).unwrap();
        assert!(draft.path().as_bytes().starts_with(b"/d/.draft."));
        assert_eq!(draft.mode().unwrap() & 0o7777, 0o600);
    }
}

#[test]
fn a_program_that_runs_as_its_owner_took_the_content_of_whoever_may_store() {
    for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::At(2)] {
        let scene = Scene::new();
        let fs = scene.open(Resolver::Kernel);
        let tool = scene.home("d/tool");
        let bits = || fs::metadata(&tool).unwrap().mode() & 0o7777;
        for before in [0o6755, 0o4711, 0o755] {
            fs::write(&tool, "tool").unwrap();
            fs::set_permissions(&tool, Permissions::from_mode(before)).unwrap();
            let upload = || fs.open_write(&path("/d/tool"), mode).unwrap();
            upload().finish(&TransferEnd::Aborted).unwrap();
            assert_eq!(bits(), before, "nothing came");
            let mut uploaded = upload();
            uploaded.write(b"evil").unwrap();
            assert_eq!(bits(), before & 0o777, "{mode:?}");
            uploaded.finish(&TransferEnd::Complete).unwrap();
        }
    }
    let scene = Scene::new();
    let fs = scene.open(Resolver::Kernel);
    let tool = scene.home("d/tool");
    fs::write(&tool, "tool").unwrap();
    fs::set_permissions(&tool, Permissions::from_mode(0o4755)).unwrap();
    let emptied = fs.open_write(&path("/d/tool"), WriteMode::Replace).unwrap();
    emptied.finish(&TransferEnd::Complete).unwrap();
    assert_eq!(fs::metadata(&tool).unwrap().mode() & 0o7777, 0o755);
}

/// All ways in which an upload can break off.
const BREAKS: [TransferEnd; 8] = [
    TransferEnd::Truncated,
    TransferEnd::Unsecured,
    TransferEnd::Reset,
    TransferEnd::Aborted,
    TransferEnd::LocalError,
    TransferEnd::Stalled,
    TransferEnd::ControlLost,
    TransferEnd::Shutdown,
];

/// Ends an upload whose data connection was never secured.
fn give_up(file: Box<dyn WriteFile>) {
    file.finish(&TransferEnd::Unsecured).unwrap();
}

#[test]
fn a_new_file_was_removed_from_under_somebody_who_could_not_tell_that_it_is_open() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        let fs = scene.open(resolver);
        let first = fs.open_write(&path("/new"), WriteMode::Replace).unwrap();
        // Another user who may write to the file, but not set its time, cannot show that it is
        // open.
        let mut second = fs::OpenOptions::new()
            .write(true)
            .open(scene.home("new"))
            .unwrap();
        give_up(first);
        second.write_all(b"second").unwrap();
        assert_eq!(fs::read(scene.home("new")).unwrap(), b"second");
    }
}

#[test]
fn an_empty_upload_stays_beside_another_that_nobody_came_for() {
    for resolver in RESOLVERS {
        for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::At(0)] {
            let scene = Scene::new();
            let fs = scene.open(resolver);
            let first = fs.open_write(&path("/new"), WriteMode::Replace).unwrap();
            write_all(&fs, "/new", mode, b"").unwrap();
            give_up(first);
            assert!(scene.home("new").exists(), "{mode:?}");
        }
    }
}

#[test]
fn an_upload_that_nobody_came_for_changed_the_time_of_an_empty_file() {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for resolver in RESOLVERS {
        for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::At(0)] {
            let scene = Scene::new();
            let fs = scene.open(resolver);
            let empty = fs::File::create(scene.home("empty")).unwrap();
            empty.set_modified(long_ago).unwrap();
            let modified = || empty.metadata().unwrap().modified().unwrap();
            give_up(fs.open_write(&path("/empty"), mode).unwrap());
            assert_eq!(modified(), long_ago, "{mode:?}");
            // An empty upload that is complete has stored a file.
            write_all(&fs, "/empty", mode, b"").unwrap();
            assert!(modified() > long_ago, "{mode:?}");
        }
    }
}

#[test]
fn an_upload_that_brought_nothing_changed_what_another_had_uploaded_since() {
    for resolver in RESOLVERS {
        for (end, before) in BREAKS.iter().flat_map(|end| [(end, "old"), (end, "")]) {
            let scene = Scene::new();
            fs::write(scene.home("f"), before).unwrap();
            let fs = scene.open(resolver);
            let idle = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
            write_all(&fs, "/f", WriteMode::Replace, b"new").unwrap();
            fs.utime("/f", 1_000_000_007).unwrap();
            idle.finish(end).unwrap();
            assert_eq!(read_all(&fs, "/f").unwrap(), "new", "{end:?}");
            assert_eq!(fs.getmtime("/f").unwrap(), 1_000_000_007, "{end:?}");
        }
    }
}

/// If the control connection is closed only later, such uploads look complete.
#[test]
fn late_bytes_of_a_dead_client_emptied_what_its_next_try_had_uploaded() {
    for resolver in RESOLVERS {
        for (late, end) in [
            ("", TransferEnd::Complete),
            ("n", TransferEnd::Complete),
            ("n", TransferEnd::Reset),
        ] {
            let scene = Scene::new();
            fs::write(scene.home("f"), "old").unwrap();
            let fs = scene.open(resolver);
            let mut first = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
            write_all(&fs, "/f", WriteMode::Replace, b"new!").unwrap();
            if !late.is_empty() {
                assert_eq!(first.write(late.as_bytes()).unwrap(), late.len());
            }
            first.finish(&end).unwrap();
            assert_eq!(read_all(&fs, "/f").unwrap(), "new!", "{late:?} {end:?}");
        }
    }
}

#[test]
fn an_upload_left_the_end_of_a_file_whose_time_was_set_meanwhile() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        fs::write(scene.home("f"), "old content").unwrap();
        let fs = scene.open(resolver);
        let mut upload = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
        fs.utime("/f", 1_000_000_007).unwrap();
        assert_eq!(upload.write(b"new").unwrap(), 3);
        upload.finish(&TransferEnd::Complete).unwrap();
        assert_eq!(read_all(&fs, "/f").unwrap(), "new");
    }
}
