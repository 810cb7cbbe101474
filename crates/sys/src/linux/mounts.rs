//! The table of mounts.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use super::beneath::open_beneath;
use super::mount::is_remote_type;
use crate::call::check;
use crate::open::{OpenFlags, Scope, open_directory};
use crate::stat::stat_descriptor;

/// Whether a filesystem that is [remote](crate::Storage::Remote) is mounted anywhere below
/// the directory `dir`, an absolute path without links.
/// Does not access these mounts, so it cannot hang. Reads the system's list again only if that has
/// changed, or if a directory above such a mount was renamed.
///
/// # Errors
///
/// The list cannot be read: `/proc` is missing.
pub fn has_remote_mount_below(dir: &Path) -> io::Result<bool> {
    with_mounts(|mounts| mounts.has_remote_below(dir))
}

/// Like [`has_remote_mount_below`], for mounts below, at and above `dir`: whether accessing it may
/// take as long as such a filesystem does. A mount that another one hides counts too.
///
/// # Errors
///
/// As for [`has_remote_mount_below`].
pub fn has_remote_mount_near(dir: &Path) -> io::Result<bool> {
    with_mounts(|mounts| mounts.has_remote_near(dir))
}

/// Queries the list in its current state.
fn with_mounts<T>(ask: impl FnOnce(&Mounts) -> T) -> io::Result<T> {
    // Nothing that could leave the list half changed panics.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // If reading fails, the list is forgotten: a reported change is not reported again.
    let mounts = match known.take().filter(Mounts::is_own) {
        Some(mut mounts) => {
            mounts.refresh()?;
            mounts
        }
        None => Mounts::open()?,
    };
    Ok(ask(known.insert(mounts)))
}

/// The mounts of this process, which all of its threads share.
static KNOWN: Mutex<Option<Mounts>> = Mutex::new(None);

/// The mounts that a process sees.
struct Mounts {
    /// The process that opened the list: after a fork, that process and its child would take change
    /// notifications from each other.
    process: u32,
    list: File,
    /// The mounts that are not local.
    remote: Vec<Remote>,
}

/// A mount that is not local.
struct Remote {
    place: PathBuf,
    /// Set if a directory above the mount can be renamed, which the system does not report.
    parent: Option<Parent>,
}

/// The directory that holds a mount.
#[derive(Eq, PartialEq)]
enum Parent {
    /// Its device and its inode. While its path leads there, nothing above it was renamed.
    Is(u64, u64),
    /// The directory is missing, or cannot be accessed without passing a mount that may hang.
    Unknown,
}

impl Mounts {
    fn open() -> io::Result<Self> {
        let mut mounts = Self {
            process: process::id(),
            list: File::open("/proc/self/mountinfo")?,
            remote: Vec::new(),
        };
        mounts.read()?;
        Ok(mounts)
    }

    /// Reads the list again if it may have changed since the last call. Changes during the reading
    /// are found by the next call.
    fn refresh(&mut self) -> io::Result<()> {
        // After a directory was renamed, the mounts are the same, but their places have changed.
        if self.has_news()? || self.remote.iter().any(Remote::may_have_moved) {
            self.read()?;
        }
        Ok(())
    }

    /// Whether something was mounted, unmounted or moved since the last call.
    fn has_news(&mut self) -> io::Result<bool> {
        let mut poll = libc::pollfd {
            fd: self.list.as_raw_fd(),
            events: libc::POLLPRI,
            revents: 0,
        };
        // SAFETY: `poll` is one live and writable structure, as the count says, and its descriptor
        // is open while `self.list` is.
        Ok(check(unsafe { libc::poll(&raw mut poll, 1, 0) })? > 0)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        self.list.rewind()?;
        self.list.read_to_end(&mut text)?;
        self.remote = remote(&text);
        Ok(())
    }

    fn is_own(&self) -> bool {
        self.process == process::id()
    }

    fn has_remote_below(&self, dir: &Path) -> bool {
        self.remote.iter().any(|mount| is_below(&mount.place, dir))
    }

    fn has_remote_near(&self, dir: &Path) -> bool {
        self.remote.iter().any(|mount| is_near(&mount.place, dir))
    }
}

impl Remote {
    fn may_have_moved(&self) -> bool {
        let Some(known) = &self.parent else {
            return false;
        };
        *known == Parent::Unknown || *known != Parent::of(&self.place)
    }
}

impl Parent {
    fn of(mount: &Path) -> Self {
        Self::find(mount).unwrap_or(Self::Unknown)
    }

