//! Resources of the process.

use std::io;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::time::Duration;
use std::{fs, thread};

use crate::call::check;
use crate::default_action::has_default_action;
use crate::open::{copy_above, open_directory};

/// Raises the limit on open descriptors as far as allowed (soft limit to hard limit), and returns
/// the previous soft limit and the hard limit.
///
/// # Errors
///
/// The error of `getrlimit` or `setrlimit`.
///
/// # Examples
///
/// ```
/// let (before, now) = ftpdlib_sys::raise_descriptor_limit()?;
/// assert!(before <= now);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn raise_descriptor_limit() -> io::Result<(u64, u64)> {
    // Some systems have signed limits.
    let count = |limit| u64::try_from(i128::from(limit)).unwrap_or(u64::MAX);
    let mut limit = descriptor_limit()?;
    let before = limit.rlim_cur;
    if before < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is live and the call only reads it.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    Ok((count(before), count(limit.rlim_max)))
}

/// Makes a write beyond the file size limit fail, like a write to a full disk. By default its
/// signal (`SIGXFSZ`) ends the process. A handler that the program has set stays.
///
/// # Examples
///
/// ```
/// ftpdlib_sys::survive_file_size_limit();
/// ```
pub fn survive_file_size_limit() {
    if has_default_action(libc::SIGXFSZ) {
        // SAFETY: no handler is installed that could run.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    }
}

fn descriptor_limit() -> io::Result<libc::rlimit> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: `limit` is writable memory of the size and alignment of what the call fills in.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled in all of `limit`.
    Ok(unsafe { limit.assume_init() })
}

/// Makes the system reserve room for `count` descriptors at once, or for as many as allowed.
///
/// Otherwise the table doubles whenever it is full. Each time, the call that opens the descriptor
/// waits for all processors, which takes milliseconds if the process has several threads. Before
/// there are other threads, reserving costs only eight bytes per descriptor.
///
/// # Errors
///
/// The system's.
///
/// # Examples
///
/// ```
/// ftpdlib_sys::reserve_descriptors(1000)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn reserve_descriptors(count: usize) -> io::Result<()> {
    let allowed = usize::try_from(descriptor_limit()?.rlim_cur).unwrap_or(usize::MAX);
    let last = libc::c_int::try_from(count.min(allowed)).unwrap_or(libc::c_int::MAX) - 1;
    // Duplicating to the last of these numbers makes the system make room for all of them.
    let any = open_directory("/")?;
    copy_above(any.as_raw_fd(), last.max(0) - 1).map(drop)
}

/// How many CPUs this process may use, by its affinity and control group; at least 1.
pub fn usable_cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The total idle time of all processors of this machine since it started; `None` if unknown. A
/// processor that waits for a disk is not idle.
pub fn idle_time() -> Option<Duration> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let seconds = uptime.split_whitespace().nth(1)?.parse().ok()?;
    // Some containers only ever report 0.
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|idle| !idle.is_zero())
}

/// The range of ports that the system assigns automatically; `None` if unknown, or if some of them
/// are reserved.
pub fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
    if !read("ip_local_reserved_ports")?.trim().is_empty() {
        return None;
    }
    let range = read("ip_local_port_range")?;
    let mut ends = range.split_whitespace().map(str::parse);
    match (ends.next()?, ends.next()?) {
        (Ok(first), Ok(last)) if first <= last => Some(first..=last),
        _ => None,
    }
}
