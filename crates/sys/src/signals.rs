//! Termination signals as something an event loop can wait for.

use std::io::{self, Read};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::thread;

use crate::call::check;

/// A signal that [`Signals`] catches. Complete: whoever is told of signals acts on each of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// `SIGTERM`: stop, as a service manager asks.
    Terminate,
    /// `SIGINT`: stop, as somebody at the terminal asks.
    Interrupt,
    /// `SIGHUP`: read the configuration again.
    HangUp,
    /// `SIGUSR2`: hand over to another program.
    Upgrade,
}

impl Signal {
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
}

/// Catches signals for as long as it lives; they no longer end the process.
///
/// Its descriptor is readable when a signal came, non-blocking, and for reading only:
/// register it with an event loop and call [`next`](Self::next) until that answers `None`. A
/// process that wants its signals left alone makes none.
///
/// A process has at most one. A forked child drops its parent's, whose descriptors it shares, before
/// it makes its own.
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
    #[expect(dead_code, reason = "owned, not read")]
    sender: UnixStream,
    /// Whose it is: a forked child inherits a copy.
    process: u32,
    /// What the handler replaced.
    actions_before: Vec<(Signal, Action)>,
}

impl Signals {
    /// Starts to catch these signals; others do what they did before.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when this process has one; what the calls that make a socket pair or set a
    /// handler answer.
    pub fn new(caught: &[Signal]) -> io::Result<Self> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        // A handler must never wait; where this many signals are unread, one more tells nothing.
        sender.set_nonblocking(true)?;
        let process = process::id();
        if OWNER.swap(process, Ordering::SeqCst) == process {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        SENDER.store(sender.as_raw_fd(), Ordering::SeqCst);
        let mut signals = Self {
            receiver,
            sender,
            process,
            actions_before: Vec::new(),
        };
        for &signal in caught {
            // An error drops `signals`, which restores what was set so far.
            let before = Action::catch(signal)?;
            signals.actions_before.push((signal, before));
        }
        Ok(signals)
    }

    /// The next signal that came; `None` when there is none.
    ///
    /// # Errors
    ///
    /// What `read` answers.
    pub fn next(&self) -> io::Result<Option<Signal>> {
        let mut number = [0];
        loop {
            match (&self.receiver).read(&mut number) {
                Ok(_) => {
                    let number = libc::c_int::from(number[0]);
                    return Ok(Signal::ALL
                        .into_iter()
                        .find(|signal| signal.number() == number));
                }
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
            // Inherited by a forked child that has its own by now.
            return;
        }
        for (signal, action) in &self.actions_before {
            action.restore(*signal);
        }
        SENDER.store(-1, Ordering::SeqCst);
        // A handler on another thread may have read the number before; once none runs, the
        // descriptor can be closed without a stray byte landing in whatever gets its number.
        while RUNNING.load(Ordering::SeqCst) != 0 {
            thread::yield_now();
        }
        OWNER.store(0, Ordering::SeqCst);
    }
}

/// Where the handler writes; -1 for nowhere.
static SENDER: AtomicI32 = AtomicI32::new(-1);

/// The process whose [`Signals`] stands in [`SENDER`]; 0 for none.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// How many threads are inside the handler.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Runs in a signal: touches nothing but atomics, `errno`, `getpid` and `write`.
extern "C" fn notify(number: libc::c_int) {
    RUNNING.fetch_add(1, Ordering::SeqCst);
    let sender = SENDER.load(Ordering::SeqCst);
    // SAFETY: takes nothing and cannot fail.
    let own = unsafe { libc::getpid() };
    // A child that was just forked has its parent's descriptor, and must not speak in its name.
    if sender >= 0 && own.unsigned_abs() == OWNER.load(Ordering::SeqCst) {
        let byte = number as u8;
        let errno = errno_place();
        // SAFETY: `errno` points to this thread's own value, which lives as long as the thread.
        let kept = unsafe { errno.read() };
        // SAFETY: `byte` is one live, readable byte. The descriptor is open: who takes it out of
        // SENDER closes it only after RUNNING was seen at 0.
        unsafe { libc::write(sender, (&raw const byte).cast(), 1) };
        // SAFETY: as above; the code that was interrupted gets back the value it may be about to
        // read.
        unsafe { errno.write(kept) };
    }
    RUNNING.fetch_sub(1, Ordering::SeqCst);
}

/// What is done on a signal.
struct Action(libc::sigaction);

impl Action {
    /// Sets the handler and answers what was set before.
    fn catch(signal: Signal) -> io::Result<Self> {
        // SAFETY: the structure is integers, an integer set and optional pointers; zeros are valid
        // in all of them.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = notify as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the set is live, writable and owned by this frame.
        check(unsafe { libc::sigemptyset(&raw mut action.sa_mask) })?;
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: `action` is live and complete, `before` is writable memory for what the call
        // fills in, and the handler does only what a handler may.
        check(unsafe { libc::sigaction(signal.number(), &raw const action, before.as_mut_ptr()) })?;
        // SAFETY: the call succeeded, so it has filled in all of `before`.
        Ok(Self(unsafe { before.assume_init() }))
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
    use super::*;

    fn raise(signal: Signal) {
        // SAFETY: a caught signal runs the handler on this thread and returns.
        assert_eq!(unsafe { libc::raise(signal.number()) }, 0);
    }

    /// One test, since signals belong to the process.
    #[test]
    fn signals_come_in_order_to_the_only_one() {
        let signals = Signals::new(&Signal::ALL).unwrap();
        raise(Signal::HangUp);
        raise(Signal::Terminate);
        assert_eq!(signals.next().unwrap(), Some(Signal::HangUp));
        assert_eq!(signals.next().unwrap(), Some(Signal::Terminate));
        assert_eq!(signals.next().unwrap(), None);

        let second = Signals::new(&[]).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
        for _ in 0..10_000 {
            raise(Signal::HangUp);
        }
        assert_eq!(signals.next().unwrap(), Some(Signal::HangUp));

        drop(signals);
        let signals = Signals::new(&[Signal::Interrupt]).unwrap();
        raise(Signal::Interrupt);
        assert_eq!(signals.next().unwrap(), Some(Signal::Interrupt));
    }
}
