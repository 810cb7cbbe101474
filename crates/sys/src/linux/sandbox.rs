//! Test threads to which the kernel refuses calls, as in a sandbox.

use std::mem::offset_of;
use std::thread;

use crate::call::check;

/// A call to refuse: always, or if the argument with this index has one of these bits.
pub(super) struct Refused(pub(super) libc::c_long, pub(super) Option<(usize, u32)>);

/// Runs `body` on a thread on which the `refused` call fails with `error`. If the kernel has no
/// such filters, nothing is run.
pub(super) fn run_without<T: Send>(
    refused: Refused,
    error: libc::c_int,
    body: impl FnOnce() -> T + Send,
) -> Option<T> {
    thread::scope(|scope| {
        let confined = scope.spawn(|| confine(&refused, error).ok().map(|()| body()));
        confined.join().unwrap()
    })
}

/// Installs the filter for this thread.
fn confine(refused: &Refused, error: libc::c_int) -> std::io::Result<()> {
    let Refused(call, argument) = *refused;
    let (index, bits) = argument.unwrap_or((0, 0));
    // Only the lower half of the argument is checked.
    let low = if cfg!(target_endian = "big") { 4 } else { 0 };
    let argument_at = offset_of!(libc::seccomp_data, args) + 8 * index + low;
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let jump = |test: u32, value: u32, yes: u8, no: u8| libc::sock_filter {
        code: (libc::BPF_JMP | test | libc::BPF_K) as u16,
        jt: yes,
        jf: no,
        k: value,
    };
    let step = |code: u16, value: usize| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k: value as u32,
    };
    // Without bits, both jumps lead to the refusal.
    let no = u8::from(bits != 0);
    let mut filter = [
        step(load, offset_of!(libc::seccomp_data, nr)),
        jump(libc::BPF_JEQ, call as u32, 0, 3),
        step(load, argument_at),
        jump(libc::BPF_JSET, bits, 0, no),
        step(answer, libc::SECCOMP_RET_ERRNO as usize | error as usize),
        step(answer, libc::SECCOMP_RET_ALLOW as usize),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the call takes numbers and accesses no memory of this process.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: `program` and the filter that it points to live until the call has copied them. The
    // call changes what this thread may call, and touches no memory.
    check(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    })?;
    Ok(())
}
