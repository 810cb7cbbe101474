//! Reaching a running server from elsewhere.

use std::fmt;
use std::fs::File;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use ftpdlib_handlers::{FtpHandler, Service, SettingsError};
use ftpdlib_ioloop::{HandlerId, LoopHandle, Notifier};

use crate::ServerError;
use crate::listeners::{Listeners, PlannedChange};
use crate::placement::Placement;

/// Controls a server from any thread: stops it, changes how new clients are served, and gives its
/// addresses.
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
    /// The server's own loop, until the server is attached to another one.
    io_loop: LoopHandle,
}

/// What a server and its handles share.
pub(crate) struct Shared {
    /// How the next client is served.
    service: Mutex<Arc<Service>>,
    listeners: Listeners,
    /// Notify the handlers that look up names and certificates again.
    refreshers: Mutex<Vec<Notifier>>,
    /// These handlers.
    refresh: OnceLock<Vec<HandlerId>>,
    /// The only connection of this server, as long as its PROXY header has not been read.
    proxy_handshake: OnceLock<HandlerId>,
    placement: Arc<dyn Placement>,
    /// Takes the place of `placement` where other processes serve.
    supervisor: OnceLock<Arc<dyn Placement>>,
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
            listeners: Listeners::new(addresses),
            refreshers: Mutex::default(),
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
        self.supervisor.get().unwrap_or(&self.placement)
    }

    pub(crate) fn set_supervisor(&self, supervisor: Arc<dyn Placement>) {
        // A server is started once.
        let _ = self.supervisor.set(supervisor);
    }

    /// Stops accepting clients; `remove` removes handlers from the accepting loop.
    pub(crate) fn close(&self, mut remove: impl FnMut(HandlerId) -> bool) {
        self.listeners.close(&mut remove);
        let refresh = self.refresh.get().into_iter().flatten();
        for handler in refresh.chain(self.proxy_handshake.get()) {
            remove(*handler);
        }
    }

    /// Has a connection that is no client yet closed together with the listeners.
    pub(crate) fn set_proxy_handshake(&self, handler: HandlerId) {
        // A server is made for one such connection, at most.
        let _ = self.proxy_handshake.set(handler);
    }

    pub(crate) fn set_refresh(&self, handlers: Vec<HandlerId>) {
        // A server is given to one loop, once.
        let _ = self.refresh.set(handlers);
    }

    pub(crate) fn set_attachment(&self, notifier: Notifier) {
        // A server is given to one loop, once.
        let _ = self.attachment.set(notifier);
    }

    pub(crate) fn set_accepting(&self, io_loop: LoopHandle) {
        // A server is given to one loop, once.
        let _ = self.accepting.set(io_loop);
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

    /// Has `new` serve clients that connect from now on. Returns the service it replaces, to be
    /// dropped without a lock: it holds types of the program, whose destructors may use a handle.
    fn replace_service(&self, new: Arc<Service>) -> Arc<Service> {
        let replaced = mem::replace(
            &mut *self.service.lock().unwrap_or_else(PoisonError::into_inner),
            new,
        );
        let refreshers = self.refreshers.lock();
        for refresher in refreshers.unwrap_or_else(PoisonError::into_inner).iter() {
            refresher.notify();
        }
        self.placement().service_replaced();
        replaced
    }

    /// Drops a service that was replaced, on a thread if this process may have any: a log that is
    /// closed with it may take as long as its disk does.
    fn drop_service(&self, replaced: Arc<Service>) {
        if !self.placement().lends_listeners() {
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
        if let Some(mailbox) = self.placement().parent_mailbox() {
            mailbox.clear();
        }
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    pub(crate) fn add_refresher(&self, refresher: Notifier) {
        self.refreshers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(refresher);
    }

    /// Whether the server has ended: no listener, no client.
    pub(crate) fn is_over(&self) -> bool {
        !self.listeners.are_open() && self.clients() == 0
    }
}

impl ServerHandle {
    pub(crate) fn new(shared: Arc<Shared>, io_loop: LoopHandle) -> Self {
        Self { shared, io_loop }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Stops accepting clients; those connected are served on. The server ends with the last one.
    pub fn close(&self) {
        let shared = Arc::clone(&self.shared);
        shared.closing.store(true, Ordering::SeqCst);
        // Either the thread that attaches the server sees `closing`, or this one sees its loop.
        fence(Ordering::SeqCst);
        self.io_loop().call_soon(move |cx| {
            shared.close(|handler| cx.remove(handler));
            shared.wake_accepting();
        });
    }

    /// Stops accepting clients, tells idle ones `421`, and lets transfers in progress end.
    pub fn drain(&self) {
        self.close();
        self.shared.service().sessions().drain();
        self.shared.placement().drain();
    }

    /// Stops accepting clients and disconnects all, without waiting for that.
    pub fn close_all(&self) {
        self.close();
        self.shared.service().sessions().end();
        self.shared.placement().end();
    }

    /// Serves clients that connect from now on as `handler` says; those that are connected keep
    /// their settings.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first setting that cannot be used; nothing changes then.
    pub fn set_handler(&self, handler: impl Into<FtpHandler>) -> Result<(), SettingsError> {
        let renewed = self.new_service(handler.into())?;
        drop(self.shared.replace_service(renewed));
        Ok(())
    }

    /// Does what [`set_handler`](Self::set_handler) and [`set_addresses`](Self::set_addresses) do,
    /// at once, in the loop's next turn: no client gets the new settings at an address that is
    /// given up, nor the former ones at a new address.
    ///
    /// # Errors
    ///
    /// [`ServerError::Settings`] with the first setting that cannot be used, or as for
    /// [`set_addresses`](Self::set_addresses); nothing changes then.
    pub fn set_handler_and_addresses(
        &self,
        handler: impl Into<FtpHandler>,
        addresses: &[SocketAddr],
        backlog: u32,
    ) -> Result<(), ServerError> {
        let renewed = self.new_service(handler.into())?;
        let change = self.plan(addresses, backlog)?;
        let shared = Arc::clone(&self.shared);
        self.io_loop().call_soon(move |cx| {
            // On the loop that accepts, which does nothing in between.
            let replaced = shared.replace_service(renewed);
            shared.listeners.apply(&change, &shared, cx);
            shared.drop_service(replaced);
        });
        Ok(())
    }

    /// Hands an open file, under a number below 128, over to each other process that serves now,
    /// for [`ServeOptions::on_file`](crate::ServeOptions::on_file): such a process may lack the
    /// right to open it. Processes that are started later inherit the files of this one. Does
    /// nothing where this process serves itself.
    pub fn hand_over(&self, number: u8, file: File) {
        if let Some(mailbox) = self.shared.placement().parent_mailbox() {
            mailbox.hand_over(number, file);
        }
    }

    /// Changes the limits on connections; see
    /// [`FtpServerBuilder::max_cons`](crate::FtpServerBuilder::max_cons). Those over a new limit
    /// stay.
    pub fn set_limits(&self, max_cons: usize, max_cons_per_ip: usize) {
        self.shared
            .service()
            .limits()
            .set(max_cons, max_cons_per_ip);
    }

    /// Listens on `addresses` and no others from now on, each new one with a queue of `backlog`
    /// clients. Clients that are connected stay. So do sockets that were given to the server. The
    /// change is made in the loop's next turn, after which [`local_addrs`](Self::local_addrs) shows
    /// it; of several before that, only the last is made. A server that was closed listens nowhere
    /// any more, and nothing is bound for it.
    ///
    /// A listener whose port the system chose is kept for port 0, and for the address that it has.
    ///
    /// `[::]` is for IPv4 clients too, unless `0.0.0.0` is given with the same port. A listener
    /// that accepts these clients already may then be kept, whichever of the two it was bound for.
    ///
    /// Where an address is free only once another one is closed (`0.0.0.0` and one of its own, with
    /// the same port), it is bound later, on the loop; if that fails, it is logged, and the other
    /// one is opened again. Where other processes have the listeners, such a change is refused.
    ///
    /// # Errors
    ///
    /// [`ServerError::Bind`] with the first address that cannot be had, [`ServerError::NoAddress`]
    /// without any; nothing changes then.
    pub fn set_addresses(&self, addresses: &[SocketAddr], backlog: u32) -> Result<(), ServerError> {
        let change = self.plan(addresses, backlog)?;
        let shared = Arc::clone(&self.shared);
        self.io_loop()
            .call_soon(move |cx| shared.listeners.apply(&change, &shared, cx));
        Ok(())
    }

    /// The addresses listened on, with the ports really bound; once the server is closed, the
    /// former ones.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shared.listeners.addresses()
    }

    /// Clients connected now; where worker processes serve, how many of these there are.
    pub fn clients(&self) -> usize {
        self.shared.clients()
    }

    /// The loop that accepts, or that will.
    fn io_loop(&self) -> &LoopHandle {
        self.shared.accepting.get().unwrap_or(&self.io_loop)
    }

    /// Makes a service for `handler`. Reading its certificates may take a while; no lock is held
    /// meanwhile.
    fn new_service(&self, handler: FtpHandler) -> Result<Arc<Service>, SettingsError> {
        let renewed = self.shared.service().renewed(handler)?;
        self.shared.placement().prepare_children(&renewed);
        Ok(renewed)
    }

    /// Binds what has to be bound to listen on `addresses` and no others.
    fn plan(
        &self,
        addresses: &[SocketAddr],
        backlog: u32,
    ) -> Result<Arc<PlannedChange>, ServerError> {
        if addresses.is_empty() {
            return Err(ServerError::NoAddress);
        }
        let frees = !self.shared.placement().lends_listeners();
        self.shared.listeners.plan(addresses, backlog, frees)
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("local_addrs", &self.local_addrs())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::sync::mpsc::{self, Sender};
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::Observer;

    use super::*;
    use crate::{FtpServer, ServeOptions};

    fn handler() -> FtpHandler {
        FtpHandler::new(DummyAuthorizer::new())
    }

    /// A server on 127.0.0.1 that greets with `Old.`, and an address that it could have instead.
    fn server() -> (FtpServer, SocketAddr) {
        let any = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = any.local_addr().unwrap().port();
        drop(any);
        let mut server =
            FtpServer::new((Ipv4Addr::LOCALHOST, port), handler().banner("Old.")).unwrap();
        turn(&mut server);
        (server, SocketAddr::from(([127, 0, 0, 2], port)))
    }

    fn turn(server: &mut FtpServer) {
        let options = ServeOptions::default()
            .handle_exit(false)
            .blocking(false)
            .timeout(Duration::from_millis(10));
        server.serve_forever(options).unwrap();
    }

    /// What the server sends a client first; nothing if the client is not admitted.
    fn greeting(server: &mut FtpServer, mut client: TcpStream) -> String {
        client.set_nonblocking(true).unwrap();
        let mut buffer = [0; 100];
        loop {
            turn(server);
            match client.read(&mut buffer) {
                Ok(length) => return String::from_utf8_lossy(&buffer[..length]).into_owned(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return String::new(),
            }
        }
    }

    #[test]
    fn a_new_address_was_opened_with_the_old_settings() {
        let (mut server, new) = server();
        let old = server.local_addrs()[0];
        let handle = server.handle().unwrap();
        let before = handle.shared().service();
        let renewed = handler().banner("New.");
        handle
            .set_handler_and_addresses(renewed, &[new], 1)
            .unwrap();
        // Neither has changed without the other.
        assert!(Arc::ptr_eq(&before, &handle.shared().service()));
        assert_eq!(server.local_addrs(), [old]);
        let (late, early) = (TcpStream::connect(old), TcpStream::connect(new));
        assert_eq!(greeting(&mut server, early.unwrap()), "220 New.\r\n");
        assert_eq!(greeting(&mut server, late.unwrap()), "");
    }

    #[test]
    fn settings_that_could_not_be_used_moved_the_listeners() {
        let (mut server, new) = server();
        let old = server.local_addrs()[0];
        let handle = server.handle().unwrap();
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for (banner, address) in [("", new), ("New.", taken.local_addr().unwrap())] {
            let renewed = handler().banner(banner);
            let set = handle.set_handler_and_addresses(renewed, &[address], 1);
            assert!(set.is_err(), "{banner}");
            let client = TcpStream::connect(old).unwrap();
            assert_eq!(greeting(&mut server, client), "220 Old.\r\n");
            assert_eq!(server.local_addrs(), [old]);
        }
        TcpListener::bind(new).unwrap();
    }

    /// Uses the server when it is dropped.
    struct Leaving(ServerHandle, Sender<()>);

    impl Observer for Leaving {}

    impl Drop for Leaving {
        fn drop(&mut self) {
            self.0.set_limits(7, 7);
            self.1.send(()).unwrap();
        }
    }

    #[test]
    fn an_observer_that_used_the_server_when_dropped_hung_the_next_set_handler() {
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler()).unwrap();
        let handle = server.handle().unwrap();
        let (left, leaves) = mpsc::channel();
        let leaving = Leaving(handle.clone(), left);
        handle.set_handler(handler().observer(leaving)).unwrap();
        thread::spawn(move || handle.set_handler(handler()).unwrap());
        leaves.recv_timeout(Duration::from_secs(10)).unwrap();
    }
}
