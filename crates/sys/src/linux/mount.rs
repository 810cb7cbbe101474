//! What a file lies on.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::check;

/// Whether the filesystem that holds `file` answers from this machine: not from a network, and not
/// from a process (FUSE) that may hang.
///
/// # Errors
///
/// What `fstatfs` answers.
pub fn is_local_filesystem(file: BorrowedFd<'_>) -> io::Result<bool> {
    let mut raw = MaybeUninit::<libc::statfs64>::uninit();
    // SAFETY: the descriptor is borrowed for the call, and `raw` is writable memory of the size and
    // alignment of what the call fills in.
    check(unsafe { libc::fstatfs64(file.as_raw_fd(), raw.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled in all of `raw`.
    let magic = unsafe { raw.assume_init() }.f_type;
    // The field is signed here and unsigned there; every magic number has 32 bits.
    Ok(!REMOTE.contains(&(magic as u32)))
}

/// Filesystems that wait for another machine or another process, from `linux/magic.h` and the
/// sources of those that are not in it.
const REMOTE: &[u32] = &[
    0x0000_6969, // NFS
    0x0000_517b, // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB2
    0x6573_5546, // FUSE, and all that is built on it
    0x0102_1997, // 9P
    0x5346_414f, // AFS
    0x6b41_4653, // AFS of the kernel
    0x7375_7245, // Coda
    0x00c3_6400, // Ceph
    0x0000_564c, // NCP
    0x0bd0_0bd0, // Lustre
    0x0116_1970, // GFS2
    0x7461_636f, // OCFS2
    0x4750_4653, // GPFS
    0x2003_0528, // OrangeFS
    0xaad7_aaea, // PanFS
    0xa501_fcf5, // VxFS
    0x0000_0187, // autofs: a look at it may mount one of the above
];

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::open_directory;

    #[test]
    fn proc_is_local() {
        let proc = open_directory("/proc").unwrap();
        assert!(is_local_filesystem(proc.as_fd()).unwrap());
    }
}
