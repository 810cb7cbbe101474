//! A session, as observers see it.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ftpdlib_ioloop::Notifier;

use crate::log_prefix::{LogPrefix, Prefix};
use crate::service::Rates;

/// The facts of a session at the time of an event, and control over the session itself.
///
/// It may be kept. After the end of the session, [`close`](Self::close) and
/// [`set_rate`](Self::set_rate) have no effect.
#[derive(Clone)]
pub struct ObservedSession {
    pub(crate) id: u64,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) username: Option<Arc<str>>,
    pub(crate) secure: bool,
    pub(crate) control: Arc<SessionControl>,
}

impl ObservedSession {
    /// A number that no other session of the server has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The client's end of the control connection.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The server's end of the control connection.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The user who was logged in; for a transfer, the user who began it.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// Whether the control connection was under TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Ends the session: the client is told `421`, and a transfer in progress is aborted.
    pub fn close(&self) {
        self.control.close.store(true, Ordering::Release);
        self.control.notifier.notify();
    }

    /// Sets the most bytes per second that this session's data connections receive and send,
    /// including the current one; 0 for no limit. A limit that the user's sessions share also
    /// holds.
    pub fn set_rate(&self, read_limit: u64, write_limit: u64) {
        let control = &self.control;
        control.read_limit.store(read_limit, Ordering::Relaxed);
        control.write_limit.store(write_limit, Ordering::Relaxed);
        control.rate_set.store(true, Ordering::Release);
        control.notifier.notify();
    }

    /// Attaches a value to the session, and drops the former one.
    pub fn set_note<T: Any + Send + Sync>(&self, note: T) {
        let former = self.lock_note().replace(Arc::new(note));
        // Under no lock: what it does when it is dropped may use its session.
        drop(former);
    }

    /// The value attached to the session, if it is a `T`.
    pub fn note<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let note = self.lock_note().clone()?;
        note.downcast().ok()
    }

    /// The prefix of the session's log lines.
    pub(crate) fn log_prefix(&self) -> Prefix<'_> {
        self.control.log_prefix.of(self.peer, self.username())
    }

    fn lock_note(&self) -> std::sync::MutexGuard<'_, Option<Note>> {
        self.control
            .note
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ObservedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedSession")
            .field("id", &self.id)
            .field("peer", &self.peer)
            .field("local", &self.local)
            .field("username", &self.username)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

type Note = Arc<dyn Any + Send + Sync>;

/// What observers have asked of a session.
pub(crate) struct SessionControl {
    notifier: Notifier,
    log_prefix: LogPrefix,
    close: AtomicBool,
    rate_set: AtomicBool,
    read_limit: AtomicU64,
    write_limit: AtomicU64,
    note: Mutex<Option<Note>>,
}

impl SessionControl {
    pub(crate) fn new(notifier: Notifier, log_prefix: LogPrefix) -> Self {
        Self {
            notifier,
            log_prefix,
            close: AtomicBool::new(false),
            rate_set: AtomicBool::new(false),
            read_limit: AtomicU64::new(0),
            write_limit: AtomicU64::new(0),
            note: Mutex::new(None),
        }
    }

    pub(crate) fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Whether the session must end; true only once.
    pub(crate) fn take_close(&self) -> bool {
        self.close.load(Ordering::Acquire) && self.close.swap(false, Ordering::AcqRel)
    }

    /// Whether the session must end.
    pub(crate) fn is_to_close(&self) -> bool {
        self.close.load(Ordering::Acquire)
    }

    /// The rates, if they were set.
    pub(crate) fn rates(&self) -> Option<Rates> {
        self.rate_set.load(Ordering::Acquire).then(|| Rates {
            upload: self.read_limit.load(Ordering::Relaxed),
            download: self.write_limit.load(Ordering::Relaxed),
        })
    }
}
