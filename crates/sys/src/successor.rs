//! A program that takes over the listening sockets.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, PipeReader, pipe};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use crate::call::check;
use crate::children::{ChildProcess, exit_at_once, keep_ends};
use crate::inherited::FIRST;
use crate::open::copy_above;

/// The variable with the number of the descriptor on which a successor reports that it is ready.
pub(crate) const READY: &str = "FTPDLIB_READY_FD";

/// The variable with the addresses that the listeners were bound for, in their order, separated by
/// commas; empty for a listener that was passed to its server.
pub(crate) const BOUND_FOR: &str = "FTPDLIB_BOUND_FOR";

/// A program that was started to take over.
#[derive(Debug)]
pub struct Successor {
    /// The process.
    pub process: ChildProcess,
    /// Yields a byte once the program is ready; ends without one if it fails to start.
    pub ready: PipeReader,
}

/// Starts `program` with `arguments` (the first is its own name), this process's environment and
/// `listeners`, which it finds by `LISTEN_FDS` as if a service manager had passed them. Each
/// listener comes with the address that it was bound for, or `None` if it was passed to this
/// process too. `variables` replace those of the same name in the environment.
///
/// This process keeps its own copies of the listeners. Processes with several threads may call
/// this.
///
/// # Errors
///
/// The error of `fork` or of the calls that copy descriptors; `InvalidInput` for an argument with a
/// NUL. If the program cannot be run, the process exits with code 127.
pub fn start_successor(
    program: &Path,
    arguments: &[OsString],
    listeners: &[(BorrowedFd<'_>, Option<SocketAddr>)],
    variables: &[(OsString, OsString)],
) -> io::Result<Successor> {
    let (ready, tell_ready) = pipe()?;
    let end = FIRST + listeners.len() as RawFd;
    // Copies with numbers above the target numbers, so that none takes another's place.
    let mut sources = Vec::new();
    for (descriptor, _) in listeners {
        sources.push(copy_above(descriptor.as_raw_fd(), end)?);
    }
    sources.push(copy_above(tell_ready.as_raw_fd(), end)?);

    let path = c_string(program.as_os_str())?;
    let arguments = c_strings(arguments.iter().map(OsString::as_os_str))?;
    let mut environment = inherited_environment(listeners, end, variables)?;
    // Only the child knows its process ID, and it may not allocate memory any more.
    let mut listen_pid = *b"LISTEN_PID=0000000000\0";
    let argv = pointers(&arguments);
    environment.push(CString::default());
    let mut envp = pointers(&environment);
    let place = envp.len() - 2;
    keep_ends()?;

    // SAFETY: until it runs another program, the child of a process with threads may only do what a
    // signal handler may. It calls nothing but `getpid`, `dup2`, `execve` and `_exit`, and writes
    // to existing arrays: it takes no lock and allocates no memory.
    let child = check(unsafe { libc::fork() })?;
    if child != 0 {
        return Ok(Successor {
            process: ChildProcess::new(child),
            ready,
        });
    }
    // SAFETY: takes nothing and cannot fail.
    write_number(&mut listen_pid, unsafe { libc::getpid() }.unsigned_abs());
    for (source, target) in sources.iter().zip(FIRST..) {
        // SAFETY: takes no pointer. What is at `target` is this child's own copy, which ends here
        // anyway.
        if unsafe { libc::dup2(source.as_raw_fd(), target) } == -1 {
            exit_at_once(NOT_RUN);
        }
    }
    envp[place] = listen_pid.as_ptr().cast();
    // SAFETY: all three are live and properly terminated: a string with a NUL, and two lists of
    // such strings with a null pointer.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    exit_at_once(NOT_RUN)
}

/// The exit code of a shell for a program that it cannot run.
const NOT_RUN: i32 = 127;

/// Returns the environment with new values for the passed descriptors and `variables`, but without
/// `LISTEN_PID`. The service manager's watchdog applies to the successor if it applies to this
/// process.
fn inherited_environment(
    listeners: &[(BorrowedFd<'_>, Option<SocketAddr>)],
    ready: RawFd,
    variables: &[(OsString, OsString)],
) -> io::Result<Vec<CString>> {
    let stale = [
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        BOUND_FOR,
        READY,
    ];
    let bound_for = listeners.iter().map(|(_, address)| {
        let address = address.map(|address| address.to_string());
        address.unwrap_or_default()
    });
    let bound_for: Vec<_> = bound_for.collect();
    let own = std::process::id().to_string();
    let kept = env::vars_os().filter(|(name, value)| match name.to_str() {
        Some("WATCHDOG_PID") => *value != *own,
        Some(name) if stale.contains(&name) => false,
        _ => variables.iter().all(|(fresh, _)| fresh != name),
    });
    let fresh = [
        ("LISTEN_FDS".into(), listeners.len().to_string().into()),
        (BOUND_FOR.into(), bound_for.join(",").into()),
        (READY.into(), ready.to_string().into()),
    ];
    kept.chain(fresh)
        .chain(variables.iter().cloned())
        .map(|(mut entry, value)| {
            entry.push("=");
            entry.push(value);
            c_string(&entry)
        })
        .collect()
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn c_strings<'a>(texts: impl Iterator<Item = &'a OsStr>) -> io::Result<Vec<CString>> {
    texts.map(c_string).collect()
}

/// Returns a null-terminated list, as `execve` requires.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    let ends = [ptr::null()];
    let strings = strings.iter().map(|string| string.as_ptr());
    strings.chain(ends).collect()
}

/// Writes the decimal digits of `number` and a NUL after the name in `entry`.
fn write_number(entry: &mut [u8; 22], number: u32) {
    let mut power = 1_000_000_000;
    while power > 1 && power > number {
        power /= 10;
    }
    let mut at = 11;
    while power > 0 {
        entry[at] = b'0' + (number / power % 10) as u8;
        power /= 10;
        at += 1;
    }
    entry[at] = 0;
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;
    use crate::ChildEnd;

    #[test]
    fn a_successor_finds_its_sockets_and_says_that_it_is_ready() {
        let dir = tempfile::tempdir().unwrap();
        let told = dir.path().join("told");
        let listeners = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [first, second] = listeners.each_ref().map(AsFd::as_fd);
        let listeners = [(first, Some(([0, 0, 0, 0], 21).into())), (second, None)];
        let script = format!(
            "for fd in 3 4 5; do [ -e /proc/self/fd/$fd ] || exit 9; done; \
             echo $((LISTEN_PID - $$)) $LISTEN_FDS $FTPDLIB_READY_FD $FTPDLIB_BOUND_FOR \"$1\" $HOME > {}; \
             echo >&5; exec 5>&-; exit 3",
            told.display()
        );
        let arguments = ["sh", "-c", &script, "sh", "an argument"].map(OsString::from);
        let program = Path::new("/bin/sh");
        let variables = [("HOME".into(), "/elsewhere".into())];
        let mut successor = start_successor(program, &arguments, &listeners, &variables).unwrap();
        assert_eq!(successor.ready.read(&mut [0; 8]).unwrap(), 1);
        assert_eq!(successor.process.wait().unwrap(), ChildEnd::Code(3));
        assert_eq!(
            fs::read_to_string(told).unwrap(),
            "0 2 5 0.0.0.0:21, an argument /elsewhere\n"
        );
    }

    #[test]
    fn a_program_that_cannot_be_run_is_never_ready() {
        let program = Path::new("/nonexistent/program");
        let mut successor = start_successor(program, &["program".into()], &[], &[]).unwrap();
        assert_eq!(successor.ready.read(&mut [0]).unwrap(), 0);
        assert_eq!(successor.process.wait().unwrap(), ChildEnd::Code(NOT_RUN));
        assert_eq!(
            successor.process.try_wait().unwrap(),
            Some(ChildEnd::Code(NOT_RUN))
        );
        successor.process.kill().unwrap();
    }

    #[test]
    fn a_number_ends_where_its_digits_do() {
        for (number, expected) in [
            (1, "1"),
            (10, "10"),
            (4096, "4096"),
            (4_194_304, "4194304"),
            (u32::MAX, "4294967295"),
        ] {
            let mut entry = *b"LISTEN_PID=0000000000\0";
            write_number(&mut entry, number);
            let entry = std::ffi::CStr::from_bytes_until_nul(&entry).unwrap();
            assert_eq!(entry.to_str().unwrap(), format!("LISTEN_PID={expected}"));
        }
    }
}
