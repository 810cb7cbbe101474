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

/// What the parts of a server share. Its handles do not keep it.
pub(crate) struct Shared {
    /// How the next client is served.
    service: Mutex<Arc<Service>>,
    /// The handles have them, too, also when the server is gone.
    listeners: Arc<Listeners>,
    /// Notifies the handler that looks up names and certificates again.
    refresh: OnceLock<Notifier>,
    /// The only connection of this server, as long as its PROXY header has not been read.
    proxy_handshake: OnceLock<HandlerId>,
    placement: Arc<dyn Placement>,
    /// Has other processes serve, each with the `placement`.
    supervisor: OnceLock<Arc<dyn Supervisor>>,
    /// The loop that accepts, once there is one. It waits for the last client to leave.
    accepting: OnceLock<LoopHandle>,
    /// Notifies the handler that waits for the server's end on the loop of a program.
    attachment: OnceLock<Notifier>,
    /// A handle was used to close the server.
    closing: AtomicBool,
    /// Clients that were admitted and have not left, wherever they are served.
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

    /// What has other processes serve; `None` if this one does.
    pub(crate) fn supervisor(&self) -> Option<&Arc<dyn Supervisor>> {
        self.supervisor.get()
    }

    pub(crate) fn set_supervisor(&self, supervisor: Arc<dyn Supervisor>) {
        // A server is started once. It may have this one since it was built.
        let _ = self.supervisor.set(supervisor);
    }

    /// Where to send requests for the processes that serve; `None` if this one does.
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

    /// Has a connection that is no client yet closed together with the listeners.
    pub(crate) fn set_proxy_handshake(&self, handler: HandlerId) {
        // A server is made for one such connection, at most.
        let _ = self.proxy_handshake.set(handler);
    }

    pub(crate) fn set_refresh(&self, notifier: Notifier) {
        // A server is given to one loop, once.
        let _ = self.refresh.set(notifier);
    }

    pub(crate) fn set_attachment(&self, notifier: Notifier) {
        // A server is given to one loop, once.
        let _ = self.attachment.set(notifier);
    }

    pub(crate) fn set_accepting(&self, io_loop: LoopHandle) {
        // A server is given to one loop, once.
        let _ = self.accepting.set(io_loop);
    }

    pub(crate) fn accepting(&self) -> Option<&LoopHandle> {
        self.accepting.get()
    }

    /// Notes that a handle was used to close the server.
    pub(crate) fn note_closing(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Whether a handle was used to close the server, also before there was a loop that accepts.
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

    /// Has the accepting loop look whether the server is over.
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

    /// Has `new` serve clients that connect from now on, and nobody log in, soon, who has
    /// connected before. Returns the service it replaces, to be dropped without a lock: it holds
    /// types of the program, whose destructors may use a handle.
    pub(crate) fn replace_service(&self, new: Arc<Service>) -> Arc<Service> {
        let mut current = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        new.take_over(&current);
        let replaced = mem::replace(&mut *current, Arc::clone(&new));
        drop(current);
        self.wake_refresh();
        match self.mailbox() {
            // Whoever has the children knows when they serve nobody else as before.
            Some(mailbox) => mailbox.notify_service_replaced(),
            None => new.outdate_others(Reach::ThisProcess),
        }
        replaced
    }

    /// Has nobody log in, soon, who has connected to this server: another one has taken over.
    pub(crate) fn end_logins(&self) {
        self.service().outdate(match self.supervisor() {
            Some(_) => Reach::AllProcesses,
            None => Reach::ThisProcess,
        });
    }

    /// Drops a service that was replaced, on a thread if this process may have any: a log that is
    /// closed with it may take as long as its disk does.
    pub(crate) fn drop_service(&self, replaced: Arc<Service>) {
        if self.supervisor().is_none() {
            // Without a thread it is dropped here.
            let _ = thread::Builder::new()
                .name("retired".into())
                .spawn(move || drop(replaced));
        }
    }

    /// In a child process: drops its copies of the parent's listeners, and of what the parent has
    /// for its children.
    pub(crate) fn leave_to_parent(&self) {
        self.listeners.leave_to_parent();
        if let Some(mailbox) = self.mailbox() {
            mailbox.clear();
        }
    }

    pub(crate) fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    /// Whether the server has ended: no listener, no client.
    pub(crate) fn is_over(&self) -> bool {
        !self.listeners.are_open() && self.clients() == 0
    }

    /// Has what is looked up again take in that the service was replaced, or that the server does
    /// not listen any more.
    fn wake_refresh(&self) {
        if let Some(refresh) = self.refresh.get() {
            refresh.notify();
        }
    }
}
