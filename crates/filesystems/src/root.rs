//! Facts of the home directories in use, so that most logins need not determine them again.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use ftpdlib_sys::{
    OpenFlags, Place, Scope, Storage, errno, open_at, open_beneath, open_directory,
    open_real_directory, stat_descriptor, storage,
};

use crate::error::FilesystemError;
use crate::home::Home;

/// The homes in use that can be told apart, by their real paths. A home that was opened by another
/// path is not among them: a link on the way may lead elsewhere by now.
static IN_USE: LazyLock<Mutex<HashMap<Box<Path>, Weak<Root>>>> = LazyLock::new(Mutex::default);

/// An open home directory, and what was found out about it. Each user opens the directory with
/// their own rights; users who find the same directory on the same mount share this value.
#[derive(Debug)]
pub(crate) struct Root {
    dir: OwnedFd,
    /// Identifies the directory, if it is on a filesystem of this machine that allows this.
    place: Option<Place>,
    pub(crate) device: u64,
    /// Where the filesystem of the home itself stores files.
    pub(crate) storage: Storage,
    pub(crate) home: Home,
    pub(crate) scope: Scope,
    /// Whether the kernel resolves paths beneath it.
    pub(crate) in_kernel: bool,
}

impl Root {
    /// Opens the directory `given`.
    pub(crate) fn open(given: &Path) -> Result<Arc<Self>, FilesystemError> {
        let known = in_use().get(given).and_then(Weak::upgrade);
        // Opened without following links, since a directory above may have been replaced by a link.
        if let Some(root) = known
            && let Ok(dir) = open_real_directory(given)
            && root.place == Place::of(dir.as_fd()).ok()
        {
            return Ok(root);
        }
        let root = Arc::new(Self::explore(given)?);
        if root.place.is_some() && root.home.real() == given {
            in_use().insert(given.into(), Arc::downgrade(&root));
        }
        Ok(root)
    }

    fn explore(given: &Path) -> Result<Self, FilesystemError> {
        let real = fs::canonicalize(given)?;
        // A link put in its place meanwhile is not followed.
        let dir = match open_real_directory(&real) {
            Err(error) if is_lacking(&error) => open_step_by_step(&real)?,
            opened => opened?,
        };
        let scope = if real.parent().is_none() {
            Scope::InRoot
        } else {
            Scope::Beneath
        };
        let in_kernel = match open_beneath(dir.as_fd(), b".", OpenFlags::PATH, 0, scope) {
            Ok(_) => true,
            // The call exists; only this user lacks the right.
            Err(error) => error.raw_os_error() == Some(errno::EACCES),
        };
        let storage = storage(dir.as_fd()).unwrap_or(Storage::Remote);
        let is_local = storage != Storage::Remote;
        Ok(Self {
            // Another machine may reuse the inode number of a directory that is open here; and only
            // the kernel can refuse links on the way without a race.
            place: Place::of(dir.as_fd())
                .ok()
                .filter(|_| is_local && in_kernel),
            device: stat_descriptor(dir.as_fd())?.device,
            storage,
            home: Home::new(given, real),
            scope,
            in_kernel,
            dir,
        })
    }

    /// A descriptor of the directory.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let mut roots = in_use();
        if roots
            .get(self.home.real())
            .is_some_and(|root| root.strong_count() == 0)
        {
            roots.remove(self.home.real());
        }
    }
}

/// Opens the directory at a `real` path as [`open_real_directory`] does, where the kernel cannot:
/// if there is a link on the way by now, this fails.
fn open_step_by_step(real: &Path) -> io::Result<OwnedFd> {
    let flags = OpenFlags::PATH | OpenFlags::DIRECTORY | OpenFlags::NO_FOLLOW;
    let mut dir = open_directory(Component::RootDir)?;
    for component in real.components() {
        if let Component::Normal(name) = component {
            dir = open_at(dir.as_fd(), name.as_encoded_bytes(), flags, 0)?;
        }
    }
    Ok(dir)
}

