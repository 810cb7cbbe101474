use std::fmt::Debug;
use std::os::unix::fs::symlink;
use std::process;

use super::*;
use crate::{ErrorKind, Resolver};

#[test]
fn owners_have_names() {
    let fs = UnixFilesystem::new("/").unwrap();
    assert_eq!(fs.user_name(0), "root");
    assert_eq!(fs.user_name(4_000_000_123), "4000000123");
    assert_eq!(fs.group_name(4_000_000_123), "4000000123");
}

#[test]
fn a_lookup_that_failed_was_never_made_again() {
    let names = Names::default();
    let failing = |_| Err(io::ErrorKind::TimedOut.into());
    assert_eq!(names.get_or_look_up(7, failing), "7");
    assert_eq!(names.get_or_look_up(7, |_| Ok(Some("ann".into()))), "7");
    assert_eq!(names.get_or_look_up(8, |_| Ok(Some("bob".into()))), "8");
    names.0.lock().unwrap().again = Some(Instant::now());
    assert_eq!(names.get_or_look_up(7, |_| Ok(Some("ann".into()))), "ann");
    assert_eq!(names.get_or_look_up(7, failing), "ann");
}

#[test]
fn an_id_without_a_name_is_looked_up_once() {
    let names = Names::default();
    assert_eq!(names.get_or_look_up(8, |_| Ok(None)), "8");
    assert_eq!(names.get_or_look_up(8, |_| Ok(Some("bob".into()))), "8");
}

#[test]
fn paths_are_real_paths() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().canonicalize().unwrap();
    let fs = UnixFilesystem::new(&home).unwrap();
    assert_eq!(
        fs.start_dir().as_bytes(),
        home.as_os_str().as_encoded_bytes()
    );
    let new = fs.start_dir().join(b"new").unwrap();
    fs.mkdir(&new).unwrap();
    assert!(home.join("new").is_dir());
    let disk = fs.as_abstracted();
    assert!(disk.isdir("new") && disk.isdir(new.as_bytes()));
    assert_eq!(disk.ftp2fs("new").unwrap(), home.join("new"));
}

#[track_caller]
fn check_hidden<T: Debug>(answer: Result<T, FilesystemError>, what: &str) {
    let kind = answer.err().map(|error| error.kind());
    assert_eq!(kind, Some(ErrorKind::PermissionDenied), "{what}");
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::new(text).unwrap()
}

fn disk(resolver: Resolver) -> AbstractedFs {
    let disk = AbstractedFs::with_resolver("/", resolver).unwrap();
    disk.without_processes().unwrap()
}

/// A thread that acted as a user still belonged to root's process, which `/proc` shows to its own
/// threads.
#[test]
fn the_process_itself_was_shown_to_its_users() {
    let scratch = tempfile::tempdir().unwrap();
    let place = scratch.path().canonicalize().unwrap();
    let id = process::id();
    let file = format!("{}/open", place.display());
    std::fs::write(&file, "").unwrap();
    let open = std::fs::File::open(&file).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&open);
    for (name, target) in [
        ("maps", "/proc/self/maps"),
        ("fds", "/proc/self/fd"),
        ("detour", "/proc/self/cwd/../../proc/self/root/etc/passwd"),
    ] {
        symlink(target, place.join(name)).unwrap();
    }
    let place = place.display();
    for disk in [Resolver::Kernel, Resolver::Walk].map(disk) {
        for text in [
            "/proc/self/maps".to_owned(),
            "/proc/thread-self/maps".to_owned(),
            format!("/proc/{id}/maps"),
            format!("/proc/{id}/task/{id}/maps"),
            format!("/proc/{id}/exe"),
            format!("/proc/{id}/root/etc/passwd"),
            format!("/proc/{id}/fd/{number}"),
            "/proc/version".to_owned(),
            format!("/proc/{id}/fd/999999"),
            "/proc/none".to_owned(),
            "/dev/fd/0".to_owned(),
            format!("{place}/maps"),
            format!("{place}/detour"),
        ] {
            let at = path(&text);
            check_hidden(disk.open_read(&at, 0).map(drop), &text);
            check_hidden(Filesystem::stat(&disk, &at), &text);
            check_hidden(disk.canonical(&at), &text);
            check_hidden(disk.open_write(&at, WriteMode::Append).map(drop), &text);
        }
        for text in [
            "/proc".to_owned(),
            "/proc/self/fd".to_owned(),
            "/proc/self/task".to_owned(),
            format!("/proc/{id}/fd"),
            format!("/proc/{id}/task/{id}/fd"),
            format!("{place}/fds"),
        ] {
            check_hidden(disk.list(&path(&text)).map(drop), &text);
            check_hidden(disk.change_dir(&path(&text)), &text);
        }
        for text in [
            "/proc/self".to_owned(),
            format!("/proc/{id}/exe"),
            format!("/proc/{id}/fd/{number}"),
            format!("{place}/fds/{number}"),
        ] {
            check_hidden(Filesystem::readlink(&disk, &path(&text)), &text);
            check_hidden(Filesystem::lstat(&disk, &path(&text)), &text);
        }
        // Everything else is still visible.
        let proc = Filesystem::stat(&disk, &path("/proc")).unwrap();
        assert_eq!(proc, Filesystem::lstat(&disk, &path("/proc")).unwrap());
        assert!(disk.open_read(&path(&file), 0).is_ok());
        assert!(disk.list(&path("/")).is_ok());
    }
}

#[test]
fn the_process_is_hidden_without_links_too() {
    for disk in [Resolver::Kernel, Resolver::Walk].map(disk) {
        let linkless = disk.without_links().unwrap().unwrap();
        let text = format!("/proc/{}/maps", process::id());
        check_hidden(linkless.open_read(&path(&text), 0).map(drop), &text);
    }
}

#[test]
fn the_process_is_hidden_on_the_whole_disk() {
    let whole = UnixFilesystem::new("/").unwrap();
    let maps = whole.open_read(&path("/proc/self/maps"), 0);
    check_hidden(maps.map(drop), "the whole disk");
}

#[test]
fn no_home_shows_processes() {
    let of_process = AbstractedFs::new("/proc/self/fd").unwrap();
    check_hidden(of_process.without_processes(), "a home there");
    let mut home = disk(Resolver::default());
    check_hidden(home.set_root("/proc/self"), "a later home there");
}
