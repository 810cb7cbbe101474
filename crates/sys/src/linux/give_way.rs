//! Idle-priority threads.

use std::io;

use crate::call::check;

/// Makes the calling thread run only on idle processors (`SCHED_IDLE`), for the rest of its life:
/// any other thread that wakes up on its processor preempts it at once.
///
/// While all processors are busy, such a thread hardly runs. So no other thread may wait for
/// anything that it holds. That includes the kernel's lock of a directory, which a lookup of a name
/// outside the kernel's cache takes.
///
/// # Errors
///
/// The error of `sched_setscheduler`: `PermissionDenied` if system calls are filtered.
pub fn give_way() -> io::Result<()> {
    // SAFETY: all zero is a value of `sched_param`, whose fields are numbers.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: 0 is the calling thread, and `parameters` is only read, during the call.
    check(unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// The policy of the calling thread.
    fn policy() -> libc::c_int {
        // SAFETY: the call takes no memory.
        check(unsafe { libc::sched_getscheduler(0) }).unwrap()
    }

    #[test]
    fn only_the_thread_that_asks_for_it_gives_way() {
        let before = policy();
        let asked = thread::spawn(|| give_way().map(|()| policy()));
        assert_eq!(asked.join().unwrap().unwrap(), libc::SCHED_IDLE);
        assert_eq!(policy(), before);
    }
}
