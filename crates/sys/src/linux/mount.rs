//! The filesystem of a file.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::check;
use crate::stat::Storage;

/// Returns where the filesystem that holds `file` stores files.
///
/// # Errors
///
/// The error of `fstatfs`.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use ftpdlib_sys::{Storage, open_directory, storage};
///
/// assert_eq!(storage(open_directory("/dev")?.as_fd())?, Storage::Memory);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn storage(file: BorrowedFd<'_>) -> io::Result<Storage> {
    let found = kind(file)?;
    Ok(if IN_MEMORY.contains(&found) {
        Storage::Memory
    } else if REMOTE.iter().any(|&(number, _)| number == found) {
        Storage::Remote
    } else {
        Storage::Disk
    })
}

/// Whether `file` is on a filesystem of type `proc(5)`, wherever that is mounted. A filesystem that
/// does not report its type counts as another type: the server of a FUSE mount need not answer.
///
/// The entries of a process are accessible to all of its own threads, whichever user they act as.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use ftpdlib_sys::{is_process_filesystem, open_directory};
///
/// assert!(!is_process_filesystem(open_directory("/")?.as_fd()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_process_filesystem(file: BorrowedFd<'_>) -> bool {
    kind(file).is_ok_and(|found| found == PROC)
}

/// Whether the kernel makes up the files of the filesystem that holds `file` (procfs, sysfs,
/// configfs): only such files may end before the size that they report.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use ftpdlib_sys::{is_made_up, open_directory};
///
/// assert!(!is_made_up(open_directory("/")?.as_fd()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_made_up(file: BorrowedFd<'_>) -> bool {
    kind(file).is_ok_and(|found| MADE_UP.contains(&found))
}

/// Returns the device of `file`, as in [`FileStat`](crate::FileStat), from cached data: it does not
/// access a network.
///
/// # Errors
///
/// The error of `statx`.
///
/// # Examples
///
/// ```no_run
/// use std::os::fd::AsFd;
/// use ftpdlib_sys::{device_of, open_directory, stat_descriptor};
///
/// let root = open_directory("/")?;
/// assert_eq!(device_of(root.as_fd())?, stat_descriptor(root.as_fd())?.device);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn device_of(file: BorrowedFd<'_>) -> io::Result<u64> {
    // The device is reported whatever is asked for.
    let raw = statx(file, libc::AT_STATX_DONT_SYNC, 0)?;
    Ok(libc::makedev(raw.stx_dev_major, raw.stx_dev_minor))
}

fn statx(file: BorrowedFd<'_>, flags: libc::c_int, wanted: u32) -> io::Result<libc::statx> {
    let mut raw = MaybeUninit::<libc::statx>::uninit();
    // SAFETY: the descriptor is borrowed for the call, the name ends with a NUL, and `raw` is
    // writable memory of the size and alignment of what the call fills in.
    check(unsafe {
        libc::syscall(
            libc::SYS_statx,
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | flags,
            wanted,
            raw.as_mut_ptr(),
        )
    })?;
    // SAFETY: the call succeeded, so it has filled in all of `raw`.
    Ok(unsafe { raw.assume_init() })
}

