//! How threads share the processors.

use std::io;

use crate::call::check;

/// Makes the calling thread run only on idle processors (`SCHED_IDLE`), for the rest of its life:
/// any other thread that wakes up on its processor preempts it at once.
///
/// While all processors are busy, such a thread hardly runs. So no other thread may wait for
/// anything that it holds. This includes the kernel's lock of a directory, which is taken to look
/// up a name outside the kernel's cache.
///
/// # Errors
///
/// The error of `sched_setscheduler`: `PermissionDenied` if system calls are filtered.
pub fn give_way() -> io::Result<()> {
    set_policy(libc::SCHED_IDLE)
}

/// Makes the calling thread, and the threads that it starts, wait for a processor when they wake
/// up, instead of preempting the thread that runs there (`SCHED_BATCH`). Returns `false`, and
/// changes nothing, if the thread does not have the system's default policy.
///
/// # Errors
///
/// The error of `sched_setscheduler`: `PermissionDenied` if system calls are filtered.
pub fn interrupt_nobody() -> io::Result<bool> {
    if policy()? != libc::SCHED_OTHER {
        return Ok(false);
    }
    set_policy(libc::SCHED_BATCH).map(|()| true)
}

/// The policy of the calling thread.
fn policy() -> io::Result<libc::c_int> {
    // SAFETY: the call accesses no memory.
    check(unsafe { libc::sched_getscheduler(0) })
}

fn set_policy(policy: libc::c_int) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid `sched_param`, whose fields are numbers.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: 0 is the calling thread, and `parameters` is only read, during the call.
    check(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn only_the_thread_that_asks_for_it_gives_way() {
        let before = policy().unwrap();
        let asked = thread::spawn(|| give_way().and_then(|()| policy()));
        assert_eq!(asked.join().unwrap().unwrap(), libc::SCHED_IDLE);
        assert_eq!(policy().unwrap(), before);
    }

    #[test]
    fn a_policy_that_was_chosen_stays() {
        let asked = thread::spawn(|| {
            give_way()?;
            Ok::<_, io::Error>((interrupt_nobody()?, policy()?))
        });
        assert_eq!(asked.join().unwrap().unwrap(), (false, libc::SCHED_IDLE));
    }

    #[test]
    fn threads_inherit_the_policy() {
        let asked = thread::spawn(|| {
            set_policy(libc::SCHED_OTHER)?;
            assert!(interrupt_nobody()?);
            thread::spawn(policy).join().unwrap()
        });
        assert_eq!(asked.join().unwrap().unwrap(), libc::SCHED_BATCH);
    }
}
