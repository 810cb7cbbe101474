//! Signals that an event loop can wait for.

use std::io::{self, Read, Write};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crate::call::check;
use crate::default_action::raise_by_default;

/// A signal that [`Signals`] catches. Exhaustive: callers must handle each of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// `SIGTERM`: stop, requested by a service manager.
    Terminate,
    /// `SIGINT`: stop, requested at the terminal.
    Interrupt,
    /// `SIGHUP`: read the configuration again.
    HangUp,
    /// `SIGUSR2`: hand over to another program.
    Upgrade,
}

impl Signal {
    /// In the order in which they are reported.
    const ALL: [Self; 4] = [
        Self::Terminate,
        Self::Interrupt,
        Self::HangUp,
        Self::Upgrade,
    ];

    fn number(self) -> libc::c_int {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Interrupt => libc::SIGINT,
            Self::HangUp => libc::SIGHUP,
            Self::Upgrade => libc::SIGUSR2,
        }
    }

    /// The signal's bit in [`UNREAD`].
    fn bit(self) -> u32 {
        1 << self as u32
    }

    fn of_number(number: libc::c_int) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|signal| signal.number() == number)
    }
}

/// Catches signals for as long as it lives; they no longer end the process.
///
/// No signal is lost, but a signal that arrives several times before it is read is reported once.
/// The exception: a second signal that should end the process is reported as a further one. If the
/// first of these two is not read within a quarter of a second, the reader is taken to hang, and
/// the second ends the process as if it were not caught.
///
/// The descriptor is non-blocking, for reading only, and becomes readable when a signal arrives:
/// register it with an event loop and call [`next`](Self::next) until it returns `None`. To leave
/// signals alone, create no `Signals`.
///
/// A process has at most one `Signals`. A child of [`fork`](crate::fork) creates its own; its copy
/// of its parent's has no effect.
///
/// # Examples
///
/// ```
/// use ftpdlib_sys::{Signal, Signals};
///
/// let signals = Signals::new(&[Signal::Terminate, Signal::Interrupt])?;
/// assert_eq!(signals.next()?, None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Signals {
    receiver: UnixStream,
    /// Kept open for the handler, which knows only the descriptor's number.
    sender: UnixStream,
    /// The process that it belongs to: a forked child inherits a copy.
    process: u32,
    /// The bits of the signals that it reports.
    told: u32,
    /// The actions that the handlers replaced.
    actions_before: Vec<(Signal, Action)>,
}

impl Signals {
    /// Starts to catch these signals; others are not affected. If the calling thread blocks some of
    /// them, which a process may inherit from its parent, it unblocks them.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if this process has a `Signals`; the error of the calls that create a socket
    /// pair or set a handler.
    pub fn new(caught: &[Signal]) -> io::Result<Self> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        // A handler must never wait. If the socket is full of unread bytes, the waiting thread is
        // woken anyway.
        sender.set_nonblocking(true)?;
        let process = process::id();
        if OWNER.swap(process, Ordering::SeqCst) == process {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        RECEIVER.store(receiver.as_raw_fd(), Ordering::SeqCst);
        SENDER.store(sender.as_raw_fd(), Ordering::SeqCst);
        let mut signals = Self {
            receiver,
            sender,
            process,
            // A second signal that should end the process may be noted as the other one.
            told: caught
                .iter()
                .fold(TERMINATION, |bits, signal| bits | signal.bit()),
            actions_before: Vec::new(),
        };
        for &signal in caught {
            // An error drops `signals`, which restores what was set so far.
            let before = Action::set(signal, notify)?;
            signals.actions_before.push((signal, before));
        }
        if UNREAD.load(Ordering::SeqCst) & signals.told != 0 {
            // A signal of `catch_early_signals`, which had nobody to wake.
            (&signals.sender).write_all(&[0])?;
        }
        Ok(signals)
    }

