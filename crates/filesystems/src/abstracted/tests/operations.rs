//! What each operation does.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

use ftpdlib_proto::{FactSet, FileKind, Perms, Zone};
use ftpdlib_sys::Storage;

use super::*;

#[test]
fn special_files_are_refused_at_once() {
    let scene = Scene::new();
    let made = Command::new("mkfifo")
        .arg(scene.home("fifo"))
        .status()
        .unwrap();
    assert!(made.success());
    let _socket = UnixListener::bind(scene.home("socket")).unwrap();
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        let refused = Some(ErrorKind::NotARegularFile);
        for name in ["/fifo", "/socket"] {
            assert_eq!(
                kind(Filesystem::open_read(&fs, &path(name), 0)),
                refused,
                "{name}"
            );
            for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::At(0)] {
                assert_eq!(
                    kind(fs.open_write(&path(name), mode)),
                    refused,
                    "{name} {mode:?}"
                );
            }
            assert_eq!(fs.stat(name).unwrap().kind, FileKind::Other);
        }
        let dev = AbstractedFs::with_resolver("/dev", resolver).unwrap();
        assert_eq!(kind(dev.open_read(&path("/null"), 0)), refused);
        assert_eq!(
            kind(dev.open_write(&path("/null"), WriteMode::Replace)),
            refused
        );
        assert_eq!(
            kind(dev.open_read(&path("/shm"), 0)),
            Some(ErrorKind::IsADirectory)
        );
    }
}

#[test]
fn a_file_that_was_stored_a_moment_ago_may_be_on_its_way_to_a_disk() {
    let scene = Scene::new();
    let fs = scene.open(Resolver::Kernel);
    let is_unwritten = |path: VirtualPath| fs.lstat(&path).unwrap().unwritten;
    let disk = File::open(scene.home("f")).unwrap();
    let is_on_disk = ftpdlib_sys::storage(disk.as_fd()).unwrap() == Storage::Disk;
    std::fs::write(scene.home("f"), "in").unwrap();
    assert_eq!(is_unwritten(path("/f")), is_on_disk);
    let file = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
    assert_eq!(file.may_wait(), is_on_disk);
    std::fs::write(scene.home("f"), "").unwrap();
    assert!(!is_unwritten(path("/f")) && !is_unwritten(path("/")));
    let file = fs.open_write(&path("/f"), WriteMode::Replace).unwrap();
    assert!(!file.may_wait());
}

#[test]
fn a_file_that_never_had_its_size_is_not_one_that_became_shorter() {
    let scene = Scene::new();
    let mut file = scene
        .open(Resolver::Kernel)
        .open_read(&path("/f"), 0)
        .unwrap();
    std::fs::write(scene.home("f"), "in").unwrap();
    assert_eq!(file.read(&mut [0; 9]).unwrap(), 2);
    assert_eq!(file.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!((file.size(), file.offset()), (Some(4), 2));
    // A file that the kernel makes up claims the size of a page, whatever it contains.
    let Ok(made_up) = AbstractedFs::new("/sys/kernel") else {
        return;
    };
    let mut file = made_up.open_read(&path("/fscaps"), 0).unwrap();
    let bytes = file.read(&mut [0; 9]).unwrap() as u64;
    assert_eq!(file.read(&mut [0; 9]).unwrap(), 0);
    assert_eq!((file.size(), file.offset()), (Some(bytes), bytes));
}

#[test]
fn downloads_start_at_the_offset() {
    let scene = Scene::new();
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        let mut file = fs.open_read(&path("/f"), 3).unwrap();
        assert_eq!((file.size(), file.offset()), (Some(4), 3));
        assert_eq!(file.descriptor().is_some(), fs.is_local());
        assert_eq!(file.read(&mut [0; 9]).unwrap(), 1);
        assert_eq!((file.read(&mut [0; 9]).unwrap(), file.offset()), (0, 4));
        assert!(fs.open_read(&path("/f"), 4).is_ok());
        assert_eq!(
            kind(fs.open_read(&path("/f"), 5)),
            Some(ErrorKind::OffsetPastEnd)
        );
        assert_eq!(
            kind(fs.open_read(&path("/d"), 0)),
            Some(ErrorKind::IsADirectory)
        );
        assert_eq!(
            kind(fs.open_read(&path("/"), 0)),
            Some(ErrorKind::IsADirectory)
        );
    }
}

