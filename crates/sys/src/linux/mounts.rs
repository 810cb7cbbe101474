//! What is mounted where.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use super::mount::is_remote_type;
use crate::call::check;

/// Whether a filesystem that is not [local](crate::is_local_filesystem) is mounted somewhere below
/// the directory `dir`: an absolute path without links.
///
/// No mount is touched to find that out, so one that hangs does not hang this. As long as there is
/// no such mount at all, the system's list is read again only after it has changed.
///
/// # Errors
///
/// That list cannot be read: there is no `/proc`.
pub fn has_remote_mount_below(dir: &Path) -> io::Result<bool> {
    // Nothing that could leave it half changed panics.
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // Where reading fails, nothing stays known: a change that was told is not told again.
    let mounts = match known.take().filter(Mounts::is_own) {
        Some(mut mounts) => {
            mounts.refresh()?;
            mounts
        }
        None => Mounts::open()?,
    };
    Ok(known.insert(mounts).has_remote_below(dir))
}

/// The mounts of this process, which all of its threads share.
static KNOWN: Mutex<Option<Mounts>> = Mutex::new(None);

/// The mounts that a process sees.
struct Mounts {
    /// Whose: after a fork, that process and its child would take the news from one another.
    process: u32,
    list: File,
    /// Where those are that are not local.
    remote: Vec<PathBuf>,
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

    /// Reads the list again if it may have changed since this was asked last. What changes while it
    /// is read is found next time.
    fn refresh(&mut self) -> io::Result<()> {
        // A directory above a mount may be renamed, of which nothing tells. That makes no mount.
        let may_have_moved = self.remote.iter().any(|mount| may_be_renamed(mount));
        if may_have_moved || self.has_news()? {
            self.read()?;
        }
        Ok(())
    }

    /// Whether something was mounted, unmounted or moved since this was asked last.
    fn has_news(&mut self) -> io::Result<bool> {
        let mut poll = libc::pollfd {
            fd: self.list.as_raw_fd(),
            events: libc::POLLPRI,
            revents: 0,
        };
        // SAFETY: `poll` is one live and writable structure, as the count says, and its descriptor
        // is open as long as `self.list` is.
        Ok(check(unsafe { libc::poll(&raw mut poll, 1, 0) })? > 0)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut text = Vec::new();
        self.list.rewind()?;
        self.list.read_to_end(&mut text)?;
        let lines = text.split(|&byte| byte == b'\n');
        self.remote = lines.filter_map(remote).collect();
        Ok(())
    }

    fn is_own(&self) -> bool {
        self.process == process::id()
    }

    fn has_remote_below(&self, dir: &Path) -> bool {
        self.remote.iter().any(|mount| is_below(mount, dir))
    }
}

/// Whether the directories above it have names that change. Those in which the kernel shows itself
/// have not, and most machines have an automounter there.
fn may_be_renamed(mount: &Path) -> bool {
    !["/proc", "/sys"]
        .iter()
        .any(|kernel| mount.starts_with(kernel))
}

/// Where the mount of this line of `mountinfo` is, if it is not local (`proc_pid_mountinfo(5)`).
fn remote(line: &[u8]) -> Option<PathBuf> {
    let mut fields = line.split(|&byte| byte == b' ');
    let place = fields.nth(4)?;
    // Any number of fields, and then a hyphen.
    let kind = fields.skip_while(|&field| field != b"-").nth(1)?;
    is_remote_type(kind).then(|| PathBuf::from(OsStr::from_bytes(&unescaped(place))))
}

/// `field` with blanks, line ends and backslashes as they are, which the list writes in octal.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        assert_eq!(
            remote(line.as_bytes()),
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
        // A name is one field, whatever is in it.
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
    fn what_the_kernel_shows_is_not_renamed() {
        assert!(!may_be_renamed(Path::new("/proc/sys/fs/binfmt_misc")));
        assert!(!may_be_renamed(Path::new("/sys/fs/fuse/connections")));
        assert!(may_be_renamed(Path::new("/mnt/nas")));
        assert!(may_be_renamed(Path::new("/process/nas")));
    }

    #[test]
    fn the_list_of_this_process_can_be_read_again() {
        let mut mounts = Mounts::open().unwrap();
        let before = mounts.remote.clone();
        mounts.refresh().unwrap();
        mounts.read().unwrap();
        assert_eq!(mounts.remote, before);
        let nowhere = Path::new("/nowhere/at/all");
        assert!(!has_remote_mount_below(nowhere).unwrap());
    }
}