    /// Returns the next signal, those that end the process first; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The error of `read`.
    pub fn next(&self) -> io::Result<Option<Signal>> {
        let mut wakings = [0; 64];
        loop {
            if let Some(signal) = take_unread(self.told) {
                return Ok(Some(signal));
            }
            // A signal is noted before its byte is written, so a signal that comes from here on
            // leaves a byte.
            match (&self.receiver).read(&mut wakings) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if OWNER.load(Ordering::SeqCst) != self.process {
            // This is a forked child's copy.
            return;
        }
        let mut ended = TERMINATION;
        for (signal, action) in &self.actions_before {
            action.restore(*signal);
            if !action.is_early() {
                ended |= signal.bit();
            }
        }
        SENDER.store(-1, Ordering::SeqCst);
        // A handler on another thread may have read the number already. Once no handler runs, the
        // descriptor can be closed without a stray byte going to whatever gets its number next.
        while RUNNING.load(Ordering::SeqCst) != 0 {
            thread::yield_now();
        }
        RECEIVER.store(-1, Ordering::SeqCst);
        // Nothing notes these signals any more. Early ones are kept for the next `Signals`: a start
        // that has failed may be repeated.
        UNREAD.fetch_and(!ended, Ordering::SeqCst);
        OWNER.store(0, Ordering::SeqCst);
    }
}

/// Keeps signals from killing a process that is about to create its [`Signals`]. From now until
/// then, `SIGTERM` and `SIGINT` end the process without any cleanup, with code 0 or that of
/// [`set_early_exit_code`]; `SIGHUP` and `SIGUSR2` are kept, and reported by the [`Signals`] as
/// soon as it exists. Does nothing in a process that has one. Dropping the `Signals` restores this
/// state, and keeps a `SIGHUP` or `SIGUSR2` that it has not reported for the next one.
///
/// # Examples
///
/// ```
/// ftpdlib_sys::catch_early_signals();
/// ```
pub fn catch_early_signals() {
    if is_owner() {
        return;
    }
    for signal in Signal::ALL {
        // This cannot fail: the signals can be caught, and the pointers are valid.
        let _ = Action::set(signal, note_early);
    }
}

/// Sets the exit code with which `SIGTERM` and `SIGINT` end the process while
/// [`catch_early_signals`] is in effect: for a start that has failed and only has to report why.
/// Otherwise has no effect.
///
/// # Examples
///
/// ```
/// ftpdlib_sys::set_early_exit_code(1);
/// ```
pub fn set_early_exit_code(code: u8) {
    EARLY_EXIT_CODE.store(code, Ordering::SeqCst);
}

/// In a child that was just forked: gives up its parent's signals. Replaces their descriptors with
/// copies of `instead`, since the child could otherwise stop its parent through them.
#[cfg(target_os = "linux")]
pub(crate) fn leave_to_parent(instead: BorrowedFd<'_>) {
    UNREAD.store(0, Ordering::SeqCst);
    for place in [&SENDER, &RECEIVER] {
        let descriptor = place.swap(-1, Ordering::SeqCst);
        if descriptor >= 0 {
            // SAFETY: takes no pointer. The number belongs to the parent's `Signals`, of which the
            // child has a copy; the copy goes on owning the number, and no other code knows it.
            unsafe { libc::dup3(instead.as_raw_fd(), descriptor, libc::O_CLOEXEC) };
        }
    }
}

/// The descriptor that the handler writes to; -1 for none.
static SENDER: AtomicI32 = AtomicI32::new(-1);

/// The other end of the socket pair; -1 for none.
static RECEIVER: AtomicI32 = AtomicI32::new(-1);

/// The signals that arrived and were not read, one bit each.
static UNREAD: AtomicU32 = AtomicU32::new(0);

/// The signals that should end the process.
const TERMINATION: u32 = 1 << Signal::Terminate as u32 | 1 << Signal::Interrupt as u32;

/// When the first unread one of these came, in milliseconds of the monotonic clock.
static UNREAD_SINCE: AtomicU64 = AtomicU64::new(0);

/// How long one of these may stay unread before the reader is taken to hang, in milliseconds.
const READING_TIME: u64 = 250;

/// The process whose [`Signals`] owns [`SENDER`]; 0 for none.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// The exit code of a process that a signal ends before it has a [`Signals`].
static EARLY_EXIT_CODE: AtomicU8 = AtomicU8::new(0);

/// How many threads are running the handler.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Takes one of the unread signals with these bits. Other unread signals are early ones, caught by
/// `catch_early_signals`, which this `Signals` does not report.
fn take_unread(told: u32) -> Option<Signal> {
    let unread = UNREAD.load(Ordering::SeqCst) & told;
    let signal = Signal::ALL
        .into_iter()
        .find(|signal| unread & signal.bit() != 0)?;
    UNREAD.fetch_and(!signal.bit(), Ordering::SeqCst);
    Some(signal)
}

/// Notes a signal as unread; returns whether it should end the process at once.
fn note(signal: Signal) -> bool {
    if signal.bit() & TERMINATION == 0 {
        UNREAD.fetch_or(signal.bit(), Ordering::SeqCst);
        return false;
    }
    let now = milliseconds();
    // Must precede the bit, which tells a handler on another thread that there is a first one.
    if UNREAD.load(Ordering::SeqCst) & TERMINATION == 0 {
        UNREAD_SINCE.store(now, Ordering::SeqCst);
    }
    if UNREAD.fetch_or(signal.bit(), Ordering::SeqCst) & TERMINATION == 0 {
        return false;
    }
    // A second signal of the same kind counts as the other kind, so that it is not lost.
    UNREAD.fetch_or(TERMINATION, Ordering::SeqCst);
    now.saturating_sub(UNREAD_SINCE.load(Ordering::SeqCst)) >= READING_TIME
}

/// The time of the monotonic clock.
fn milliseconds() -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `now` is writable memory for what the call fills in; if the call fails, the zeros are
    // a valid time too.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Ends the process by the signal that is being handled, once the handler returns.
fn end_by(number: libc::c_int) {
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::getpid() } == 1 {
        // Signals do not end process 1 by themselves. This is the code that a shell reports for
        // one.
        // SAFETY: may be called in a signal handler, and does not return.
        unsafe { libc::_exit(128 + number) };
    }
    raise_by_default(number);
}