    /// Follows no link, which might lead into a mount that hangs; behind a link, the directory is
    /// elsewhere anyway.
    fn find(mount: &Path) -> io::Result<Self> {
        let parent = mount
            .parent()
            .and_then(|parent| parent.strip_prefix("/").ok());
        let path = parent.ok_or(io::ErrorKind::NotFound)?.as_os_str();
        let root = open_directory("/")?;
        let (flags, scope) = (OpenFlags::PATH, Scope::Linkless);
        let parent = open_beneath(root.as_fd(), path.as_bytes(), flags, 0, scope)?;
        let found = stat_descriptor(parent.as_fd())?;
        Ok(Self::Is(found.device, found.inode))
    }
}

/// Parses the mounts in `mountinfo` (`proc_pid_mountinfo(5)`) that are not local.
fn remote(list: &[u8]) -> Vec<Remote> {
    let lines = list.split(|&byte| byte == b'\n');
    let mounts: Vec<_> = lines.filter_map(mount).collect();
    let places: Vec<_> = mounts.iter().map(|(place, _)| place.as_path()).collect();
    let remote = mounts.iter().filter(|(_, is_remote)| *is_remote);
    let remote: Vec<_> = remote.map(|(place, _)| place).collect();
    let parent = |place: &Path| match remote.iter().any(|mount| is_below(place, mount)) {
        true => Parent::Unknown,
        false => Parent::of(place),
    };
    let found = remote.iter().map(|&place| Remote {
        place: place.clone(),
        parent: may_be_renamed(place, &places).then(|| parent(place)),
    });
    found.collect()
}

/// Whether a directory above the mount `place` may be renamed. A directory with a filesystem
/// mounted on it cannot be, nor can those of kernel filesystems.
fn may_be_renamed(place: &Path, mounts: &[&Path]) -> bool {
    let is_kernel = ["/proc", "/sys"].iter().any(|dir| place.starts_with(dir));
    let mut above = place.ancestors().skip(1);
    // The last ancestor is the root.
    !is_kernel && above.any(|dir| dir.parent().is_some() && !mounts.contains(&dir))
}

/// Parses a line: the place of the mount, and whether it is not local.
fn mount(line: &[u8]) -> Option<(PathBuf, bool)> {
    let mut fields = line.split(|&byte| byte == b' ');
    let place = fields.nth(4)?;
    // Any number of optional fields, and then a hyphen.
    let kind = fields.skip_while(|&field| field != b"-").nth(1)?;
    let place = PathBuf::from(OsStr::from_bytes(&unescaped(place)));
    Some((place, is_remote_type(kind)))
}

