//! The jail through its public surface, with both resolvers.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use ftpdlib_proto::{FactSet, FileKind, Perms, TransferEnd, Zone};
use tempfile::TempDir;

use super::*;

const RESOLVERS: [Resolver; 2] = [Resolver::Kernel, Resolver::Walk];

/// A home directory `home` with a neighbour `outside` that holds a canary.
struct Scene {
    scratch: TempDir,
}

const CANARY: &str = "nobody may read or change this";

impl Scene {
    fn new() -> Self {
        let scene = Self {
            scratch: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(scene.outside("dir")).unwrap();
        fs::write(scene.outside("canary"), CANARY).unwrap();
        fs::create_dir_all(scene.home("d/e")).unwrap();
        fs::write(scene.home("f"), "in f").unwrap();
        fs::write(scene.home("d/g"), "in g").unwrap();
        scene
    }

    fn base(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap()
    }

    fn home(&self, path: &str) -> PathBuf {
        self.base().join("home").join(path)
    }

    fn outside(&self, path: &str) -> PathBuf {
        self.base().join("outside").join(path)
    }

    fn link(&self, target: impl AsRef<Path>, name: &str) {
        symlink(target, self.home(name)).unwrap();
    }

    fn open(&self, resolver: Resolver) -> AbstractedFs {
        AbstractedFs::with_resolver(self.home(""), resolver).unwrap()
    }

    /// The outside is as it was made: the same names, the same contents, mode and time.
    #[track_caller]
    fn check_outside(&self) {
        let canary = self.outside("canary");
        assert_eq!(fs::read_to_string(&canary).unwrap(), CANARY);
        assert_ne!(fs::metadata(&canary).unwrap().mode() & 0o7777, 0o123);
        assert_ne!(fs::metadata(&canary).unwrap().mtime(), 123);
        assert_ne!(
            fs::metadata(self.outside("dir")).unwrap().mode() & 0o7777,
            0o123
        );
        assert_eq!(names(&self.outside("")), ["canary", "dir"]);
        assert_eq!(names(&self.outside("dir")), Vec::<String>::new());
        assert_eq!(names(&self.base()), ["home", "outside"]);
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn path(text: impl AsRef<[u8]>) -> VirtualPath {
    VirtualPath::new(text).unwrap()
}

fn read_all(fs: &dyn Filesystem, name: &str) -> Result<String, FilesystemError> {
    let mut file = fs.open_read(&path(name), 0)?;
    let mut all = Vec::new();
    let mut piece = [0; 3];
    loop {
        match file.read(&mut piece).unwrap() {
            0 => return Ok(String::from_utf8(all).unwrap()),
            count => all.extend_from_slice(&piece[..count]),
        }
    }
}

fn write_all(
    fs: &dyn Filesystem,
    name: &str,
    mode: WriteMode,
    bytes: &[u8],
) -> Result<VirtualPath, FilesystemError> {
    let mut file = fs.open_write(&path(name), mode)?;
    assert_eq!(file.write(bytes).unwrap(), bytes.len());
    let path = file.path().clone();
    file.finish(&TransferEnd::Complete)?;
    Ok(path)
}

fn kind<T>(result: Result<T, FilesystemError>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// Everything that looks, at `name`, which must be refused as `expected`.
#[track_caller]
fn check_refused(scene: &Scene, name: &str, expected: ErrorKind) {
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        let at = &path(name);
        let fs: &dyn Filesystem = &fs;
        assert_eq!(
            kind(fs.open_read(at, 0)),
            Some(expected),
            "RETR {name} {resolver:?}"
        );
        assert_eq!(
            kind(fs.stat(at)),
            Some(expected),
            "stat {name} {resolver:?}"
        );
        assert_eq!(
            kind(fs.list(at)),
            Some(expected),
            "LIST {name} {resolver:?}"
        );
        assert_eq!(
            kind(fs.change_dir(at)),
            Some(expected),
            "CWD {name} {resolver:?}"
        );
        assert_eq!(
            kind(fs.set_mode(at, 0o123)),
            Some(expected),
            "CHMOD {name} {resolver:?}"
        );
        assert_eq!(
            kind(fs.set_modified(at, 123)),
            Some(expected),
            "MFMT {name} {resolver:?}"
        );
        scene.check_outside();
    }
}

/// Everything that changes something, at or below `name`, a link that leaves.
#[track_caller]
fn check_sealed(scene: &Scene, name: &str) {
    check_refused(scene, name, ErrorKind::OutsideHome);
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        let fs: &dyn Filesystem = &fs;
        let refused = Some(ErrorKind::OutsideHome);
        for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::At(0)] {
            assert_eq!(
                kind(fs.open_write(&path(name), mode)),
                refused,
                "{mode:?} {name}"
            );
        }
        assert_eq!(kind(fs.canonical(&path(name))), refused, "{name}");
        for below in ["canary", "new", "dir", "../f"] {
            // Not normalised away: as the session would hand it on, joined to the link's name.
            let Ok(at) = VirtualPath::new(format!("{name}/{}", below.trim_start_matches("../")))
            else {
                continue;
            };
            assert_eq!(kind(fs.open_read(&at, 0)), refused, "RETR {at}");
            assert_eq!(
                kind(fs.open_write(&at, WriteMode::Replace)),
                refused,
                "STOR {at}"
            );
            assert_eq!(
                kind(fs.open_write(&at, WriteMode::Unique)),
                refused,
                "STOU {at}"
            );
            assert_eq!(kind(fs.stat(&at)), refused, "stat {at}");
            assert_eq!(kind(fs.lstat(&at)), refused, "lstat {at}");
            assert_eq!(kind(fs.mkdir(&at)), refused, "MKD {at}");
            assert_eq!(kind(fs.rmdir(&at)), refused, "RMD {at}");
            assert_eq!(kind(fs.remove(&at)), refused, "DELE {at}");
            assert_eq!(kind(fs.rename(&at, &path("/x"))), refused, "RNFR {at}");
            assert_eq!(kind(fs.rename(&path("/f"), &at)), refused, "RNTO {at}");
            assert_eq!(kind(fs.set_mode(&at, 0o123)), refused, "CHMOD {at}");
            assert_eq!(kind(fs.readlink(&at)), refused, "readlink {at}");
            assert_eq!(kind(fs.canonical(&at)), refused, "canonical {at}");
        }
        assert_eq!(
            kind(fs.rmdir(&path(name))),
            Some(ErrorKind::NotADirectory),
            "RMD {name}"
        );
        scene.check_outside();
    }
}

#[test]
fn links_that_leave_are_sealed() {
    let scene = Scene::new();
    scene.link("../outside", "one-up");
    scene.link("../outside/", "one-up-slash");
    scene.link("..", "parent");
    scene.link("d/../../outside", "in-and-out");
    scene.link("../../../../../../../../../..", "far-up");
    scene.link("/", "root");
    scene.link(scene.outside(""), "absolute");
    scene.link("/proc/self/root", "proc-root");
    scene.link("/proc/self/cwd", "proc-cwd");
    scene.link("../home", "out-and-back");
    scene.link(scene.home("../home/f"), "absolute-out-and-back");
    scene.link("one-up", "link-to-link");
    symlink("../../outside", scene.home("d/deep")).unwrap();
    symlink("../../outside/dir", scene.home("d/e/wrong-depth")).unwrap();
    for name in [
        "/one-up",
        "/one-up-slash",
        "/parent",
        "/in-and-out",
        "/far-up",
        "/root",
        "/absolute",
        "/proc-root",
        "/proc-cwd",
        "/out-and-back",
        "/absolute-out-and-back",
        "/link-to-link",
        "/d/deep",
    ] {
        check_sealed(&scene, name);
    }
    check_refused(&scene, "/d/e/wrong-depth", ErrorKind::NotFound);
}

#[test]
fn links_to_outside_files_are_sealed() {
    let scene = Scene::new();
    scene.link("../outside/canary", "canary");
    scene.link(scene.outside("canary"), "canary-absolute");
    scene.link("../outside/new", "new");
    scene.link(scene.outside("new"), "new-absolute");
    for name in ["/canary", "/canary-absolute", "/new", "/new-absolute"] {
        check_sealed(&scene, name);
    }
}

#[test]
fn dangling_and_looping_links_lead_nowhere() {
    let scene = Scene::new();
    scene.link("nothing", "dangling");
    scene.link("f/", "file-as-directory");
    scene.link("self", "self");
    scene.link("pong", "ping");
    scene.link("ping", "pong");
    check_refused(&scene, "/dangling", ErrorKind::NotFound);
    check_refused(&scene, "/dangling/x", ErrorKind::NotFound);
    check_refused(&scene, "/file-as-directory", ErrorKind::NotADirectory);
    check_refused(&scene, "/self", ErrorKind::TooManyLinks);
    check_refused(&scene, "/ping", ErrorKind::TooManyLinks);
    check_refused(&scene, "/ping/x", ErrorKind::TooManyLinks);
    check_refused(&scene, "/f/x", ErrorKind::NotADirectory);
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let scene = Scene::new();
    scene.link("f", "l1");
    for number in 2..=41 {
        scene.link(format!("l{}", number - 1), &format!("l{number}"));
    }
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        assert_eq!(read_all(&fs, "/l40").unwrap(), "in f");
        assert_eq!(kind(read_all(&fs, "/l41")), Some(ErrorKind::TooManyLinks));
        assert_eq!(kind(fs.realpath("/l41")), Some(ErrorKind::TooManyLinks));
    }
}

