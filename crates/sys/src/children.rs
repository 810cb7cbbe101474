//! Child processes.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::call::check;

/// A child process, from its start until its end is [seen](Self::try_wait).
///
/// Dropping it does not affect the process, which stays a zombie after its end until it is waited
/// for.
#[derive(Debug, Eq, PartialEq)]
pub struct ChildProcess {
    id: libc::pid_t,
    ended: Option<ChildEnd>,
}

/// How a child process ended. Exhaustive: there is no other way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChildEnd {
    /// It exited with this code.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
}

impl ChildEnd {
    /// Whether the child exited with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

impl fmt::Display for ChildEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
        }
    }
}

impl ChildProcess {
    /// Wraps the child that `fork` returned. No other code may wait for it.
    pub(crate) fn new(id: libc::pid_t) -> Self {
        Self { id, ended: None }
    }

    /// Returns how the child ended, or `None` while it runs. Does not wait.
    ///
    /// # Errors
    ///
    /// The error of `waitpid`: `ECHILD` if other code has waited for it.
    pub fn try_wait(&mut self) -> io::Result<Option<ChildEnd>> {
        self.look(libc::WNOHANG)
    }

    /// Waits for the child's end.
    ///
    /// # Errors
    ///
    /// As [`try_wait`](Self::try_wait).
    pub fn wait(&mut self) -> io::Result<ChildEnd> {
        loop {
            if let Some(end) = self.look(0)? {
                return Ok(end);
            }
        }
    }

    /// Kills the child (`SIGKILL`). Does nothing if its end was already seen.
    ///
    /// # Errors
    ///
    /// The error of `kill`.
    pub fn kill(&self) -> io::Result<()> {
        if self.ended.is_some() {
            // The ID may belong to another process by now.
            return Ok(());
        }
        // SAFETY: takes no pointer. The number is this child's: it stays taken until the child is
        // waited for, which only this value does. Before the fork, `keep_ends` made sure that the
        // system does not release the number by itself.
        check(unsafe { libc::kill(self.id, libc::SIGKILL) })?;
        Ok(())
    }

    /// The child's process ID.
    pub fn id(&self) -> u32 {
        self.id.unsigned_abs()
    }

    fn look(&mut self, options: libc::c_int) -> io::Result<Option<ChildEnd>> {
        if self.ended.is_some() {
            return Ok(self.ended);
        }
        let mut status = 0;
        // SAFETY: `status` is live, writable and owned by this frame.
        match check(unsafe { libc::waitpid(self.id, &raw mut status, options) }) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(error) => return Err(error),
        }
        self.ended = if libc::WIFEXITED(status) {
            Some(ChildEnd::Code(libc::WEXITSTATUS(status)))
        } else if libc::WIFSIGNALED(status) {
            Some(ChildEnd::Signal(libc::WTERMSIG(status)))
        } else {
            None
        };
        Ok(self.ended)
    }
}

/// Makes the system keep the exit status of children until they are waited for. The system does not
/// do so if SIGCHLD is ignored, which a process may inherit from its parent: the ID of an ended
/// child could then be reused at once.
///
/// A handler that the program has installed is kept.
pub(crate) fn keep_ends() -> io::Result<()> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: null changes nothing, and `action` is writable memory for what the call fills in.
    check(unsafe { libc::sigaction(libc::SIGCHLD, ptr::null(), action.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so it has filled in all of `action`.
    let mut action = unsafe { action.assume_init() };
    let ignored = action.sa_sigaction == libc::SIG_IGN;
    if !ignored && action.sa_flags & libc::SA_NOCLDWAIT == 0 {
        return Ok(());
    }
    if ignored {
        action.sa_sigaction = libc::SIG_DFL;
    }
    action.sa_flags &= !libc::SA_NOCLDWAIT;
    // SAFETY: the structure is the system's own except for two fields, which have valid values;
    // with null, the old action is not reported.
    check(unsafe { libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut()) })?;
    Ok(())
}

/// Ends this process with `code` at once: drops and flushes nothing, and calls no `atexit`
/// handlers. Forked children must end this way, since all of that belongs to their parent.
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: takes no pointer and does not return.
    unsafe { libc::_exit(code) }
}
