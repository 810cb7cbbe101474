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
    /// In the order in which they are told.
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

    /// Its place in [`UNREAD`].
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
/// No signal is lost; a signal that arrives several times before it is read is reported once. An
/// exception: a second signal that should end the process is reported as one more. If the first of
/// these is not read within a quarter of a second, the reader hangs, and the next one ends the
/// process as if it were not caught.
///
/// Its descriptor is non-blocking, for reading only, and readable when a signal has arrived:
/// register it with an event loop and call [`next`](Self::next) until it returns `None`. A process
/// that does not want to catch signals makes none.
///
/// A process has at most one. A child of [`fork`](crate::fork) makes its own; its copy of its
/// parent's has no effect.
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
    /// Kept open for the handler, which knows its number only.
    sender: UnixStream,
    /// Whose it is: a forked child inherits a copy.
    process: u32,
    /// The bits of those it tells of.
    told: u32,
    /// What the handler replaced.
    actions_before: Vec<(Signal, Action)>,
}

impl Signals {
    /// Starts to catch these signals; others are not affected. If the calling thread blocks some of
    /// them, as a process may inherit it from its parent, it does so no longer.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if this process has one; the error of the calls that make a socket pair or
    /// set a handler.
    pub fn new(caught: &[Signal]) -> io::Result<Self> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        // A handler must never wait; with this many unread bytes, the waiting thread is woken
        // anyway.
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
            // A second signal that is to end the process may be noted as the other one.
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
            // One of `catch_early_signals`, which had nobody to tell.
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
            // A signal is noted before the byte that tells of it: what comes from here on leaves
            // one.
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
            // A forked child's copy.
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
        // A handler on another thread may have read the number before; once none runs, the
        // descriptor can be closed without a stray byte landing in whatever gets its number.
        while RUNNING.load(Ordering::SeqCst) != 0 {
            thread::yield_now();
        }
        RECEIVER.store(-1, Ordering::SeqCst);
        // Nothing notes these any more. The others are for the next one: a start that has failed
        // may be repeated.
        UNREAD.fetch_and(!ended, Ordering::SeqCst);
        OWNER.store(0, Ordering::SeqCst);
    }
}

/// Keeps signals from killing a process that is about to make its [`Signals`]. From now on until it
/// does, `SIGTERM` and `SIGINT` end the process without any cleanup, with code 0 or that of
/// [`set_early_exit_code`]; `SIGHUP` and `SIGUSR2` are kept, and reported by the [`Signals`] as
/// soon as it is there. Does nothing in a process that has one. Once that is dropped, all is as
/// before it was made, and what it has not told of these two is kept for the next one.
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
        // There is no such error: the signals can be caught, and the memory is there.
        let _ = Action::set(signal, note_early);
    }
}

/// Sets the code with which `SIGTERM` and `SIGINT` end the process in the time of
/// [`catch_early_signals`]: for a start that has failed, and has only to say why. Otherwise it does
/// nothing.
///
/// # Examples
///
/// ```
/// ftpdlib_sys::set_early_exit_code(1);
/// ```
pub fn set_early_exit_code(code: u8) {
    EARLY_EXIT_CODE.store(code, Ordering::SeqCst);
}

/// In a child that was just forked: gives up its parent's signals. Their descriptors are replaced
/// by copies of `instead`, since the child could stop its parent with them.
#[cfg(target_os = "linux")]
pub(crate) fn leave_to_parent(instead: BorrowedFd<'_>) {
    UNREAD.store(0, Ordering::SeqCst);
    for place in [&SENDER, &RECEIVER] {
        let descriptor = place.swap(-1, Ordering::SeqCst);
        if descriptor >= 0 {
            // SAFETY: takes no pointer. The number is owned by the parent's `Signals`, of which the
            // child has a copy; it goes on owning it, and nobody else knows it.
            unsafe { libc::dup3(instead.as_raw_fd(), descriptor, libc::O_CLOEXEC) };
        }
    }
}