#[test]
fn links_that_stay_work() {
    let scene = Scene::new();
    scene.link("f", "to-f");
    scene.link("d", "to-d");
    scene.link("./d//e/../g", "to-g");
    scene.link("d/e/..", "dots");
    scene.link(".", "here");
    scene.link(scene.home("f"), "absolute-f");
    scene.link(scene.home("d/"), "absolute-d");
    scene.link(scene.home(""), "absolute-home");
    symlink("../f", scene.home("d/up")).unwrap();
    symlink("../../to-f", scene.home("d/e/up")).unwrap();
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        for (name, content, real) in [
            ("/to-f", "in f", "/f"),
            ("/to-d/g", "in g", "/d/g"),
            ("/to-g", "in g", "/d/g"),
            ("/dots/g", "in g", "/d/g"),
            ("/here/here/f", "in f", "/f"),
            ("/absolute-f", "in f", "/f"),
            ("/absolute-d/g", "in g", "/d/g"),
            ("/absolute-home/absolute-home/f", "in f", "/f"),
            ("/d/up", "in f", "/f"),
            ("/to-d/e/up", "in f", "/f"),
        ] {
            assert_eq!(read_all(&fs, name).unwrap(), content, "{name} {resolver:?}");
            assert_eq!(fs.canonical(&path(name)).unwrap(), path(real), "{name}");
            assert_eq!(fs.realpath(name).unwrap(), scene.home(&real[1..]), "{name}");
            assert!(fs.validpath(scene.home(&name[1..])), "{name}");
            let (ours, theirs) = (fs.stat(name).unwrap(), scene.home(&real[1..]));
            assert_eq!(ours.inode, fs::metadata(theirs).unwrap().ino(), "{name}");
        }
        assert_eq!(
            fs.canonical(&path("/absolute-home")).unwrap(),
            VirtualPath::root()
        );
        assert_eq!(fs.canonical(&path("/to-d/new")).unwrap(), path("/d/new"));
        assert_eq!(
            kind(fs.canonical(&path("/new/new"))),
            Some(ErrorKind::NotFound)
        );
        fs.chdir_and_back("/absolute-d");
        assert_eq!(fs.listdir("/to-d").unwrap().count(), 3);
    }
}