#[test]
fn a_dangling_link_that_stays_is_written_through() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        scene.link("d/new", "dangling");
        scene.link(scene.home("d/newer"), "dangling-absolute");
        let fs = scene.open(resolver);
        write_all(&fs, "/dangling", WriteMode::Replace, b"1").unwrap();
        write_all(&fs, "/dangling-absolute", WriteMode::Append, b"2").unwrap();
        assert_eq!(fs::read_to_string(scene.home("d/new")).unwrap(), "1");
        assert_eq!(fs::read_to_string(scene.home("d/newer")).unwrap(), "2");
    }
}

#[test]
fn changes_are_those_of_the_system() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        scene.link("f", "link");
        scene.link("d", "link-d");
        scene.link("../outside/canary", "out");
        let fs = scene.open(resolver);
        assert_eq!(kind(fs.mkdir("/d")), Some(ErrorKind::AlreadyExists));
        assert_eq!(kind(fs.mkdir("/")), Some(ErrorKind::AlreadyExists));
        assert_eq!(kind(fs.mkdir("/out")), Some(ErrorKind::AlreadyExists));
        assert!(fs.mkdir("/d").unwrap_err().to_string().contains("exists"));
        assert_eq!(kind(fs.rmdir("/d")), Some(ErrorKind::DirectoryNotEmpty));
        assert_eq!(kind(fs.rmdir("/f")), Some(ErrorKind::NotADirectory));
        assert_eq!(kind(fs.rmdir("/link-d")), Some(ErrorKind::NotADirectory));
        assert_eq!(kind(fs.rmdir("/")), Some(ErrorKind::PermissionDenied));
        assert_eq!(kind(fs.remove("/d")), Some(ErrorKind::IsADirectory));
        assert_eq!(kind(fs.remove("/")), Some(ErrorKind::IsADirectory));
        assert_eq!(kind(fs.rename("/f", "/d")), Some(ErrorKind::IsADirectory));
        assert_eq!(kind(fs.rename("/d", "/f")), Some(ErrorKind::NotADirectory));
        assert_eq!(kind(fs.rename("/d", "/d/e/x")), Some(ErrorKind::Other));
        assert_eq!(kind(fs.rename("/none", "/x")), Some(ErrorKind::NotFound));
        assert_eq!(
            kind(fs.rename("/", "/x")),
            Some(ErrorKind::PermissionDenied)
        );
        assert_eq!(
            kind(fs.rename("/f", "/")),
            Some(ErrorKind::PermissionDenied)
        );

        fs.chmod("/link", 0o123).unwrap();
        fs.utime("/link", 1_000_000_007).unwrap();
        assert_eq!(fs.stat("/f").unwrap().mode, 0o123);
        assert_eq!(fs.getmtime("/f").unwrap(), 1_000_000_007);
        fs.remove("/link").unwrap();
        fs.remove("/out").unwrap();
        assert!(fs.isfile("/f") && !fs.lexists("/link") && !fs.lexists("/out"));
        fs.rename("/f", "/link-d").unwrap();
        assert!(fs.isfile("/link-d") && fs.isdir("/d"));
        fs.mkdir("/d/e/new").unwrap();
        fs.rename("/d/e/new", "/d/e/newer").unwrap();
        fs.rename("/d/e/newer", "/d/er").unwrap();
        fs.rename("/d/er", "/new").unwrap();
        fs.rmdir("/new").unwrap();
        scene.check_outside();
    }
}

#[test]
fn any_bytes_make_a_name_but_not_too_many() {
    let scene = Scene::new();
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        for name in [
            &b"\xff\xfe"[..],
            b"a\r\nb",
            b" ",
            b"...",
            b"~",
            &[b'x'; 255],
        ] {
            let at = VirtualPath::root().join(name).unwrap();
            fs.mkdir(&at).unwrap();
            let listed: Vec<_> = fs.listdir("/").unwrap().map(Result::unwrap).collect();
            assert!(listed.iter().any(|listed| listed == name), "{name:?}");
            fs.rmdir(&at).unwrap();
        }
        let long = [b'x'; 256];
        assert_eq!(kind(fs.mkdir(long)), Some(ErrorKind::NameTooLong));
        assert_eq!(kind(fs.stat(long)), Some(ErrorKind::NameTooLong));
        assert_eq!(
            kind(fs.open(long, OpenMode::Read)),
            Some(ErrorKind::NameTooLong)
        );
        assert_eq!(kind(fs.stat([b'/'; 1].repeat(2).repeat(3000))), None);
        assert_eq!(
            kind(fs.stat(b"x/".repeat(3000))),
            Some(ErrorKind::NameTooLong)
        );
        assert_eq!(kind(fs.stat(b"a\0b")), Some(ErrorKind::NameTooLong));
    }
}