/// Runs in a signal handler: touches only atomics and `errno`, and makes only calls that are
/// permitted there: `getpid`, `write`, `clock_gettime`, `sigaction`, `raise` and `_exit`.
extern "C" fn notify(number: libc::c_int) {
    handle(|| {
        // A child that was just forked must not report signals to its parent.
        if let Some(signal) = Signal::of_number(number).filter(|_| is_owner()) {
            if note(signal) {
                end_by(number);
            }
            wake();
        }
    });
}

/// Runs in a signal handler of a process without [`Signals`], under the same rules as [`notify`].
/// Another thread may create one while this runs.
extern "C" fn note_early(number: libc::c_int) {
    match Signal::of_number(number) {
        Some(Signal::Terminate | Signal::Interrupt) => {
            let code = EARLY_EXIT_CODE.load(Ordering::SeqCst);
            // SAFETY: may be called in a signal handler, and does not return.
            unsafe { libc::_exit(code.into()) }
        }
        Some(signal @ (Signal::HangUp | Signal::Upgrade)) => handle(|| {
            UNREAD.fetch_or(signal.bit(), Ordering::SeqCst);
            // `Signals::new` first publishes the descriptor, then checks for the bit: one of the
            // two wakes the reader.
            wake();
        }),
        None => {}
    }
}

/// Runs `act` in a signal handler. Preserves `errno`, which the interrupted code may be about to
/// read.
fn handle(act: impl FnOnce()) {
    RUNNING.fetch_add(1, Ordering::SeqCst);
    let errno = errno_place();
    // SAFETY: `errno` points to this thread's own value, which lives as long as the thread.
    let kept = unsafe { errno.read() };
    act();
    // SAFETY: as above.
    unsafe { errno.write(kept) };
    RUNNING.fetch_sub(1, Ordering::SeqCst);
}

