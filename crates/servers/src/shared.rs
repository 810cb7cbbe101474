//! What the parts of a server share, wherever they run.

use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use ftpdlib_handlers::{Reach, Service};
use ftpdlib_ioloop::{HandlerId, LoopHandle, Notifier};

use crate::accepting::Listeners;
use crate::placement::Placement;
use crate::processes::{ParentMailbox, Supervisor};

/// What the parts of a server share. Handles do not keep it alive.
///
/// A server is given to one loop, once; what is set then is never set again.
pub(crate) struct Shared {
    /// Serves the next client.
    service: Mutex<Arc<Service>>,
    /// Handles hold the listeners too, even when the server is gone.
    listeners: Arc<Listeners>,
    /// Notifies the handler that looks up names and certificates again.
    refresh: OnceLock<Notifier>,
    /// The only connection of this server, until its PROXY header is read.
    proxy_handshake: OnceLock<HandlerId>,
    placement: Arc<dyn Placement>,
    /// Supervises the other processes that serve, each with the `placement`.
    supervisor: OnceLock<Arc<dyn Supervisor>>,
    /// The loop that accepts, once there is one. It runs until the last client has left.
    accepting: OnceLock<LoopHandle>,
    /// Notifies the handler that keeps a program's own loop busy until the server is over.
    attachment: OnceLock<Notifier>,
    /// Whether a handle was used to close the server.
    closing: AtomicBool,
    /// The clients that were admitted and have not left, wherever they are served.
    clients: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(
        service: Arc<Service>,
        addresses: Vec<SocketAddr>,
        placement: Arc<dyn Placement>,
    ) -> Self {
        Self {
            service: Mutex::new(service),
            listeners: Arc::new(Listeners::new(addresses)),
            refresh: OnceLock::new(),
            proxy_handshake: OnceLock::new(),
            placement,
            supervisor: OnceLock::new(),
            accepting: OnceLock::new(),
            attachment: OnceLock::new(),
            closing: AtomicBool::new(false),
            clients: AtomicUsize::new(0),
        }
    }

    pub(crate) fn placement(&self) -> &Arc<dyn Placement> {
        &self.placement
    }

    /// The supervisor of the other processes that serve; `None` if this process serves.
    pub(crate) fn supervisor(&self) -> Option<&Arc<dyn Supervisor>> {
        self.supervisor.get()
    }

    pub(crate) fn set_supervisor(&self, supervisor: Arc<dyn Supervisor>) {
        // A server is started once, but may have had this supervisor since it was built.
        let _ = self.supervisor.set(supervisor);
    }

    /// Takes requests for the processes that serve; `None` if this process serves.
    pub(crate) fn mailbox(&self) -> Option<&Arc<ParentMailbox>> {
        self.supervisor().map(|supervisor| supervisor.mailbox())
    }

    /// The name of the concurrency model in the log and in the configuration.
    pub(crate) fn model(&self) -> &'static str {
        match self.supervisor() {
            Some(supervisor) => supervisor.model(),
            None => self.placement.model(),
        }
    }

    /// Stops accepting clients; `remove` removes handlers from the accepting loop.
    pub(crate) fn close(&self, mut remove: impl FnMut(HandlerId) -> bool) {
        self.listeners.close(&mut remove);
        if let Some(handler) = self.proxy_handshake.get() {
            remove(*handler);
        }
        self.wake_refresh();
    }

    /// Makes [`close`](Self::close) end this connection, which is not a client yet.
    pub(crate) fn set_proxy_handshake(&self, handler: HandlerId) {
        // A server is created for at most one such connection.
        let _ = self.proxy_handshake.set(handler);
    }

    pub(crate) fn set_refresh(&self, notifier: Notifier) {
        let _ = self.refresh.set(notifier);
    }

    pub(crate) fn set_attachment(&self, notifier: Notifier) {
        let _ = self.attachment.set(notifier);
    }

    pub(crate) fn set_accepting(&self, io_loop: LoopHandle) {
        let _ = self.accepting.set(io_loop);
    }

    pub(crate) fn accepting(&self) -> Option<&LoopHandle> {
        self.accepting.get()
    }

    /// Notes that a handle was used to close the server.
    pub(crate) fn note_closing(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Whether a handle was used to close the server, possibly before there was a loop that
    /// accepts.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Counts a client that was admitted.
    pub(crate) fn add_client(&self) {
        self.clients.fetch_add(1, Ordering::SeqCst);
    }

    /// Stops counting a client, and wakes the accepting loop, which checks whether it was the last.
    pub(crate) fn remove_client(&self) {
        self.clients.fetch_sub(1, Ordering::SeqCst);
        if !self.listeners.are_open() {
            self.wake_accepting();
        }
    }

    /// Has the accepting loop check whether the server is over.
    pub(crate) fn wake_accepting(&self) {
        if let Some(attachment) = self.attachment.get() {
            attachment.notify();
        } else if let Some(accepting) = self.accepting.get() {
            accepting.call_soon(|_| {});
        }
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::SeqCst)
    }

    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has `new` serve clients that connect from now on; clients that connected earlier soon cannot
    /// log in any more. Returns the replaced service, which must be dropped without a lock held: it
    /// holds types of the program, whose destructors may use a handle.
    pub(crate) fn replace_service(&self, new: Arc<Service>) -> Arc<Service> {
        let mut current = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        new.take_over(&current);
        let replaced = mem::replace(&mut *current, Arc::clone(&new));
        drop(current);
        self.wake_refresh();
        match self.mailbox() {
            // The owner of the children knows when the last one that uses an earlier service
            // retires.
            Some(mailbox) => mailbox.notify_service_replaced(),
            None => new.outdate_others(Reach::ThisProcess),
        }
        replaced
    }

    /// Soon stops the clients of this server from logging in: another server has taken over.
    pub(crate) fn end_logins(&self) {
        self.service().outdate(match self.supervisor() {
            Some(_) => Reach::AllProcesses,
            None => Reach::ThisProcess,
        });
    }

    /// Drops a replaced service, on a thread if this process may have any: dropping it may close a
    /// log, which may take as long as the disk does.
    pub(crate) fn drop_service(&self, replaced: Arc<Service>) {
        if self.supervisor().is_none() {
            // If the thread cannot be started, the service is dropped here.
            let _ = thread::Builder::new()
                .name("retired".into())
                .spawn(move || drop(replaced));
        }
    }

    /// In a child process: drops its copies of the parent's listeners, and of the listeners and
    /// files that the parent has yet to pass on to its children.
    pub(crate) fn leave_to_parent(&self) {
        self.listeners.leave_to_parent();
        if let Some(mailbox) = self.mailbox() {
            mailbox.clear();
        }
    }

    pub(crate) fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    /// Whether the server has ended: it has no listener and no client.
    pub(crate) fn is_over(&self) -> bool {
        !self.listeners.are_open() && self.clients() == 0
    }

    /// Tells the refresh handler that the service was replaced, or that the server no longer
    /// listens.
    fn wake_refresh(&self) {
        if let Some(refresh) = self.refresh.get() {
            refresh.notify();
        }
    }
}