/// Whether the system lacks the call, or a container blocks it.
fn is_lacking(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(errno::EPERM)
}

fn in_use() -> MutexGuard<'static, HashMap<Box<Path>, Weak<Root>>> {
    // No panic can leave the map half changed.
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn is_in_use(path: &Path) -> bool {
        in_use().contains_key(path)
    }

    fn root(path: &Path) -> Arc<Root> {
        Root::open(path).unwrap()
    }

    #[test]
    fn what_is_known_of_a_home_is_shared_while_it_is_in_use() {
        let home = TempDir::new().unwrap();
        let path = home.path().canonicalize().unwrap();
        let one = root(&path);
        if one.place.is_none() {
            // This system shares nothing.
            return;
        }
        assert!(Arc::ptr_eq(&one, &root(&path)));
        assert!(is_in_use(&path));
        drop(one);
        assert!(!is_in_use(&path));
    }

    #[test]
    fn another_directory_at_the_same_path_is_another_home() {
        let above = TempDir::new().unwrap();
        let place = above.path().canonicalize().unwrap();
        let (path, aside) = (place.join("home"), place.join("aside"));
        fs::create_dir(&path).unwrap();
        let old = root(&path);
        fs::rename(&path, &aside).unwrap();
        assert!(Root::open(&path).is_err(), "it is not there");
        fs::create_dir(&path).unwrap();
        let new = root(&path);
        assert!(!Arc::ptr_eq(&old, &new));
        drop(old);
        assert_eq!(
            Arc::ptr_eq(&new, &root(&path)),
            new.place.is_some(),
            "{:?}",
            new.place
        );
        drop(new);
        assert!(!is_in_use(&path));
    }

    #[test]
    fn a_home_behind_a_new_link_kept_its_old_path() {
        let above = TempDir::new().unwrap();
        let place = above.path().canonicalize().unwrap();
        let (old, new) = (place.join("old"), place.join("new"));
        fs::create_dir_all(old.join("home")).unwrap();
        let before = root(&old.join("home"));
        fs::rename(&old, &new).unwrap();
        symlink(&new, &old).unwrap();
        let after = root(&old.join("home"));
        assert_eq!(before.home.real(), old.join("home"));
        assert_eq!(after.home.real(), new.join("home"));
    }

    #[test]
    fn a_home_behind_a_link_is_looked_for_anew() {
        let above = TempDir::new().unwrap();
        let place = above.path().canonicalize().unwrap();
        let (path, link) = (place.join("home"), place.join("link"));
        fs::create_dir(&path).unwrap();
        symlink(&path, &link).unwrap();
        let before = root(&link);
        let moved = place.join("moved");
        fs::rename(&path, &moved).unwrap();
        fs::remove_file(&link).unwrap();
        symlink(&moved, &link).unwrap();
        let after = root(&link);
        assert_eq!((before.home.real(), after.home.real()), (&*path, &*moved));
    }

    #[test]
    fn without_openat2_a_link_put_in_the_place_of_a_home_was_followed() {
        let above = TempDir::new().unwrap();
        let place = above.path().canonicalize().unwrap();
        let (home, link) = (place.join("a/home"), place.join("link"));
        fs::create_dir_all(&home).unwrap();
        symlink(place.join("a"), &link).unwrap();
        let inode = |dir: OwnedFd| stat_descriptor(dir.as_fd()).unwrap().inode;
        let opened = [open_step_by_step(&home), open_directory(&home)];
        let [stepped, direct] = opened.map(|dir| inode(dir.unwrap()));
        assert_eq!(stepped, direct);
        assert!(open_step_by_step(Path::new("/")).is_ok());
        for path in [link.join("home"), link, place.join("none")] {
            assert!(open_step_by_step(&path).is_err(), "{}", path.display());
        }
    }
}
