//! Both resolvers give the same results, and only what is in the home.

use std::collections::HashSet;

use ftpdlib_proto::FileKind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[derive(Clone, Debug)]
enum Made {
    File,
    Directory,
    Link(String),
}

/// Paths for new entries: some at the top, some in directories that may exist.
fn place() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "c"]), 1..4).prop_map(|parts| parts.join("/"))
}

/// Targets for links, in which `@` stands for the real path of the home, and `!` for that of the
/// outside.
fn target() -> impl Strategy<Value = String> {
    let start = select(vec!["", "", "", "@/", "@/../", "!/", "/", "../", "../../"]);
    let parts = vec(select(vec!["a", "b", "c", "..", ".", "", "home"]), 0..4);
    (start, parts).prop_map(|(start, parts)| {
        let target = format!("{start}{}", parts.join("/"));
        if target.is_empty() {
            ".".to_owned()
        } else {
            target
        }
    })
}

fn made() -> impl Strategy<Value = Made> {
    prop_oneof![
        1 => Just(Made::File),
        2 => Just(Made::Directory),
        4 => target().prop_map(Made::Link),
    ]
}

fn build(scene: &Scene, tree: &[(String, Made)]) {
    for (place, made) in tree {
        let at = scene.home(place);
        // Creating something at or through a link would create it outside.
        let inside = at.parent().unwrap().canonicalize();
        if at.is_symlink() || !inside.is_ok_and(|dir| dir.starts_with(scene.home(""))) {
            continue;
        }
        let _ = match made {
            Made::File => fs::write(&at, "file"),
            Made::Directory => fs::create_dir(&at),
            Made::Link(target) => {
                let home = scene.home("").into_os_string().into_string().unwrap();
                let outside = scene.outside("").into_os_string().into_string().unwrap();
                symlink(target.replace('@', &home).replace('!', &outside), &at)
            }
        };
    }
}

fn inodes(dir: &Path, found: &mut HashSet<u64>) {
    found.insert(fs::metadata(dir).unwrap().ino());
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let facts = fs::symlink_metadata(entry.path()).unwrap();
        if facts.is_dir() {
            inodes(&entry.path(), found);
        }
        found.insert(facts.ino());
    }
}

type Answer<T> = Result<T, ErrorKind>;

fn answer<T>(result: Result<T, FilesystemError>) -> Answer<T> {
    result.map_err(|error| error.kind())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn kernel_and_walk_agree(
        tree in vec((place(), made()), 1..10),
        paths in vec(place(), 4),
    ) {
        let scene = Scene::new();
        build(&scene, &tree);
        let [kernel, walk] = RESOLVERS.map(|resolver| scene.open(resolver));
        for name in paths {
            let mut inside = HashSet::new();
            inodes(&scene.home(""), &mut inside);
            let at = path(&name);
            let found = answer(kernel.stat(&at));
            prop_assert_eq!(&found, &answer(walk.stat(&at)), "stat {}", &name);
            prop_assert_eq!(answer(kernel.lstat(&at)), answer(walk.lstat(&at)), "lstat {}", &name);
            let real = answer(kernel.canonical(&at));
            prop_assert_eq!(&real, &answer(walk.canonical(&at)), "canonical {}", &name);
            let [ours, theirs] =
                [&kernel, &walk].map(|fs| answer(Filesystem::open_read(fs, &at, 0)).map(|_| ()));
            prop_assert_eq!(ours, theirs, "RETR {}", &name);
            if let Ok(found) = found {
                prop_assert!(inside.contains(&found.inode), "{} is outside", &name);
                let real = kernel.lstat(real.unwrap()).unwrap();
                prop_assert_ne!(real.kind, FileKind::Symlink);
                prop_assert_eq!(real.inode, found.inode);
            }
            let [ours, theirs] = [&kernel, &walk]
                .map(|fs| write_all(fs, &name, WriteMode::Replace, b"x").is_ok());
            prop_assert_eq!(ours, theirs, "STOR {}", &name);
            scene.check_outside();
        }
    }
}