/// Where the handler writes; -1 for nowhere.
static SENDER: AtomicI32 = AtomicI32::new(-1);

/// The other end; -1 for none.
static RECEIVER: AtomicI32 = AtomicI32::new(-1);

/// The signals that came and were not read, a bit for each.
static UNREAD: AtomicU32 = AtomicU32::new(0);

/// Those that are to end the process.
const TERMINATION: u32 = 1 << Signal::Terminate as u32 | 1 << Signal::Interrupt as u32;

/// When the first unread one of these came, in milliseconds of the system's clock.
static UNREAD_SINCE: AtomicU64 = AtomicU64::new(0);

/// How long one of these may be unread before the reader is taken for hung.
const READING_TIME: u64 = 250;

/// The process whose [`Signals`] stands in [`SENDER`]; 0 for none.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// With what a process ends by a signal before it has a [`Signals`].
static EARLY_EXIT_CODE: AtomicU8 = AtomicU8::new(0);

/// How many threads are inside the handler.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Takes one of the unread signals of these bits. Others are those of `catch_early_signals` that
/// nobody has asked for.
fn take_unread(told: u32) -> Option<Signal> {
    let unread = UNREAD.load(Ordering::SeqCst) & told;
    let signal = Signal::ALL
        .into_iter()
        .find(|signal| unread & signal.bit() != 0)?;
    UNREAD.fetch_and(!signal.bit(), Ordering::SeqCst);
    Some(signal)
}

/// Notes a signal as unread; answers whether it is to end the process at once.
fn note(signal: Signal) -> bool {
    if signal.bit() & TERMINATION == 0 {
        UNREAD.fetch_or(signal.bit(), Ordering::SeqCst);
        return false;
    }
    let now = milliseconds();
    // Before the bit, by which a handler on another thread knows that there is a first.
    if UNREAD.load(Ordering::SeqCst) & TERMINATION == 0 {
        UNREAD_SINCE.store(now, Ordering::SeqCst);
    }
    if UNREAD.fetch_or(signal.bit(), Ordering::SeqCst) & TERMINATION == 0 {
        return false;
    }
    // A second of a kind counts as one of the other, so that it is not lost.
    UNREAD.fetch_or(TERMINATION, Ordering::SeqCst);
    now.saturating_sub(UNREAD_SINCE.load(Ordering::SeqCst)) >= READING_TIME
}

/// The time on a clock that only goes forward.
fn milliseconds() -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `now` is writable memory for what the call fills in; where it fails, zeros are as
    // good a time as any.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Ends the process by a signal that is being handled, once the handler returns.
fn end_by(number: libc::c_int) {
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::getpid() } == 1 {
        // Signals end no process 1 by themselves. This is the code that a shell tells of one.
        // SAFETY: may be called in a signal handler, and does not return.
        unsafe { libc::_exit(128 + number) };
    }
    raise_by_default(number);
}

/// Runs in a signal: touches nothing but atomics and `errno`, and calls what may be called there:
/// `getpid`, `write`, `clock_gettime`, `sigaction`, `raise` and `_exit`.
extern "C" fn notify(number: libc::c_int) {
    handle(|| {
        // A child that was just forked must not speak in its parent's name.
        if let Some(signal) = Signal::of_number(number).filter(|_| is_owner()) {
            if note(signal) {
                end_by(number);
            }
            wake();
        }
    });
}

/// Runs in a signal of a process that has no [`Signals`] yet, as [`notify`] does. It may have one
/// by the time that this gets on, on another thread.
extern "C" fn note_early(number: libc::c_int) {
    match Signal::of_number(number) {
        Some(Signal::Terminate | Signal::Interrupt) => {
            let code = EARLY_EXIT_CODE.load(Ordering::SeqCst);
            // SAFETY: may be called in a signal handler, and does not return.
            unsafe { libc::_exit(code.into()) }
        }
        Some(signal @ (Signal::HangUp | Signal::Upgrade)) => handle(|| {
            UNREAD.fetch_or(signal.bit(), Ordering::SeqCst);
            // `Signals::new` says where to write, then looks for the bit: one of the two wakes the
            // reader.
            wake();
        }),
        None => {}
    }
}

