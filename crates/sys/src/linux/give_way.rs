//! Threads that keep out of everybody's way.

use std::io;

use crate::call::check;

/// Has the calling thread run where a processor has nothing else to do (`SCHED_IDLE`), for the rest
/// of its life: whoever wakes up on that processor has it at once.
///
/// Where all processors are busy such a thread stands still, but for a moment now and then. So
/// nobody may wait for what it holds: not for the lock of a directory either, which looking up a
/// name takes where the system does not know it.
///
/// # Errors
///
/// What `sched_setscheduler` answers: `PermissionDenied` where system calls are filtered.
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
