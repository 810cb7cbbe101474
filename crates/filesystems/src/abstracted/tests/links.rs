//! Links that stay inside the home and links that leave it.

use super::*;

#[test]
fn no_target_of_a_link_names_the_outside() {
    let scene = Scene::new();
    scene.link(scene.home("../outside/dir"), "climbs");
    scene.link("..", "d/e/up");
    scene.link("../../outside", "f2");
    scene.link("../../../outside", "d/e/out");
    scene.link("/", "d/root");
    scene.link(scene.home(""), "d/e/home");
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        // `/d/e/home` leads to `/`, so two levels up from there is outside.
        for name in ["/climbs", "/f2", "/d/root", "/d/e/out", "/d/e/home/f2"] {
            let got = fs.readlink(name);
            assert_eq!(kind(got), Some(ErrorKind::OutsideHome), "{name}");
        }
        assert_eq!(fs.readlink("/d/e/up").unwrap(), b"..");
        assert_eq!(fs.readlink("/d/e/home/d/e/up").unwrap(), b"..");
        let listing = fs.list(&path("/d/e/home")).unwrap();
        assert_eq!(kind(listing.readlink(b"f2")), Some(ErrorKind::OutsideHome));
    }
}

#[test]
fn a_directory_moved_up_during_its_listing_showed_names_outside() {
    let scene = Scene::new();
    scene.link("../../f", "d/e/back");
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        let listing = fs.list(&path("/d/e")).unwrap();
        assert_eq!(listing.readlink(b"back").unwrap(), b"../../f");
        fs.rename("/d/e", "/e").unwrap();
        // Another directory where the listed one was.
        fs.mkdir("/d/e").unwrap();
        assert_eq!(
            kind(listing.readlink(b"back")),
            Some(ErrorKind::OutsideHome)
        );
        fs.rmdir("/d/e").unwrap();
        fs.rename("/e", "/d/e").unwrap();
    }
}

#[test]
fn a_directory_moved_out_of_the_home_shows_no_link_that_climbs() {
    let scene = Scene::new();
    scene.link("../f", "d/e/back");
    let listing = scene.open(RESOLVERS[0]).list(&path("/d/e")).unwrap();
    fs::rename(scene.home("d/e"), scene.home("../outside/e")).unwrap();
    assert_eq!(
        kind(listing.readlink(b"back")),
        Some(ErrorKind::OutsideHome)
    );
}

/// Checks that all operations that only look at `name` are refused with `expected`.
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

/// Checks that all operations at or below `name`, a link that leaves, are refused.
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
        for below in ["canary", "new", "dir"] {
            let at = path(format!("{name}/{below}"));
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
        let mut inside = fs.clone();
        inside.chdir("/absolute-d").unwrap();
        assert_eq!(
            (inside.cwd(), fs.cwd()),
            (&path("/absolute-d"), &VirtualPath::root())
        );
        assert!(inside.isfile("g") && inside.isfile("../f"));
        assert_eq!(fs.listdir("/to-d").unwrap().count(), 3);
    }
}

#[test]
fn a_failure_told_only_of_the_link_that_was_asked_for() {
    let scene = Scene::new();
    fs::create_dir_all(scene.home("d/e")).unwrap();
    for (name, target) in [
        ("missing", "d/none/x"),
        ("file", "d/../f/x"),
        ("twice", "d/hop/y"),
        ("out", "d/up"),
        ("loop", "d/loop"),
        ("first", "to-d/none/x"),
        ("to-d", "d"),
    ] {
        scene.link(target, name);
    }
    for (name, target) in [("hop", "e/none/x"), ("up", "../.."), ("loop", "loop")] {
        symlink(target, scene.home("d").join(name)).unwrap();
    }
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        for (name, places) in [
            ("/d/none/x", &["/d/none"][..]),
            ("/f/x", &["/f"]),
            ("/missing", &["/missing", "/d/none"]),
            ("/missing/y", &["/missing", "/d/none"]),
            ("/file", &["/file", "/f"]),
            ("/twice", &["/twice", "/d/hop", "/d/e/none"]),
            ("/out", &["/out", "/d/up"]),
            // A link that has been resolved counts as the place that it leads to.
            ("/to-d/none/x", &["/d/none"]),
            ("/first", &["/first", "/d/none"]),
        ] {
            let failed = fs.canonical(&path(name)).unwrap_err();
            let expected: Vec<_> = places.iter().copied().map(path).collect();
            assert_eq!(failed.places(), expected, "{name} {resolver:?}");
        }
        let failed = fs.canonical(&path("/loop")).unwrap_err();
        assert_eq!(failed.places()[0], path("/loop"));
        let others = &failed.places()[1..];
        assert!(others.iter().all(|place| *place == path("/d/loop")));
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
        // Followed as a magic link, it could lead anywhere; followed as text, it leads to the root.
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
        assert_eq!(fs.listdir("/").unwrap().count(), 0);
    }
}

