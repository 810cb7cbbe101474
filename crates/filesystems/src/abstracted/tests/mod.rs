//! The jail through its public surface, with both resolvers.

mod links;
mod made_links;
mod operations;
mod races;
mod resolvers;
mod uploads;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use ftpdlib_proto::TransferEnd;
use tempfile::TempDir;

use super::*;

const RESOLVERS: [Resolver; 2] = [Resolver::Kernel, Resolver::Walk];

/// A home directory `home` next to a directory `outside` that contains a canary.
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

    /// Checks that the outside is unchanged: its names, contents, modes and times.
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
