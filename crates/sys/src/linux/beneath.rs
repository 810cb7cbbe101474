//! `openat2`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::call::{check, with_c_str};
use crate::open::{OpenFlags, Scope};

/// Opens `path` as seen from `dir` without leaving it: links are followed as long as they stay
/// within `scope`, magic links of `/proc` never (`openat2`, Linux 5.6).
///
/// The kernel resolves the whole path in one call, so nothing can be swapped under it. `mode` is
/// used with [`OpenFlags::CREATE`] only, less the umask.
///
/// # Errors
///
/// What `openat2` answers: `EXDEV` for a path that leaves [`Scope::Beneath`], `ELOOP` for a link
/// within [`Scope::Linkless`], `EAGAIN` when a rename elsewhere made the answer uncertain, `ENOSYS`
/// from an old kernel, `EPERM` from a container that blocks the call.
pub fn open_beneath(
    dir: BorrowedFd<'_>,
    path: &[u8],
    flags: OpenFlags,
    mode: u32,
    scope: Scope,
) -> io::Result<OwnedFd> {
    let stay = match scope {
        Scope::Beneath => libc::RESOLVE_BENEATH,
        Scope::InRoot => libc::RESOLVE_IN_ROOT,
        Scope::Linkless => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS,
    };
    let how = OpenHow {
        flags: flags.bits() as u64,
        // openat2 refuses a mode where nothing is created.
        mode: if flags.contains(OpenFlags::CREATE) {
            u64::from(mode)
        } else {
            0
        },
        resolve: stay | libc::RESOLVE_NO_MAGICLINKS,
    };
    with_c_str(path, |path| {
        // SAFETY: `dir` is borrowed for the call, `path` ends with a NUL, and `how` is a live
        // structure of the layout and the size that are passed; the kernel only reads it.
        let fd = check(unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir.as_raw_fd(),
                path.as_ptr(),
                &raw const how,
                size_of::<OpenHow>(),
            )
        })?;
        // SAFETY: the call succeeded, so its answer is a descriptor that is open, new and owned by
        // nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
    })
}

/// `struct open_how` in its first version, whose size tells the kernel so. (The C library's
/// binding may grow fields and cannot be built by name.)
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}
