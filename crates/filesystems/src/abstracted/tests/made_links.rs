//! Links made by clients, and the space that is told.

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
