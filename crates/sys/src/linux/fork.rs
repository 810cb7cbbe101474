//! Processes that go on where this one stands.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use crate::call::check;
use crate::children::{ChildProcess, keep_ends};
use crate::signals;

/// Which of two processes this is. Complete: there are two.
#[derive(Debug)]
pub enum Fork {
    /// The one that was there before.
    Parent(ChildProcess),
    /// The new one.
    Child,
}

/// Makes a child that is a copy of this process.
///
/// The child shares what is behind the descriptors with its parent: it closes what is not its own,
/// and makes its own event loops. Its parent's [`Signals`](crate::Signals) it has no more. It ends by
/// [`exit_at_once`](crate::exit_at_once). SIGCHLD is ignored no more, where it was: the ends of
/// children would be lost.
///
/// # Errors
///
/// `Deadlock` where this process has more than one thread: in the child the others would be gone,
/// and whatever they had locked would stay so for ever. What `fork` answers.
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
    // Made by the parent, since a child could tell nobody that there is none.
    let (nothing, _) = io::pipe()?;
    // SAFETY: this is the only thread, as was just seen, and no other can begin meanwhile, since
    // none but this could begin it. So in the child, too, every lock is as its owner left it, and
    // it may do whatever the parent may.
    match check(unsafe { libc::fork() })? {
        0 => {
            signals::leave_to_parent(nothing.as_fd());
            Ok(Fork::Child)
        }
        child => Ok(Fork::Parent(ChildProcess::new(child))),
    }
}

/// Sees whether this process can be forked.
///
/// # Errors
///
/// `Deadlock` where it has more than one thread. The system's, where that does not tell: `/proc` is
/// missing.
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
        // The test harness runs each test on a thread beside its own.
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
