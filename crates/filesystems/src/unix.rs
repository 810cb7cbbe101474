//! The whole disk.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ftpdlib_proto::{Metadata, VirtualPath};

use crate::abstracted::AbstractedFs;
use crate::error::FilesystemError;
use crate::filesystem::{Filesystem, WriteMode};
use crate::transfer_file::{Listing, ReadFile, WriteFile};

/// The real filesystem from its root down, as a local user sees it (pyftpdlib: `UnixFilesystem`).
///
/// Virtual paths are real paths, a session starts in the home directory and may leave it, and LIST
/// shows the names of users and groups. Meant for users of the system, beside an authorizer that
/// takes on their identity.
///
/// `/proc` can be seen but not entered, and nothing on a filesystem of its kind can be opened,
/// wherever it is mounted: what it shows of the server's process is not the user's to see.
///
/// # Examples
///
/// ```
/// use ftpdlib_filesystems::{Filesystem, UnixFilesystem};
///
/// let fs = UnixFilesystem::new("/tmp")?;
/// assert_eq!(fs.start_dir(), fs.canonical(&fs.start_dir())?);
/// # Ok::<(), ftpdlib_filesystems::FilesystemError>(())
/// ```
#[derive(Debug)]
pub struct UnixFilesystem {
    /// With the home as its working directory.
    disk: AbstractedFs,
    users: Names,
    groups: Names,
}

impl UnixFilesystem {
    /// The disk, with sessions that start in the directory at `home`.
    ///
    /// # Errors
    ///
    /// Those of opening `home`, as for [`AbstractedFs::new`].
    pub fn new(home: impl AsRef<Path>) -> Result<Self, FilesystemError> {
        let home = AbstractedFs::new(home)?;
        let mut disk = AbstractedFs::new("/")?.without_processes()?;
        disk.set_cwd(disk.fs2ftp(home.root()));
        Ok(Self {
            disk,
            users: Names::default(),
            groups: Names::default(),
        })
    }

    /// The disk with the methods of pyftpdlib's class, the root of the disk as its
    /// [`root`](AbstractedFs::root) and the home as its [`cwd`](AbstractedFs::cwd). A clone has a
    /// working directory of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use ftpdlib_filesystems::UnixFilesystem;
    ///
    /// let fs = UnixFilesystem::new("/tmp")?;
    /// assert!(fs.as_abstracted().isdir("."));
    /// # Ok::<(), ftpdlib_filesystems::FilesystemError>(())
    /// ```
    pub fn as_abstracted(&self) -> &AbstractedFs {
        &self.disk
    }
}

impl Filesystem for UnixFilesystem {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        self.disk.open_read(path, offset)
    }

    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        self.disk.open_write(path, mode)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        self.disk.list(path)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.disk.stat(path)
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        self.disk.lstat(path)
    }

    fn change_dir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.disk.change_dir(path)
    }

    fn mkdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.disk.mkdir(path)
    }

    fn rmdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.disk.rmdir(path)
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        self.disk.remove(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FilesystemError> {
        self.disk.rename(from, to)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FilesystemError> {
        self.disk.set_mode(path, mode)
    }

    fn set_modified(&self, path: &VirtualPath, modified: i64) -> Result<(), FilesystemError> {
        self.disk.set_modified(path, modified)
    }

    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), FilesystemError> {
        Filesystem::symlink(&self.disk, target, link)
    }

    fn available_space(&self, path: &VirtualPath) -> Result<u64, FilesystemError> {
        self.disk.available_space(path)
    }

    fn readlink(&self, path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
        self.disk.readlink(path)
    }

    fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        self.disk.canonical(path)
    }

    fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
        self.disk.without_links()
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        self.disk.real_path(path)
    }

    /// The home directory, by its canonical path.
    fn start_dir(&self) -> VirtualPath {
        self.disk.cwd().clone()
    }

    /// The user's name, or the id where there is none.
    fn user_name(&self, uid: u32) -> Cow<'_, str> {
        self.users.get_or_look_up(uid, ftpdlib_sys::user_name)
    }

    /// The group's name, or the id where there is none.
    fn group_name(&self, gid: u32) -> Cow<'_, str> {
        self.groups.get_or_look_up(gid, ftpdlib_sys::group_name)
    }

    // `is_local` stays false: names may come from a directory service, and any network disk may be
    // mounted anywhere.
}

/// Names that were looked up. A lookup reads files or asks a service, and a listing shows the same
/// few names over and over.
#[derive(Debug, Default)]
struct Names(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The id itself where it has no name.
    names: HashMap<u32, String>,
    /// When to look up others again: the last lookup failed.
    again: Option<Instant>,
}

/// A service that does not answer is not asked for each entry of a listing.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

impl Names {
    fn get_or_look_up(
        &self,
        id: u32,
        look_up: fn(u32) -> io::Result<Option<String>>,
    ) -> Cow<'_, str> {
        // A panic elsewhere leaves the map as it was.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.names.get(&id) {
            return Cow::Owned(name.clone());
        }
        let number = id.to_string();
        if known.again.is_some_and(|again| Instant::now() < again) {
            return Cow::Owned(number);
        }
        match look_up(id) {
            Ok(found) => {
                let name = found.unwrap_or(number);
                known.names.insert(id, name.clone());
                Cow::Owned(name)
            }
            Err(_) => {
                known.again = Some(Instant::now() + AGAIN_AFTER);
                Cow::Owned(number)
            }
        }
    }
}

#[cfg(test)]
mod tests {
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

    /// A thread that acted as a user was still one of root's process, which `/proc` shows to
    /// itself.
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
            // What is beside it is there still.
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
}
