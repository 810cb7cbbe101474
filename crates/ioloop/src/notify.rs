//! How other threads reach a loop.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use crate::context::Context;
use crate::handler::HandlerId;
use crate::panics::drop_safely;

/// A handle to a loop, which stops it or sends it work from any thread.
///
/// Created by [`IoLoop::handle`](crate::IoLoop::handle) and [`Context::handle`].
///
/// # Examples
///
/// ```
/// use ftpdlib_ioloop::IoLoop;
///
/// let mut io_loop = IoLoop::new()?;
/// let handle = io_loop.handle();
/// let thread = std::thread::spawn(move || handle.call_soon(|cx| cx.stop()));
/// io_loop.run_until_stopped()?;
/// # thread.join().unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct LoopHandle {
    remote: Arc<Remote>,
}

impl LoopHandle {
    pub(crate) const fn new(remote: Arc<Remote>) -> Self {
        Self { remote }
    }

    /// Makes the loop's `run` return after its current turn, or at once if it is not running yet:
    /// the request waits for the next `run`. [`IoLoop::turn`](crate::IoLoop::turn) takes no notice
    /// of it.
    pub fn stop(&self) {
        self.remote.request_stop();
        self.remote.call_waker();
    }

    /// Makes the loop call `callback` on the loop's thread in its next turn.
    ///
    /// Returns `false`, and drops `callback`, if the loop is gone.
    pub fn call_soon(&self, callback: impl FnOnce(&mut Context<'_>) + Send + 'static) -> bool {
        self.remote
            .send(|inbox| inbox.calls.push(Box::new(callback)))
    }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopHandle").finish_non_exhaustive()
    }
}

/// Wakes one handler, from any thread.
///
/// Created by [`Context::notifier`]. Cheap to clone, and harmless to keep after the handler is
/// gone.
#[derive(Clone)]
pub struct Notifier {
    flag: Arc<NotifyFlag>,
}

impl Notifier {
    pub(crate) const fn new(flag: Arc<NotifyFlag>) -> Self {
        Self { flag }
    }

    /// Makes the loop call the handler's [`notified`](crate::Handler::notified), once for all
    /// notifications since its last call. What this thread did before notifying is visible to that
    /// call.
    pub fn notify(&self) {
        if !self.flag.pending.swap(true, Ordering::AcqRel) {
            let owner = self.flag.owner;
            self.flag.remote.send(|inbox| inbox.notified.push(owner));
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("owner", &self.flag.owner)
            .finish_non_exhaustive()
    }
}

/// What all notifiers of one handler share: whether a notification is pending.
pub(crate) struct NotifyFlag {
    pending: AtomicBool,
    owner: HandlerId,
    remote: Arc<Remote>,
}

impl NotifyFlag {
    pub(crate) const fn new(owner: HandlerId, remote: Arc<Remote>) -> Self {
        Self {
            pending: AtomicBool::new(false),
            owner,
            remote,
        }
    }

    /// Allows the next notification to be sent.
    pub(crate) fn clear(&self) {
        self.pending.swap(false, Ordering::AcqRel);
    }
}

/// The part of a loop that other threads can use.
pub(crate) struct Remote {
    waker: Mutex<Waker>,
    /// Whether there are messages and the waker was called for them. Saves a turn without messages
    /// the lock, and all senders but the first the system call.
    pending: AtomicBool,
    stop: AtomicBool,
    inbox: Mutex<Inbox>,
}

impl Remote {
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            waker: Mutex::new(waker),
            pending: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            inbox: Mutex::default(),
        }
    }

    /// Swaps the inbox with `empty`, if there are messages.
    pub(crate) fn collect(&self, empty: &mut Inbox) -> bool {
        // Cleared before the lock is taken, so that a message added after the swap wakes the loop
        // again.
        if !self.pending.swap(false, Ordering::AcqRel) {
            return false;
        }
        let mut inbox = self.inbox();
        mem::swap(&mut inbox.notified, &mut empty.notified);
        mem::swap(&mut inbox.calls, &mut empty.calls);
        true
    }

    /// Refuses messages from now on, and drops the pending ones.
    pub(crate) fn close(&self) {
        let mut inbox = self.inbox();
        inbox.closed = true;
        let unread = mem::take(&mut inbox.calls);
        drop(inbox);
        unread.into_iter().for_each(drop_safely);
    }

    pub(crate) fn request_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether a stop was requested; clears the request.
    pub(crate) fn take_stop(&self) -> bool {
        self.stop.load(Ordering::Acquire) && self.stop.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn has_messages(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, put: impl FnOnce(&mut Inbox)) -> bool {
        let mut inbox = self.inbox();
        if inbox.closed {
            return false;
        }
        put(&mut inbox);
        drop(inbox);
        self.wake();
        true
    }

    fn wake(&self) {
        if !self.pending.swap(true, Ordering::AcqRel) {
            self.call_waker();
        }
    }

    fn call_waker(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = waker.wake() {
            log::error!("cannot wake the loop: {error}");
        }
    }

    /// Makes another waker wake the loop from now on.
    pub(crate) fn set_waker(&self, waker: Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = waker;
    }
}

#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) notified: Vec<HandlerId>,
    pub(crate) calls: Vec<Message>,
    closed: bool,
}

type Message = Box<dyn FnOnce(&mut Context<'_>) + Send>;
