//! Links made by clients, and the reported free space.

use super::*;

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
        // Moved up, to where a relative link would lead outside.
        fs.rename("/d/e/to-f", "/moved").unwrap();
        assert_eq!(read_all(&fs, "/moved").unwrap(), "in f");

        assert_eq!(link("/leaves", "/x"), Some(ErrorKind::OutsideHome));
        assert_eq!(link("/leaves/canary", "/x"), Some(ErrorKind::OutsideHome));
        assert_eq!(link("/f", "/leaves/x"), Some(ErrorKind::OutsideHome));
        assert_eq!(link("/f", "/d"), Some(ErrorKind::AlreadyExists));
        assert_eq!(link("/missing/f", "/d/x"), Some(ErrorKind::NotFound));
        assert_eq!(link("/f", "/missing/x"), Some(ErrorKind::NotFound));
        assert_eq!(link("/x/f", "/x"), Some(ErrorKind::NotFound));
        let outside = Some(ErrorKind::OutsideHome);
        assert_eq!(link("/leaves/missing/f", "/x"), outside);
        assert_eq!(link("/f", "/"), Some(ErrorKind::PermissionDenied));
        scene.check_outside();
    }
}

#[test]
fn links_to_what_is_below_were_dead_once_their_directory_had_moved() {
    for resolver in RESOLVERS {
        let scene = Scene::new();
        let fs = scene.open(resolver);
        let link = |target: &str, link: &str| {
            Filesystem::symlink(&fs, &path(target), &path(link)).map_err(|error| error.kind())
        };
        for (target, name, text) in [
            // Made before the target is uploaded.
            ("/site/releases/5", "/site/current", "releases/5"),
            ("/site/f", "/site/g", "f"),
            ("/none/f", "/top", "none/f"),
        ] {
            fs::create_dir_all(scene.home("site")).unwrap();
            assert_eq!(link(target, name), Ok(()), "{name}");
            let made = fs::read_link(scene.home(&name[1..])).unwrap();
            assert_eq!(made, Path::new(text), "{name}");
        }
        fs::rename(scene.home("site"), scene.home("moved")).unwrap();
        fs::write(scene.home("moved/f"), "in f").unwrap();
        assert!(Filesystem::stat(&fs, &path("/moved/g")).is_ok());
        // Any other directory has to exist, and no link with `..` is made.
        assert_eq!(link("/none/f", "/moved/h"), Err(ErrorKind::NotFound));
        assert_eq!(link("/moved/f", "/moved/releases"), Ok(()));
        assert_eq!(link("/", "/moved/home"), Ok(()));
        assert!(
            fs::read_link(scene.home("moved/home"))
                .unwrap()
                .is_absolute()
        );
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