impl AbstractedFs {
    #[track_caller]
    fn chdir_and_back(&self, dir: &str) {
        let mut own = self.clone();
        own.chdir(dir).unwrap();
        assert_eq!(own.cwd(), &path(dir));
        assert_eq!(own.cwd.join(b"..").unwrap(), *self.cwd());
    }
}

#[test]
fn the_home_may_be_reached_by_a_link() {
    let scene = Scene::new();
    let other = scene.base().join("other");
    symlink(scene.home(""), &other).unwrap();
    scene.link(other.join("f"), "by-given-name");
    scene.link(scene.home("f"), "by-real-name");
    for resolver in RESOLVERS {
        let fs = AbstractedFs::with_resolver(&other, resolver).unwrap();
        assert_eq!(fs.root(), scene.home("").canonicalize().unwrap());
        assert_eq!(read_all(&fs, "/by-given-name").unwrap(), "in f");
        assert_eq!(read_all(&fs, "/by-real-name").unwrap(), "in f");
    }
}

#[test]
fn links_of_the_root_start_at_the_root() {
    let scene = Scene::new();
    scene.link(scene.outside("canary"), "absolute");
    scene.link("../../../../../../../../../etc", "far-up");
    let home = scene.home("").into_os_string().into_encoded_bytes();
    for resolver in RESOLVERS {
        let mut fs = AbstractedFs::with_resolver("/", resolver).unwrap();
        fs.chdir(&home).unwrap();
        assert_eq!(
            read_all(&fs, fs.ftp2fs("absolute").unwrap().to_str().unwrap()).unwrap(),
            CANARY
        );
        assert_eq!(
            fs.realpath("far-up").unwrap(),
            Path::new("/etc").canonicalize().unwrap()
        );
        assert!(fs.isdir("far-up") && fs.isdir("/proc/self"));
        // A magic link would lead anywhere; as a mere text it leads to the root.
        assert!(fs.isdir("/proc/self/root"));
        assert_eq!(fs.ftp2fs("x").unwrap(), scene.home("x"));
        assert_eq!(fs.fs2ftp("/etc/passwd"), path("/etc/passwd"));
    }
}