#[test]
fn listings_look_at_entries_and_nothing_else() {
    let scene = Scene::new();
    scene.link("f", "link");
    scene.link("../outside/canary", "out");
    scene.link(scene.outside(""), "absolute-out");
    scene.link(scene.home("d"), "absolute");
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        let mut listing = fs.list(&VirtualPath::root()).unwrap();
        let mut entries = Vec::new();
        while listing.next_batch(2, &mut entries).unwrap() {}
        assert_eq!(entries.len(), 6);
        let recall = listing.recall().unwrap();
        for entry in &entries {
            let own = listing.lstat(&entry.name).unwrap();
            assert_eq!(recall(&entry.name), Some(own));
        }
        assert_eq!(listing.lstat(b"link").unwrap().kind, FileKind::Symlink);
        assert_eq!(listing.stat(b"link").unwrap().kind, FileKind::File);
        assert_eq!(listing.readlink(b"link").unwrap(), b"f");
        assert_eq!(listing.readlink(b"absolute").unwrap(), b"/d");
        for name in [b"out".as_slice(), b"absolute-out"] {
            assert_eq!(listing.lstat(name).unwrap().kind, FileKind::Symlink);
            assert_eq!(kind(listing.stat(name)), Some(ErrorKind::OutsideHome));
            assert_eq!(kind(listing.readlink(name)), Some(ErrorKind::OutsideHome));
        }
        for name in [
            b"..".as_slice(),
            b"../outside/canary",
            b"/etc/passwd",
            b"",
            b"none",
        ] {
            assert_eq!(kind(listing.lstat(name)), Some(ErrorKind::NotFound));
            assert_eq!(recall(name), None);
            assert_eq!(kind(listing.stat(name)), Some(ErrorKind::NotFound));
            assert_eq!(kind(listing.readlink(name)), Some(ErrorKind::NotFound));
        }
        assert_eq!(kind(fs.list(&path("/f"))), Some(ErrorKind::NotADirectory));
    }
}

#[test]
fn lines_are_formatted_as_the_wire_wants_them() {
    let scene = Scene::new();
    scene.link("f", "link");
    scene.link("../outside/canary", "out");
    let fs = scene.open(Resolver::Kernel);
    fs.utime("f", 0).unwrap();
    fs.chmod("f", 0o640).unwrap();
    let names = ["f", "gone", "link", "out"];
    let lines: Vec<_> = fs.format_list("/", names, Zone::Gmt).unwrap().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with(b"-rw-r-----   1 owner"));
    assert!(lines[0].ends_with(b" Jan 01  1970 f\r\n"));
    assert!(lines[1].ends_with(b" link -> f\r\n"));
    assert!(lines[2].ends_with(b" out\r\n"));

    let facts = FactSet::parse(b"type;size;");
    let lines: Vec<_> = fs
        .format_mlsx("/", names, Perms::READ_ONLY, facts, Zone::Gmt)
        .unwrap()
        .collect();
    assert_eq!(lines[0], b"type=file;size=4; f\r\n");
    assert_eq!(lines[1], b"type=file;size=4; link\r\n");
    assert!(lines[2].starts_with(b"type=OS.unix=slink:"));
}

#[test]
fn real_paths_that_climb_or_are_relative_were_translated_as_what_they_were_not() {
    let scene = Scene::new();
    let mut fs = scene.open(Resolver::Kernel);
    // Real paths do not depend on the working directory.
    fs.set_cwd(path("/d"));
    for (real, expected) in [
        (scene.home(""), "/"),
        (scene.home("d/g"), "/d/g"),
        (scene.home("d//./g/"), "/d/g"),
        (scene.home("d/../f"), "/f"),
        (scene.home("../home/f"), "/f"),
        (scene.home("../x"), "/"),
        (scene.home("d/../../x"), "/"),
        (scene.home("../outside/canary"), "/"),
        (scene.outside("../home/f"), "/f"),
        ("/etc".into(), "/"),
        ("/".into(), "/"),
        ("foo".into(), "/foo"),
        ("foo/../bar".into(), "/bar"),
        ("../x".into(), "/"),
        ("../home/f".into(), "/f"),
        ("".into(), "/"),
    ] {
        assert_eq!(fs.fs2ftp(&real), path(expected), "{real:?}");
    }
    let real = scene.home("f");
    let relative = real.strip_prefix("/").unwrap();
    assert_eq!(fs.fs2ftp(relative), path(real.to_str().unwrap()));
}