/// Whether this process has a [`Signals`]; a child that was just forked does not.
fn is_owner() -> bool {
    // SAFETY: takes nothing and cannot fail.
    let own = unsafe { libc::getpid() };
    own.unsigned_abs() == OWNER.load(Ordering::SeqCst)
}

/// Wakes the reader, if there is one. Must be called inside [`handle`].
fn wake() {
    let sender = SENDER.load(Ordering::SeqCst);
    if sender >= 0 && is_owner() {
        let byte = 0_u8;
        // SAFETY: `byte` is one live, readable byte. The descriptor is open: the code that takes it
        // out of SENDER closes it only after it has seen RUNNING at 0.
        unsafe { libc::write(sender, (&raw const byte).cast(), 1) };
    }
}

/// The action taken on a signal.
struct Action(libc::sigaction);

impl Action {
    /// Sets a handler, `notify` or `note_early`, unblocks the signal in this thread, and returns
    /// the previous action.
    fn set(signal: Signal, handler: extern "C" fn(libc::c_int)) -> io::Result<Self> {
        // SAFETY: the structure is integers, an integer set and optional pointers; zeros are valid
        // in all of them.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the set is live, writable and owned by this frame.
        check(unsafe { libc::sigemptyset(&raw mut action.sa_mask) })?;
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: `action` is live and complete, `before` is writable memory for what the call
        // fills in, and the handler is async-signal-safe.
        check(unsafe { libc::sigaction(signal.number(), &raw const action, before.as_mut_ptr()) })?;
        // SAFETY: the call succeeded, so it has filled in all of `before`.
        let before = Self(unsafe { before.assume_init() });
        unblock(signal);
        Ok(before)
    }

    /// Whether this is the action of `catch_early_signals`.
    fn is_early(&self) -> bool {
        self.0.sa_sigaction == note_early as *const () as libc::sighandler_t
    }

    fn restore(&self, signal: Signal) {
        // SAFETY: the structure is the one that the system returned for this signal; with null, the
        // old action is not reported. The call cannot fail for a signal that could be caught
        // before.
        unsafe { libc::sigaction(signal.number(), &raw const self.0, ptr::null_mut()) };
    }
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Action").finish_non_exhaustive()
    }
}

/// Unblocks a signal in this thread: a mask that blocks it is inherited across `exec`, and the
/// handler would never run.
fn unblock(signal: Signal) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is writable memory of the right type, emptied before anything is added; the
    // last call only reads it, and with null does not report the old mask. None of them can fail
    // for a signal that can be caught.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal.number());
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}