#[test]
fn a_home_that_is_replaced_is_not_followed() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        let fs = scene.open(resolver);
        let moved = scene.base().join("outside/dir/moved");
        fs::rename(scene.home(""), &moved).unwrap();
        symlink(scene.outside(""), scene.home("").with_file_name("home")).unwrap();
        assert_eq!(read_all(&fs, "/f").unwrap(), "in f");
        assert_eq!(kind(read_all(&fs, "/canary")), Some(ErrorKind::NotFound));

        fs::remove_dir_all(&moved).unwrap();
        assert_eq!(kind(read_all(&fs, "/f")), Some(ErrorKind::NotFound));
        assert_eq!(kind(fs.mkdir("/x")), Some(ErrorKind::NotFound));
        assert_eq!(
            kind(write_all(&fs, "/x", WriteMode::Replace, b"")),
            Some(ErrorKind::NotFound)
        );
        fs.chdir_and_back_is_refused_or_harmless();
        assert_eq!(fs.listdir("/").unwrap().count(), 0);
    }
}

impl AbstractedFs {
    /// A removed directory may still be entered; nothing is in it.
    fn chdir_and_back_is_refused_or_harmless(&self) {
        let _ = self.clone().chdir("/");
    }
}

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
        fs.rename("/d/e/new", "/new").unwrap();
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
fn paths_are_translated_by_name() {
    let scene = Scene::new();
    let mut fs = scene.open(Resolver::Kernel);
    scene.link("../outside", "out");
    assert_eq!(
        fs.ftp2fs("/").unwrap(),
        scene.home("").canonicalize().unwrap()
    );
    assert_eq!(fs.fs2ftp(scene.home("")), VirtualPath::root());
    assert_eq!(fs.fs2ftp(scene.home("d/g")), path("/d/g"));
    assert_eq!(fs.fs2ftp("/etc"), VirtualPath::root());
    assert!(fs.validpath(scene.home("d/none/none")));
    assert!(!fs.validpath(scene.home("out/canary")));
    assert!(!fs.validpath(scene.outside("canary")));
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
    let target = Path::new(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    fs::write(scene.home("").join(target), "bytes").unwrap();
    scene.link(target, "link");
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        assert_eq!(fs.readlink("/link").unwrap(), b"\xff\xfe");
        assert_eq!(read_all(&fs, "/link").unwrap(), "bytes");
    }
}

#[test]
fn links_that_are_made_stay_inside() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        scene.link("../outside", "leaves");
        scene.link("d", "inner");
        let fs = scene.open(resolver);
        let link = |target: &str, name: &str| {
            let made = Filesystem::symlink(&fs, &path(target), &path(name));
            kind(made)
        };
        assert_eq!(link("/f", "/d/e/to-f"), None);
        assert_eq!(link("/../../f", "/also-to-f"), None);
        assert_eq!(link("/inner/g", "/inner/e/to-g"), None);
        assert_eq!(link("/d", "/to-d"), None);
        assert_eq!(link("/", "/to-root"), None);
        assert_eq!(link("/later", "/to-later"), None);
        assert_eq!(read_all(&fs, "/d/e/to-f").unwrap(), "in f");
        assert_eq!(read_all(&fs, "/also-to-f").unwrap(), "in f");
        assert_eq!(read_all(&fs, "/to-root/to-d/e/to-g").unwrap(), "in g");
        assert_eq!(fs.readlink("/d/e/to-f").unwrap(), b"/f");
        assert_eq!(
            fs.readlink("/d/e/to-g").unwrap(),
            b"/d/g",
            "links on the way are resolved"
        );
        // Moved up, where a relative one would lead out.
        fs.rename("/d/e/to-f", "/moved").unwrap();
        assert_eq!(read_all(&fs, "/moved").unwrap(), "in f");

        assert_eq!(link("/leaves", "/x"), Some(ErrorKind::OutsideHome));
        assert_eq!(link("/leaves/canary", "/x"), Some(ErrorKind::OutsideHome));
        assert_eq!(link("/f", "/leaves/x"), Some(ErrorKind::OutsideHome));
        assert_eq!(link("/f", "/d"), Some(ErrorKind::AlreadyExists));
        assert_eq!(link("/missing/f", "/x"), Some(ErrorKind::NotFound));
        assert_eq!(link("/f", "/missing/x"), Some(ErrorKind::NotFound));
        assert_eq!(link("/f", "/"), Some(ErrorKind::PermissionDenied));
        scene.check_outside();
    }
}

#[test]
fn space_is_told_inside_only() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        scene.link("../outside", "leaves");
        let fs = scene.open(resolver);
        let space = |name: &str| fs.available_space(&path(name));
        assert!(space("/").unwrap() > 0 && space("/d/g").unwrap() > 0);
        assert_eq!(kind(space("/missing")), Some(ErrorKind::NotFound));
        assert_eq!(kind(space("/leaves")), Some(ErrorKind::OutsideHome));
    }
}