#[test]
fn a_path_that_climbs_out_behind_what_is_not_there_was_valid() {
    let scene = Scene::new();
    scene.link("../outside", "out");
    scene.link("none/../../outside", "out-behind");
    scene.link("none/../d", "in-behind");
    scene.link("loop", "loop");
    let base = scene.base();
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        for (real, valid) in [
            ("home", true),
            ("home/d/g", true),
            ("home/none", true),
            ("home/d/none/none", true),
            ("home/f/none", true),
            ("home/none/../f", true),
            ("home/none/none/../../d/none", true),
            ("home/none/.././none", true),
            ("home/d/../none/..", true),
            ("home/in-behind/g", true),
            ("home/none/../../outside/x", false),
            ("home/f/../../outside/canary", false),
            ("home/d/none/../../../outside/canary", false),
            ("home/none/none/../../../outside", false),
            ("home/none/../../home2", false),
            ("home/none/../out/canary", false),
            ("home/out/none", false),
            ("home/out-behind", false),
            ("home/out-behind/x", false),
            ("home/loop", false),
            ("home/..", false),
            ("home/../outside", false),
            ("outside/canary", false),
            ("", false),
        ] {
            assert_eq!(fs.validpath(base.join(real)), valid, "{real} {resolver:?}");
        }
        assert!(!fs.validpath(base.join("home/f").strip_prefix("/").unwrap()));
        assert!(!fs.validpath(""));
    }
}

#[test]
fn paths_are_translated_by_name() {
    let scene = Scene::new();
    let mut fs = scene.open(Resolver::Kernel);
    assert_eq!(
        fs.ftp2fs("/").unwrap(),
        scene.home("").canonicalize().unwrap()
    );
    fs.set_cwd(path("/d"));
    assert_eq!(fs.ftp2fs("g").unwrap(), scene.home("d/g"));
    assert_eq!(fs.ftpnorm("../../..").unwrap(), VirtualPath::root());
    let mut text = String::new();
    fs.open("g", OpenMode::Read)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "in g");
    assert_eq!(kind(fs.chdir("g")), Some(ErrorKind::NotADirectory));
    assert_eq!(fs.cwd(), &path("/d"));
    fs.set_root(scene.outside("")).unwrap();
    assert!(fs.isfile("/canary"));
    assert!(fs.set_root(scene.home("none")).is_err());
    assert_eq!(fs.root(), scene.outside("").canonicalize().unwrap());
}

#[test]
fn no_error_tells_a_real_path() {
    let scene = Scene::new();
    scene.link("../outside/canary", "out");
    let fs = scene.open(Resolver::Walk);
    for name in ["/out", "/none", "/f/x", "/d"] {
        let text = kind_text(fs.open_read(&path(name), 0));
        assert!(!text.contains("/tmp") && !text.contains("home/"), "{text}");
    }
    let missing = AbstractedFs::new(scene.home("none")).unwrap_err();
    assert_eq!(missing.to_string(), "No such file or directory.");
}

fn kind_text<T>(result: Result<T, FilesystemError>) -> String {
    result
        .err()
        .map_or_else(String::new, |error| error.to_string())
}

#[test]
fn a_directory_that_may_not_be_searched_is_not_entered() {
    let scene = Scene::new();
    fs::set_permissions(scene.home("d"), Permissions::from_mode(0o600)).unwrap();
    // Root may search anything.
    let expected = fs::metadata(scene.home("d/g"))
        .err()
        .map(|_| ErrorKind::PermissionDenied);
    for resolver in RESOLVERS {
        let mut fs = scene.open(resolver);
        assert_eq!(kind(fs.chdir("/d")), expected);
    }
    fs::set_permissions(scene.home("d"), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn names_of_links_are_bytes() {
    let scene = Scene::new();
    let target = Path::new(OsStr::from_bytes(b"\xff\xfe"));
    fs::write(scene.home("").join(target), "bytes").unwrap();
    scene.link(target, "link");
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        assert_eq!(fs.readlink("/link").unwrap(), b"\xff\xfe");
        assert_eq!(read_all(&fs, "/link").unwrap(), "bytes");
    }
}

/// It was treated like a file of procfs, which claims to be empty but is not.
#[test]
fn a_file_that_was_empty_was_read_on_for_as_long_as_it_grew() {
    let scene = Scene::new();
    fs::write(scene.home("new"), "").unwrap();
    for resolver in RESOLVERS {
        let mut file = scene.open(resolver).open_read(&path("/new"), 0).unwrap();
        fs::write(scene.home("new"), "grown").unwrap();
        assert_eq!(file.read(&mut [0; 10]).unwrap(), 0);
        fs::write(scene.home("new"), "").unwrap();
    }
    let mut made_up = AbstractedFs::new("/proc")
        .unwrap()
        .open_read(&path("/version"), 0)
        .unwrap();
    assert!(made_up.read(&mut [0; 10]).unwrap() > 0);
    assert!(made_up.read(&mut [0; 10]).unwrap() > 0);
}