/// Decodes the octal escapes that the list uses for blanks, line ends and backslashes.
fn unescaped(mut field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    while let Some((&first, rest)) = field.split_first() {
        let digits = rest.get(..3).filter(|_| first == b'\\');
        let escaped = digits
            .and_then(|digits| str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(escaped.unwrap_or(first));
        field = &rest[if escaped.is_some() { 3 } else { 0 }..];
    }
    plain
}

fn is_below(mount: &Path, dir: &Path) -> bool {
    mount != dir && mount.starts_with(dir)
}

/// Whether one path is below the other, or both are the same.
fn is_near(mount: &Path, dir: &Path) -> bool {
    mount.starts_with(dir) || dir.starts_with(mount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        assert_eq!(
            remote(line.as_bytes()).pop().map(|mount| mount.place),
            expected.map(PathBuf::from),
            "{line}"
        );
    }

    #[test]
    fn lines_of_mountinfo() {
        check("22 1 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw", None);
        check("23 22 0:5 / /dev rw - devtmpfs udev rw", None);
        check("63 43 0:39 / /srv/tmp rw,relatime - tmpfs none rw", None);
        check("65 43 0:41 / /nas rw - nfs4 host:/ rw", Some("/nas"));
        check("65 43 0:41 / /nas rw - nfs host:/ rw", Some("/nas"));
        check(
            "65 43 0:41 / /s rw master:2 shared:3 - fuse.sshfs h: rw",
            Some("/s"),
        );
        check("65 43 0:41 / /f rw - fuseblk /dev/sdb1 rw", Some("/f"));
        check(
            "65 43 0:41 / /auto rw - autofs systemd-1 rw,fd=3",
            Some("/auto"),
        );
        check(
            "65 43 0:41 /part /bound rw - cifs //host/share rw",
            Some("/bound"),
        );
        check(
            r"65 43 0:41 / /a\040b\011c\012d\134e rw - 9p x rw",
            Some("/a b\tc\nd\\e"),
        );
        check(r"65 43 0:41 / /a\134040b rw - ceph x rw", Some(r"/a\040b"));
        check(r"65 43 0:41 / /odd\0 rw - ceph x rw", Some(r"/odd\0"));
        // A name is one field, whatever it contains.
        check("65 43 0:41 / /- rw - tmpfs nfs rw", None);
        check("65 43 0:41 / /- rw - nfs x rw", Some("/-"));
        check("", None);
        check("65 43 0:41 / /short rw", None);
    }

    #[test]
    fn only_what_lies_deeper_is_below() {
        let rows = [
            ("/srv/home/nas", "/srv/home", true),
            ("/srv/home/a/b", "/srv/home", true),
            ("/srv/home", "/srv/home", false),
            ("/srv/home2/nas", "/srv/home", false),
            ("/srv", "/srv/home", false),
            ("/srv", "/", true),
            ("/", "/", false),
        ];
        for (mount, dir, expected) in rows {
            assert_eq!(
                is_below(Path::new(mount), Path::new(dir)),
                expected,
                "{mount} {dir}"
            );
        }
    }

    #[test]
    fn a_remote_mount_over_a_home_or_above_it_was_entered_to_see_it() {
        let rows = [
            ("/srv/home", true),
            ("/srv", true),
            ("/", true),
            ("/srv/home/nas", true),
            ("/srv/home2", false),
            ("/srv/ho", false),
            ("/nas", false),
        ];
        for (mount, expected) in rows {
            let list = format!("65 43 0:41 / {mount} rw - nfs4 host:/ rw");
            let mounts = Mounts {
                process: 0,
                list: File::open("/dev/null").unwrap(),
                remote: remote(list.as_bytes()),
            };
            let found = mounts.has_remote_near(Path::new("/srv/home"));
            assert_eq!(found, expected, "{mount}");
        }
    }

    #[test]
    fn one_remote_mount_had_every_login_read_the_whole_list() {
        let mounts = ["/", "/proc", "/efi", "/mnt/disk", "/run", "/run/lock"].map(Path::new);
        let rows = [
            ("/efi", false),
            ("/nas", false),
            ("/run/lock/nas", false),
            ("/proc/sys/fs/binfmt_misc", false),
            ("/sys/fs/fuse/connections", false),
            ("/mnt/nas", true),
            ("/mnt/disk/nas", true),
            ("/process/nas", true),
        ];
        for (place, expected) in rows {
            assert_eq!(
                may_be_renamed(Path::new(place), &mounts),
                expected,
                "{place}"
            );
        }
    }

    #[test]
    fn a_renamed_directory_above_a_mount_is_noticed() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().canonicalize().unwrap();
        let (above, aside) = (dir.join("above"), dir.join("aside"));
        std::fs::create_dir(&above).unwrap();
        let place = above.join("nas");
        let parent = Parent::of(&place);
        if parent == Parent::Unknown {
            eprintln!("no openat2 here");
            return;
        }
        let mount = Remote {
            parent: Some(parent),
            place,
        };
        assert!(!mount.may_have_moved());
        std::fs::rename(&above, &aside).unwrap();
        assert!(mount.may_have_moved(), "nothing is there");
        std::os::unix::fs::symlink(&aside, &above).unwrap();
        assert!(mount.may_have_moved(), "a link leads to it");
        std::fs::remove_file(&above).unwrap();
        std::fs::create_dir(&above).unwrap();
        assert!(mount.may_have_moved(), "another directory is");
    }

    #[test]
    fn no_mount_that_may_hang_is_passed_to_look_at_another() {
        let list = "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /nas rw - nfs x rw\n\
                    3 2 0:3 / /nas/disk rw - ext4 y rw\n4 3 0:4 / /nas/disk/a/b rw - nfs z rw\n";
        let mounts = remote(list.as_bytes());
        assert_eq!(mounts.len(), 2);
        assert!(mounts[0].parent.is_none());
        assert!(mounts[1].parent == Some(Parent::Unknown));
    }

    #[test]
    fn the_list_of_this_process_can_be_read_again() {
        let mut mounts = Mounts::open().unwrap();
        let places = |mounts: &Mounts| -> Vec<_> {
            mounts
                .remote
                .iter()
                .map(|mount| mount.place.clone())
                .collect()
        };
        let before = places(&mounts);
        mounts.refresh().unwrap();
        mounts.read().unwrap();
        assert_eq!(places(&mounts), before);
        let nowhere = Path::new("/nowhere/at/all");
        assert!(!has_remote_mount_below(nowhere).unwrap());
        let is_remote = |mount: &PathBuf| mount.parent().is_none();
        assert_eq!(
            has_remote_mount_near(nowhere).unwrap(),
            before.iter().any(is_remote)
        );
    }
}