/// The magic number of the filesystem that holds `file`.
fn kind(file: BorrowedFd<'_>) -> io::Result<u32> {
    let mut raw = MaybeUninit::<libc::statfs64>::uninit();
    // SAFETY: the descriptor is borrowed for the call, and `raw` is writable memory of the size and
    // alignment of what the call fills in.
    check(unsafe { libc::fstatfs64(file.as_raw_fd(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled in all of `raw`.
    let magic = unsafe { raw.assume_init() }.f_type;
    // The field is signed on some platforms; every magic number has 32 bits.
    Ok(magic as u32)
}

/// Whether filesystems of this type, as named in `mountinfo`, are not local.
pub(super) fn is_remote_type(kind: &[u8]) -> bool {
    // FUSE also names its server's type: `fuse.sshfs`.
    let kind = kind.split(|&byte| byte == b'.').next().unwrap_or(kind);
    let is_kind = |name: &&str| name.as_bytes() == kind;
    REMOTE.iter().any(|(_, names)| names.iter().any(is_kind))
}

/// The file and the mount that a descriptor refers to. If two are equal while both descriptors are
/// open, they are the same file reached through the same mount, provided that its filesystem is not
/// [remote](Storage::Remote): remote filesystems may reuse the inode number of a file that is open
/// here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    mount: u64,
    device: (u32, u32),
    inode: u64,
}

impl Place {
    /// Returns the place of `file`.
    ///
    /// # Errors
    ///
    /// The error of `statx`; `Unsupported` on a kernel that does not report mounts (before 5.8).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::os::fd::AsFd;
    /// use ftpdlib_sys::{Place, open_directory};
    ///
    /// let (one, other) = (open_directory("/")?, open_directory("/")?);
    /// assert_eq!(Place::of(one.as_fd())?, Place::of(other.as_fd())?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of(file: BorrowedFd<'_>) -> io::Result<Self> {
        let wanted = libc::STATX_INO | libc::STATX_MNT_ID;
        let raw = statx(file, 0, wanted)?;
        if raw.stx_mask & wanted != wanted {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self {
            mount: raw.stx_mnt_id,
            device: (raw.stx_dev_major, raw.stx_dev_minor),
            inode: raw.stx_ino,
        })
    }
}

/// The magic number of `proc`.
const PROC: u32 = 0x0000_9fa0;

/// The magic numbers of filesystems whose files may be shorter than reported: `proc`, `sysfs` and
/// `configfs`. Others that the kernel makes up report 0.
const MADE_UP: [u32; 3] = [PROC, 0x6265_6572, 0x6265_6570];

/// The magic numbers of `tmpfs` and `ramfs`, which may also be a `devtmpfs`.
const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];

/// Filesystems that wait for another machine or another process: their magic numbers, from
/// `linux/magic.h` and the sources of those that it lacks, and their mount types.
const REMOTE: &[(u32, &[&str])] = &[
    (0x0000_6969, &["nfs", "nfs4"]),
    (0x0000_517b, &["smbfs"]),
    (0xff53_4d42, &["cifs"]),
    (0xfe53_4d42, &["smb3"]),
    // Includes everything that is built on FUSE.
    (0x6573_5546, &["fuse", "fuseblk", "virtiofs"]),
    (0x0102_1997, &["9p"]),
    (0x5346_414f, &["afs", "openafs"]),
    // The kernel's own AFS client.
    (0x6b41_4653, &["afs"]),
    (0x7375_7245, &["coda"]),
    (0x00c3_6400, &["ceph"]),
    (0x0000_564c, &["ncpfs"]),
    (0x0bd0_0bd0, &["lustre"]),
    (0x0116_1970, &["gfs2", "gfs2meta"]),
    (0x7461_636f, &["ocfs2"]),
    (0x4750_4653, &["gpfs"]),
    // OrangeFS.
    (0x2003_0528, &["pvfs2"]),
    (0xaad7_aaea, &["panfs"]),
    (0xa501_fcf5, &["vxfs"]),
    (0x1983_0326, &["beegfs"]),
    // Shares of a virtual machine's host.
    (0x786f_4256, &["vboxsf"]),
    // Accessing it may mount one of the above.
    (0x0000_0187, &["autofs"]),
];

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::{open_directory, stat_descriptor};

    #[test]
    fn proc_is_not_remote_and_shows_processes() {
        for (path, expected) in [
            ("/proc", true),
            ("/proc/self/fd", true),
            ("/", false),
            ("/dev", false),
        ] {
            let directory = open_directory(path).unwrap();
            let shows = is_process_filesystem(directory.as_fd());
            assert_eq!(shows, expected, "{path}");
        }
        let proc = open_directory("/proc").unwrap();
        assert_ne!(storage(proc.as_fd()).unwrap(), Storage::Remote);
    }

    #[test]
    fn the_kernel_makes_up_no_files_of_a_disk() {
        for (path, expected) in [("/proc", true), ("/sys", true), ("/", false)] {
            let Ok(directory) = open_directory(path) else {
                // A container hides it.
                continue;
            };
            assert_eq!(is_made_up(directory.as_fd()), expected, "{path}");
        }
    }

    #[test]
    fn a_filesystem_that_did_not_tell_what_it_is_was_refused() {
        // SAFETY: no descriptor has this number, and it is only queried.
        let nothing = unsafe { BorrowedFd::borrow_raw(i32::MAX) };
        assert!(kind(nothing).is_err());
        assert!(!is_process_filesystem(nothing));
    }

    #[test]
    fn a_device_is_that_of_the_facts() {
        for path in ["/", "/proc", "/dev"] {
            let directory = open_directory(path).unwrap();
            let Ok(device) = device_of(directory.as_fd()) else {
                // An old kernel, or a container that blocks the call.
                return;
            };
            let facts = stat_descriptor(directory.as_fd()).unwrap();
            assert_eq!(device, facts.device, "{path}");
        }
    }

    #[test]
    fn a_place_is_one_however_often_it_is_opened() {
        let open = |path| open_directory(path).unwrap();
        let (root, again, proc) = (open("/"), open("/"), open("/proc"));
        let Ok(place) = Place::of(root.as_fd()) else {
            // An old kernel, or a container that blocks the call.
            return;
        };
        assert_eq!(place, Place::of(again.as_fd()).unwrap());
        assert_ne!(place, Place::of(proc.as_fd()).unwrap());
    }
}
