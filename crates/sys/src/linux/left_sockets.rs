//! Sockets that a process which was just forked has copies of, and no use for.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};

use crate::call::check;

/// In a process that was just forked: gives up the sockets that were registered with the epoll
/// instance `poll`, whose number this is, by one of the tokens that `are_left`; also other
/// descriptors of the same sockets.
///
/// Their owners in this process are not asked, and may be dropped at any time: what they own is
/// replaced by something that does nothing. So this is for a process with one thread only, which
/// does not use them any more.
///
/// # Errors
///
/// `/proc` cannot be read, or there are no more descriptors.
pub fn leave_sockets(poll: RawFd, are_left: impl Fn(usize) -> bool) -> io::Result<()> {
    let registered = fs::read_to_string(format!("/proc/self/fdinfo/{poll}"))?;
    // The parent, which has the same instance, may have registered others since the fork, whose
    // numbers mean nothing here.
    let sockets: BTreeSet<u64> = registered
        .lines()
        .filter_map(Registered::parse)
        .filter(|it| are_left(it.token) && socket_at(it.number) == Some(it.inode))
        .map(|it| it.inode)
        .collect();
    if sockets.is_empty() {
        return Ok(());
    }
    let (nothing, _) = io::pipe()?;
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if socket_at(number).is_some_and(|inode| sockets.contains(&inode)) {
            // SAFETY: takes no pointer. Whoever owns the number goes on owning it; that it is
            // another file is what the caller wants.
            check(unsafe { libc::dup3(nothing.as_raw_fd(), number, libc::O_CLOEXEC) })?;
        }
    }
    Ok(())
}

/// What is known of a descriptor that was registered.
struct Registered {
    number: RawFd,
    token: usize,
    inode: u64,
}

impl Registered {
    /// Reads a line as `tfd: 7 events: 8000201d data: 0  pos:0 ino:9e61 sdev:8`. Without `ino`,
    /// which old kernels do not tell, it is as if there were no such line.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("tfd:")?.split_whitespace();
        let number = words.next()?.parse().ok()?;
        let token = words.by_ref().skip_while(|&word| word != "data:").nth(1)?;
        let inode = words.find_map(|word| word.strip_prefix("ino:"))?;
        Some(Self {
            number,
            token: usize::from_str_radix(token, 16).ok()?,
            inode: u64::from_str_radix(inode, 16).ok()?,
        })
    }
}

/// The inode of the socket that has this number, if one does.
fn socket_at(number: RawFd) -> Option<u64> {
    let mut facts = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `facts` has room for what the call writes.
    check(unsafe { libc::fstat(number, facts.as_mut_ptr()) }).ok()?;
    // SAFETY: it was written, since the call succeeded.
    let facts = unsafe { facts.assume_init() };
    (facts.st_mode & libc::S_IFMT == libc::S_IFSOCK).then_some(facts.st_ino)
}
