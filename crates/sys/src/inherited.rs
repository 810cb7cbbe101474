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
        env::var(COUNT).ok().as_deref(),
        std::process::id(),
        COUNT,
    )?
    .unwrap_or(0);
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
/// `InvalidData` if the value is not a number, or that of standard input, output or error or of a
/// [listener](inherited_listeners); the error of `fcntl` for a descriptor that is not open.
pub fn readiness_pipe() -> io::Result<Option<OwnedFd>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let [pid, count, number] = ["LISTEN_PID", COUNT, READY].map(|name| env::var(name).ok());
    let (pid, count, number) = (pid.as_deref(), count.as_deref(), number.as_deref());
    let Some(fd) = pipe_passed(pid, count, number, std::process::id())? else {
        return Ok(None);
    };
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(None);
    }
    claim(fd, READY)?;
    // SAFETY: the descriptor is open, as was just seen, and no listener's; whoever started this
    // process meant it for whoever asks first, and `TAKEN` makes this the only time.
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

/// The number of the pipe. What comes before it has an owner: the standard streams, and listeners.
fn pipe_passed(
    pid: Option<&str>,
    count: Option<&str>,
    number: Option<&str>,
    own: u32,
) -> io::Result<Option<RawFd>> {
    let listeners = passed(pid, count, own, COUNT)?.unwrap_or(0);
    match passed(pid, number, own, READY)? {
        Some(fd) if fd < FIRST + listeners => Err(invalid(format!(
            "{READY} is the number of another descriptor"
        ))),
        fd => Ok(fd),
    }
}

fn passed(
    pid: Option<&str>,
    number: Option<&str>,
    own: u32,
    name: &str,
) -> io::Result<Option<RawFd>> {
    let (Some(pid), Some(number)) = (pid, number) else {
        return Ok(None);
    };
    if pid.parse() != Ok(own) {
        return Ok(None);
    }
    match number.parse::<u16>() {
        Ok(number) => Ok(Some(RawFd::from(number))),
        Err(_) => Err(invalid(format!(
            "variable {name}: found {number:?}, expected a number up to {}",
            u16::MAX
        ))),
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn claim(fd: RawFd, name: &str) -> io::Result<()> {
    set_close_on_exec(fd).map_err(|error| {
        let problem = format!("{name} counts descriptor {fd}: {error}");
        io::Error::new(error.kind(), problem)
    })
}

fn set_close_on_exec(fd: RawFd) -> io::Result<()> {
    let flags = flags_of(fd)?;
    // SAFETY: takes no pointer; on a descriptor that is not open it only answers an error.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC) })?;
    Ok(())
}

/// The flags of the descriptor itself, not of what it is open for.
fn flags_of(fd: RawFd) -> io::Result<libc::c_int> {
    // SAFETY: takes no pointer; on a descriptor that is not open it only answers an error.
    check(unsafe { libc::fcntl(fd, libc::F_GETFD) })
}

/// Whether no program that this process runs gets the descriptor.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn is_close_on_exec(fd: std::os::fd::BorrowedFd<'_>) -> bool {
    use std::os::fd::AsRawFd;
    flags_of(fd.as_raw_fd()).unwrap() & libc::FD_CLOEXEC != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_passed(pid: Option<&str>, count: Option<&str>, expected: Result<Option<RawFd>, ()>) {
        let got = passed(pid, count, 42, COUNT).map_err(|_| ());
        assert_eq!(got, expected, "{pid:?} {count:?}");
    }

    #[track_caller]
    fn check_pipe(count: Option<&str>, number: &str, expected: Result<RawFd, io::ErrorKind>) {
        let got = pipe_passed(Some("42"), count, Some(number), 42).map_err(|error| error.kind());
        assert_eq!(got, expected.map(Some), "{count:?} {number}");
    }

    #[test]
    fn a_listener_could_also_be_the_pipe_and_had_two_owners() {
        const INVALID: Result<RawFd, io::ErrorKind> = Err(io::ErrorKind::InvalidData);
        check_pipe(Some("2"), "5", Ok(5));
        check_pipe(Some("2"), "4", INVALID);
        check_pipe(Some("2"), "3", INVALID);
        check_pipe(Some("0"), "3", Ok(3));
        check_pipe(None, "3", Ok(3));
        check_pipe(None, "2", INVALID);
        check_pipe(None, "0", INVALID);
        check_pipe(None, "five", INVALID);
        // How many listeners there are is not known.
        check_pipe(Some("two"), "5", INVALID);
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_told_by_variable_and_number() {
        let told = claim(1_000_000, COUNT).unwrap_err().to_string();
        let start = "LISTEN_FDS counts descriptor 1000000: ";
        assert!(told.starts_with(start), "{told}");
    }

    #[test]
    fn only_the_process_named_takes_them() {
        check_passed(Some("42"), Some("2"), Ok(Some(2)));
        check_passed(Some("42"), Some("0"), Ok(Some(0)));
        check_passed(Some("41"), Some("2"), Ok(None));
        check_passed(Some("x"), Some("2"), Ok(None));
        check_passed(None, Some("2"), Ok(None));
        check_passed(Some("42"), None, Ok(None));
        check_passed(Some("42"), Some("two"), Err(()));
        check_passed(Some("42"), Some("-1"), Err(()));
    }
}
