//! Forking.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use crate::call::check;
use crate::children::{ChildProcess, keep_ends};
use crate::signals;

/// The process in which [`fork`] returned. Exhaustive.
#[derive(Debug)]
pub enum Fork {
    /// The original process, with its new child.
    Parent(ChildProcess),
    /// The new process.
    Child,
}

/// Forks this process.
///
/// The child shares its parent's open file descriptions: it must close those that it does not own,
/// and create its own event loops. It does not have its parent's [`Signals`](crate::Signals). It
/// must end by [`exit_at_once`](crate::exit_at_once). If SIGCHLD was ignored, this resets it, since
/// the exit status of children would be lost.
///
/// # Errors
///
/// `Deadlock` if this process has more than one thread: the other threads would be missing in the
/// child, and their locks would stay locked forever. Otherwise the error of `fork`.
///
/// # Examples
///
/// ```
/// use ftpdlib_sys::{ChildEnd, Fork, exit_at_once, fork};
///
/// match fork() {
///     Ok(Fork::Child) => exit_at_once(7),
///     Ok(Fork::Parent(mut child)) => assert_eq!(child.wait()?, ChildEnd::Code(7)),
///     Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::Deadlock),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn fork() -> io::Result<Fork> {
    check_forkable()?;
    keep_ends()?;
    // The parent opens it, since the child could not report the error.
    let (nothing, _) = io::pipe()?;
    // SAFETY: this is the only thread, as just checked, and only this thread could start another
    // one meanwhile. So in the child, too, every lock is as its owner left it, and the child may do
    // whatever the parent may.
    match check(unsafe { libc::fork() })? {
        0 => {
            signals::leave_to_parent(nothing.as_fd());
            Ok(Fork::Child)
        }
        child => Ok(Fork::Parent(ChildProcess::new(child))),
    }
}

/// Checks whether this process can be forked.
///
/// # Errors
///
/// `Deadlock` if it has more than one thread. The system's error if `/proc` is missing.
pub fn check_forkable() -> io::Result<()> {
    let tasks = fs::read_dir("/proc/self/task").map_err(|error| {
        let problem = format!("cannot count this process's threads in /proc/self/task: {error}");
        io::Error::new(error.kind(), problem)
    })?;
    match tasks.count() {
        1 => Ok(()),
        threads => {
            let problem = format!("a process with {threads} threads cannot be forked");
            Err(io::Error::new(io::ErrorKind::Deadlock, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_at_once;

    #[test]
    fn a_process_with_threads_is_not_forked() {
        // The test harness runs each test on a thread besides its main thread.
        let error = match fork() {
            Ok(Fork::Child) => exit_at_once(1),
            Ok(Fork::Parent(mut child)) => panic!("forked: {:?}", child.wait()),
            Err(error) => error,
        };
        assert_eq!(error.kind(), io::ErrorKind::Deadlock);
        let text = error.to_string();
        assert!(text.ends_with(" threads cannot be forked"), "{text}");
    }
}