#[test]
fn a_link_put_in_a_canonical_path_is_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    for directory in ["open", "guarded"] {
        std::fs::create_dir(home.join(directory)).unwrap();
        std::fs::write(home.join(directory).join("f"), directory).unwrap();
    }
    std::os::unix::fs::symlink("open", home.join("way")).unwrap();
    for resolver in [Resolver::Kernel, Resolver::Walk] {
        let fs = AbstractedFs::with_resolver(home, resolver).unwrap();
        let pinned = fs.without_links().unwrap().unwrap();
        let checked = fs.canonical(&path("/way/f")).unwrap();
        assert!(pinned.open_read(&checked, 0).is_ok());
        let refused = Some(ErrorKind::TooManyLinks);
        assert_eq!(kind(pinned.open_read(&path("/way/f"), 0)), refused);
        // Another session replaces the directory with a link between the check and the opening.
        std::fs::rename(home.join("open"), home.join("aside")).unwrap();
        std::os::unix::fs::symlink("guarded", home.join("open")).unwrap();
        assert!(
            fs.open_read(&checked, 0).is_ok(),
            "it is followed otherwise"
        );
        assert_eq!(kind(pinned.open_read(&checked, 0)), refused);
        let written = pinned.open_write(&checked, WriteMode::Replace);
        assert_eq!(kind(written), refused);
        assert_eq!(kind(pinned.remove(&checked)), refused);
        assert_eq!(kind(pinned.set_mode(&checked, 0o600)), refused);
        std::fs::remove_file(home.join("open")).unwrap();
        std::fs::rename(home.join("aside"), home.join("open")).unwrap();
        assert_eq!(std::fs::read(home.join("guarded/f")).unwrap(), b"guarded");
    }
}

/// Nested directories, all named `a`, which are removed on drop. This is done in pieces, since
/// removing such a tree at once takes a descriptor for each of its levels, and other tests need
/// theirs.
struct Dug<'a> {
    scene: &'a Scene,
    depth: usize,
}

/// How many levels are removed together.
const PIECE: usize = 100;

impl<'a> Dug<'a> {
    /// Makes the directory `a/a/…`, `depth` deep.
    fn new(scene: &'a Scene, depth: usize) -> Self {
        fs::create_dir_all(scene.home(&"a/".repeat(depth))).unwrap();
        Self { scene, depth }
    }

    /// The path of the deepest directory.
    fn path(&self) -> String {
        "/a".repeat(self.depth)
    }
}

impl Drop for Dug<'_> {
    fn drop(&mut self) {
        for depth in (1..=self.depth).rev().step_by(PIECE) {
            // The scene removes what is left.
            let _ = fs::remove_dir_all(self.scene.home(&"a/".repeat(depth)));
        }
    }
}

#[test]
fn links_at_the_bottom_of_a_deep_tree_sent_a_walk_down_forty_times() {
    let scene = Scene::new();
    let dug = Dug::new(&scene, 1_500);
    let deep = dug.path();
    let at = |name: &str| path(format!("{deep}/{name}"));
    let fs = scene.open(Resolver::default());
    // Links with absolute paths, as other programs make them.
    for (target, link) in [
        ("pong", "ping"),
        ("ping", "pong"),
        ("f", "1"),
        ("1", "2"),
        ("2", "3"),
    ] {
        let target = match target {
            "f" => scene.home(target),
            _ => scene.home(&format!("{}/{target}", &deep[1..])),
        };
        let link = at(link);
        let (parent, name) = fs.jail.parent(&link).unwrap();
        symlink_at(target.as_os_str().as_encoded_bytes(), parent.as_fd(), name).unwrap();
    }
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        let found = |name: &str| kind(Filesystem::stat(&fs, &at(name)));
        assert_eq!(found("1"), None);
        assert_eq!(found("2"), None, "a few links are no loop");
        assert_eq!(found("3"), Some(ErrorKind::TooManyLinks));
        assert_eq!(found("ping"), Some(ErrorKind::TooManyLinks));
    }
}

#[test]
fn names_that_are_entered_together_lead_where_each_of_them_leads() {
    let scene = Scene::new();
    let dug = Dug::new(&scene, 100);
    let deep = dug.path();
    // The links: depth of their directory, name, target.
    let links = [
        (10, "near", "a/a/.".to_owned()),
        (40, "up", "../../..".to_owned()),
        (50, "again", format!("a/../{}/", "a/".repeat(45))),
        (70, "home", scene.home("").to_str().unwrap().to_owned()),
        (
            90,
            "deeper",
            scene.home(&deep[1..]).to_str().unwrap().to_owned(),
        ),
        (95, "out", "/".to_owned()),
    ];
    for (depth, name, target) in &links {
        scene.link(target, &format!("{}{name}", "a/".repeat(*depth)));
    }
    // What is opened, and the expected outcome: the path of a directory, or the error.
    let rows = [
        ("/a*100", Ok("/a*100")),
        ("/a*101", Ok("/a*101")),
        ("/a*102", Err(ErrorKind::NotFound)),
        ("/a*10/near/a*80", Ok("/a*92")),
        ("/a*40/up/a*60", Ok("/a*97")),
        ("/a*50/again/a*5", Ok("/a*100")),
        ("/a*70/home/a*99", Ok("/a*99")),
        ("/a*70/home/a*90/deeper", Ok("/a*100")),
        ("/a*70/home/a*70/home/a*70/home/d/e", Ok("/d/e")),
        ("/a*95/out/a*3", Err(ErrorKind::OutsideHome)),
    ];
    let written = |text: &str| -> String {
        let parts = text
            .split('/')
            .skip(1)
            .map(|part| match part.split_once('*') {
                Some((name, count)) => format!("/{name}").repeat(count.parse().unwrap()),
                None => format!("/{part}"),
            });
        parts.collect()
    };
    for resolver in RESOLVERS {
        let fs = scene.open(resolver);
        for (name, expected) in rows {
            let got = Filesystem::canonical(&fs, &path(written(name)));
            let expected = expected.map(|real| path(written(real)));
            assert_eq!(
                got.map_err(|error| error.kind()),
                expected,
                "{resolver:?} {name}"
            );
        }
    }
}