/// Does what is to be done in a signal. The code that was interrupted gets back the `errno` it may
/// be about to read.
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

/// Whether this process has a [`Signals`]; a child that was just forked has not.
fn is_owner() -> bool {
    // SAFETY: takes nothing and cannot fail.
    let own = unsafe { libc::getpid() };
    own.unsigned_abs() == OWNER.load(Ordering::SeqCst)
}

/// Wakes the reader, if there is one. To be called inside of [`handle`].
fn wake() {
    let sender = SENDER.load(Ordering::SeqCst);
    if sender >= 0 && is_owner() {
        let byte = 0_u8;
        // SAFETY: `byte` is one live, readable byte. The descriptor is open: who takes it out of
        // SENDER closes it only after RUNNING was seen at 0.
        unsafe { libc::write(sender, (&raw const byte).cast(), 1) };
    }
}

/// What is done on a signal.
struct Action(libc::sigaction);

impl Action {
    /// Sets a handler, `notify` or `note_early`, lets the signal through to this thread, and
    /// answers what was set before.
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
        // fills in, and the handler does only what a handler may.
        check(unsafe { libc::sigaction(signal.number(), &raw const action, before.as_mut_ptr()) })?;
        // SAFETY: the call succeeded, so it has filled in all of `before`.
        let before = Self(unsafe { before.assume_init() });
        unblock(signal);
        Ok(before)
    }

    /// Whether it is that of `catch_early_signals`.
    fn is_early(&self) -> bool {
        self.0.sa_sigaction == note_early as *const () as libc::sighandler_t
    }

    fn restore(&self, signal: Signal) {
        // SAFETY: the structure is the one that the system gave for this signal; null asks for no
        // answer. It cannot fail with a signal that could be caught before.
        unsafe { libc::sigaction(signal.number(), &raw const self.0, ptr::null_mut()) };
    }
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Action").finish_non_exhaustive()
    }
}

/// Lets a signal through to this thread: a mask that blocks it is inherited across `exec`, and no
/// handler would ever run.
fn unblock(signal: Signal) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is writable memory of the right type, emptied before anything is added; the
    // last call only reads it, and null asks for no answer. None can fail with a signal that could
    // be caught.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal.number());
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}

fn errno_place() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "redox"))]
    // SAFETY: takes nothing and answers a pointer that is valid on this thread.
    unsafe {
        libc::__errno_location()
    }
    #[cfg(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "dragonfly"
    ))]
    // SAFETY: takes nothing and answers a pointer that is valid on this thread.
    unsafe {
        libc::__error()
    }
    #[cfg(any(target_os = "netbsd", target_os = "openbsd", target_os = "android"))]
    // SAFETY: takes nothing and answers a pointer that is valid on this thread.
    unsafe {
        libc::__errno()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Signals belong to the process: one test at a time.
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
        // As if the handler had been entered before.
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
        // Whoever waits for the descriptor is woken.
        assert_eq!((&signals.receiver).read(&mut [0; 64]).unwrap(), 1);
        let unread = || std::iter::from_fn(|| signals.next().unwrap()).collect::<Vec<_>>();
        assert_eq!(unread(), [Signal::HangUp, Signal::Upgrade]);
        raise(Signal::HangUp);
        raise(Signal::Terminate);
        assert_eq!(unread(), [Signal::Terminate, Signal::HangUp]);

        let second = Signals::new(&[]).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        // More than the socket holds bytes.
        for _ in 0..10_000 {
            raise(Signal::HangUp);
        }
        raise(Signal::Terminate);
        assert_eq!(unread(), [Signal::Terminate, Signal::HangUp]);
        raise(Signal::Interrupt);
        assert_eq!(unread(), [Signal::Interrupt]);
        // Two are two, also of a kind.
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
