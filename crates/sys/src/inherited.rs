//! Listening sockets passed by a service manager.

use std::env;
use std::io;
use std::iter;
use std::net::SocketAddr;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::call::check;
use crate::successor::{BOUND_FOR, READY};

/// Returns the descriptors that a service manager passed by `LISTEN_FDS` and `LISTEN_PID`, now
/// close-on-exec; empty if this process was passed none. If a predecessor passed them, each comes
/// with the address that it was bound for.
///
/// Later calls return none. The variables stay set, since changing the environment would race with
/// every thread that reads it. They do not mislead child processes, since `LISTEN_PID` does not
/// name those.
///
/// # Errors
///
/// `InvalidData` if the value is not a number; the error of `fcntl` for a descriptor that is not
/// open.
pub fn inherited_listeners() -> io::Result<Vec<(OwnedFd, Option<SocketAddr>)>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let count = passed(
        env::var("LISTEN_PID").ok().as_deref(),
        env::var("LISTEN_FDS").ok().as_deref(),
        std::process::id(),
        COUNT,
    )?;
    if count == 0 || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    // Without the pipe, the variable is left over from a predecessor of this process's parent.
    let bound_for = env::var(READY).and_then(|_| env::var(BOUND_FOR));
    let bound_for = addresses(&bound_for.unwrap_or_default());
    let range = FIRST..FIRST + count;
    // All descriptors are checked before any is owned, so an error leaves none half taken.
    range.clone().try_for_each(|fd| claim(fd, COUNT))?;
    // SAFETY: the descriptors are open, as just checked. By the protocol of the variables they
    // belong to the first code that asks in the named process; `TAKEN` makes sure that this is the
    // only time.
    Ok(range
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
        .zip(bound_for.into_iter().chain(iter::repeat(None)))
        .collect())
}

/// Returns the descriptor on which a successor reports that it is ready, by writing a byte. `None`
/// if this process is not a successor, and from the second call on.
///
/// The predecessor waits while any process has the descriptor open: call this before a fork, and
/// close the descriptor in the child.
///
/// # Errors
///
/// `InvalidData` if the value is not a number; the error of `fcntl` for a descriptor that is not
/// open.
pub fn readiness_pipe() -> io::Result<Option<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let (pid, number) = (env::var("LISTEN_PID").ok(), env::var(READY).ok());
    let fd = passed(pid.as_deref(), number.as_deref(), std::process::id(), READY)?;
    if fd == 0 || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(None);
    }
    claim(fd, READY)?;
    // SAFETY: the descriptor is open, as just checked. It was meant for the first code that asks;
    // `TAKEN` makes sure that this is the only time.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }))
}

/// The first descriptor passed, which follows standard input, output and error.
pub(crate) const FIRST: RawFd = 3;

/// Holds the number of descriptors passed.
const COUNT: &str = "LISTEN_FDS";

/// Parses the addresses that the listeners were bound for. An entry that is not an address means
/// none: that listener was passed to the predecessor as well.
fn addresses(list: &str) -> Vec<Option<SocketAddr>> {
    list.split(',')
        .map(|address| address.parse().ok())
        .collect()
}

fn passed(pid: Option<&str>, count: Option<&str>, own: u32, name: &str) -> io::Result<RawFd> {
    let (Some(pid), Some(count)) = (pid, count) else {
        return Ok(0);
    };
    if pid.parse() != Ok(own) {
        return Ok(0);
    }
    match count.parse::<u16>() {
        Ok(count) => Ok(RawFd::from(count)),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{name} is not a number"),
        )),
    }
}

fn claim(fd: RawFd, name: &str) -> io::Result<()> {
    set_close_on_exec(fd).map_err(|error| {
        let problem = format!("{name} counts descriptor {fd}: {error}");
        io::Error::new(error.kind(), problem)
    })
}

fn set_close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: takes no pointer; on a descriptor that is not open it only answers an error.
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFD) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_passed(pid: Option<&str>, count: Option<&str>, expected: Option<RawFd>) {
        assert_eq!(
            passed(pid, count, 42, COUNT).ok(),
            expected,
            "{pid:?} {count:?}"
        );
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_told_by_variable_and_number() {
        let told = claim(1_000_000, COUNT).unwrap_err().to_string();
        let start = "LISTEN_FDS counts descriptor 1000000: ";
        assert!(told.starts_with(start), "{told}");
    }

    #[test]
    fn only_the_process_named_takes_them() {
        check_passed(Some("42"), Some("2"), Some(2));
        check_passed(Some("42"), Some("0"), Some(0));
        check_passed(Some("41"), Some("2"), Some(0));
        check_passed(Some("x"), Some("2"), Some(0));
        check_passed(None, Some("2"), Some(0));
        check_passed(Some("42"), None, Some(0));
        check_passed(Some("42"), Some("two"), None);
        check_passed(Some("42"), Some("-1"), None);
    }
}