fn errno_place() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "redox"))]
    // SAFETY: takes nothing and returns a pointer that is valid on this thread.
    unsafe {
        libc::__errno_location()
    }
    #[cfg(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "dragonfly"
    ))]
    // SAFETY: takes nothing and returns a pointer that is valid on this thread.
    unsafe {
        libc::__error()
    }
    #[cfg(any(target_os = "netbsd", target_os = "openbsd", target_os = "android"))]
    // SAFETY: takes nothing and returns a pointer that is valid on this thread.
    unsafe {
        libc::__errno()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Serializes the tests: signals belong to the process.
    fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn raise(signal: Signal) {
        // SAFETY: a caught signal runs the handler on this thread and returns.
        assert_eq!(unsafe { libc::raise(signal.number()) }, 0);
    }

    #[test]
    fn an_early_signal_that_another_thread_noted_late_woke_nobody() {
        let _alone = alone();
        let signals = Signals::new(&[Signal::HangUp]).unwrap();
        // As if the handler had been entered earlier.
        note_early(libc::SIGHUP);
        assert_eq!((&signals.receiver).read(&mut [0; 64]).unwrap(), 1);
        assert_eq!(signals.next().unwrap(), Some(Signal::HangUp));
        assert_eq!(signals.next().unwrap(), None);
    }

    #[test]
    fn catching_early_signals_too_late_took_them_from_the_reader() {
        let _alone = alone();
        let signals = Signals::new(&[Signal::Terminate]).unwrap();
        catch_early_signals();
        raise(Signal::Terminate);
        assert_eq!(signals.next().unwrap(), Some(Signal::Terminate));
    }

    #[test]
    fn signals_that_the_parent_had_blocked_were_never_told() {
        let _alone = alone();
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `all` is writable memory that the first call fills in; null asks for no answer.
        unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), ptr::null_mut());
        }
        catch_early_signals();
        raise(Signal::HangUp);
        let signals = Signals::new(&Signal::ALL).unwrap();
        raise(Signal::Terminate);
        assert_eq!(signals.next().unwrap(), Some(Signal::Terminate));
        assert_eq!(signals.next().unwrap(), Some(Signal::HangUp));
        // SAFETY: `all` is filled in; null asks for no answer.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, all.as_ptr(), ptr::null_mut()) };
    }

    #[test]
    fn early_signals_were_told_to_a_reader_that_does_not_catch_them() {
        let _alone = alone();
        catch_early_signals();
        raise(Signal::Upgrade);
        let signals = Signals::new(&[Signal::Terminate, Signal::HangUp]).unwrap();
        raise(Signal::Upgrade);
        assert_eq!(signals.next().unwrap(), None);
        raise(Signal::Terminate);
        raise(Signal::Terminate);
        raise(Signal::HangUp);
        for signal in [Signal::Terminate, Signal::Interrupt, Signal::HangUp] {
            assert_eq!(signals.next().unwrap(), Some(signal));
        }
        assert_eq!(signals.next().unwrap(), None);
    }

    #[test]
    fn early_signals_ended_with_a_reader_that_had_not_read_them() {
        let _alone = alone();
        catch_early_signals();
        raise(Signal::HangUp);
        let signals = Signals::new(&[Signal::Terminate, Signal::HangUp]).unwrap();
        raise(Signal::Terminate);
        drop(signals);
        let signals = Signals::new(&[Signal::Terminate, Signal::HangUp]).unwrap();
        assert_eq!(signals.next().unwrap(), Some(Signal::HangUp));
        assert_eq!(signals.next().unwrap(), None);
    }

    #[test]
    fn signals_come_to_the_only_one_and_none_is_lost() {
        let _alone = alone();
        catch_early_signals();
        raise(Signal::HangUp);
        raise(Signal::Upgrade);
        let signals = Signals::new(&Signal::ALL).unwrap();
        // A loop that waits for the descriptor is woken.
        assert_eq!((&signals.receiver).read(&mut [0; 64]).unwrap(), 1);
        let unread = || std::iter::from_fn(|| signals.next().unwrap()).collect::<Vec<_>>();
        assert_eq!(unread(), [Signal::HangUp, Signal::Upgrade]);
        raise(Signal::HangUp);
        raise(Signal::Terminate);
        assert_eq!(unread(), [Signal::Terminate, Signal::HangUp]);

        let second = Signals::new(&[]).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        // More signals than the socket holds bytes.
        for _ in 0..10_000 {
            raise(Signal::HangUp);
        }
        raise(Signal::Terminate);
        assert_eq!(unread(), [Signal::Terminate, Signal::HangUp]);
        raise(Signal::Interrupt);
        assert_eq!(unread(), [Signal::Interrupt]);
        // Two signals are reported as two, even of the same kind.
        for signal in [Signal::Terminate, Signal::Interrupt] {
            raise(signal);
            raise(signal);
            assert_eq!(unread(), [Signal::Terminate, Signal::Interrupt]);
        }

        drop(signals);
        let signals = Signals::new(&[Signal::Interrupt]).unwrap();
        assert_eq!(signals.next().unwrap(), None);
        raise(Signal::Interrupt);
        assert_eq!(signals.next().unwrap(), Some(Signal::Interrupt));
    }
}
