//! Reaching a running server from elsewhere.

use std::fs::File;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use ftpdlib_handlers::{FtpHandler, Service, SettingsError};
use ftpdlib_ioloop::{Context, HandlerId, LoopHandle, Notifier};

use crate::ServerError;
use crate::doors::{Doors, Planned};
use crate::placement::Placement;

/// A server as seen from any thread: stops it, changes how new clients are served, tells its
/// addresses.
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
    /// The server's own, which it has until it is attached to another.
    io_loop: LoopHandle,
}

/// What a server and its handles share.
pub(crate) struct Shared {
    /// Serves the next client.
    service: Mutex<Arc<Service>>,
    doors: Doors,
    /// Looks again at what has to be looked up.
    refreshers: Mutex<Vec<Notifier>>,
    /// Does so from time to time.
    refresh: OnceLock<Vec<HandlerId>>,
    /// The connection that the server is there for alone, while it has not said whose it is.
    arrival: OnceLock<HandlerId>,
    placement: Arc<dyn Placement>,
    /// Has other processes do what `placement` does, where that is wanted.
    supervisor: OnceLock<Arc<dyn Placement>>,
    /// The loop that accepts, once there is one; it waits for the end.
    accepting: OnceLock<LoopHandle>,
    /// A handle was told to let nobody in any more.
    closing: AtomicBool,
    /// Clients that were let in and have not gone, wherever they are served.
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
            doors: Doors::new(addresses),
            refreshers: Mutex::default(),
            refresh: OnceLock::new(),
            arrival: OnceLock::new(),
            placement,
            supervisor: OnceLock::new(),
            accepting: OnceLock::new(),
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

    /// Accepts nobody any more, on the loop that did.
    pub(crate) fn close(&self, cx: &mut Context<'_>) {
        self.doors.close(cx);
        let refresh = self.refresh.get().into_iter().flatten();
        for handler in refresh.chain(self.arrival.get()) {
            cx.remove(*handler);
        }
    }

    /// Has a connection that is no client yet go with the doors.
    pub(crate) fn set_arrival(&self, handler: HandlerId) {
        // A server is made for one, at the most.
        let _ = self.arrival.set(handler);
    }

    pub(crate) fn set_refresh(&self, handlers: Vec<HandlerId>) {
        // A server is given to one loop, once.
        let _ = self.refresh.set(handlers);
    }

    pub(crate) fn set_accepting(&self, io_loop: LoopHandle) {
        // A server is given to one loop, once.
        let _ = self.accepting.set(io_loop);
    }

    /// Whether a handle was told to let nobody in any more, be it before there was a loop that did.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Counts a client that was let in.
    pub(crate) fn enter(&self) {
        self.clients.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts it no more, and lets the accepting loop see whether it was the last.
    pub(crate) fn leave(&self) {
        self.clients.fetch_sub(1, Ordering::SeqCst);
        if !self.doors.are_open()
            && let Some(accepting) = self.accepting.get()
        {
            accepting.call_soon(|_| {});
        }
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::SeqCst)
    }

    pub(crate) fn service(&self) -> Arc<Service> {
        Arc::clone(&self.service.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves the clients to come as `renewed` says. Answers what served until now, to be dropped
    /// without a lock: a program's own types go with it, which may use a handle.
    fn renew(&self, renewed: Arc<Service>) -> Arc<Service> {
        let replaced = mem::replace(
            &mut *self.service.lock().unwrap_or_else(PoisonError::into_inner),
            renewed,
        );
        let refreshers = self.refreshers.lock();
        for refresher in refreshers.unwrap_or_else(PoisonError::into_inner).iter() {
            refresher.notify();
        }
        self.placement().renew();
        replaced
    }

    /// Drops what served until now, on a thread where this process may have any: a log that is closed
    /// with it may take as long as its disk does.
    fn let_go(&self, replaced: Arc<Service>) {
        if !self.placement().lends_listeners() {
            // Without a thread it is dropped here.
            let _ = thread::Builder::new()
                .name("retired".into())
                .spawn(move || drop(replaced));
        }
    }

    /// Looks the name of the masquerade address of `service` up where children are to serve, which
    /// have it from here.
    pub(crate) fn prepare_children(&self, service: &Service) {
        if self.placement.lends_listeners() {
            service.find_masquerade_address();
        }
    }

    pub(crate) fn doors(&self) -> &Doors {
        &self.doors
    }

    pub(crate) fn add_refresher(&self, refresher: Notifier) {
        self.refreshers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(refresher);
    }

    /// Whether nothing will happen any more: no listener, no client.
    pub(crate) fn is_over(&self) -> bool {
        !self.doors.are_open() && self.clients() == 0
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
        // Either the loop that is about to serve sees this, or it is seen here.
        fence(Ordering::SeqCst);
        self.io_loop().call_soon(move |cx| shared.close(cx));
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

    /// Serves clients that connect from now on as `handler` says; those connected keep what they
    /// have.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first setting that cannot be used; nothing changes then.
    pub fn set_handler(&self, handler: impl Into<FtpHandler>) -> Result<(), SettingsError> {
        let renewed = self.renewed(handler.into())?;
        drop(self.shared.renew(renewed));
        Ok(())
    }

    /// Does what [`set_handler`](Self::set_handler) and [`set_addresses`](Self::set_addresses) do,
    /// at once, in the loop's next turn: nobody is served as `handler` says at an address that goes,
    /// nor as was said before at one that comes.
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
        let renewed = self.renewed(handler.into())?;
        let change = self.plan(addresses, backlog)?;
        let shared = Arc::clone(&self.shared);
        self.io_loop().call_soon(move |cx| {
            // On the loop that accepts, which does nothing in between.
            let replaced = shared.renew(renewed);
            shared.doors.make(&change, &shared, cx);
            shared.let_go(replaced);
        });
        Ok(())
    }

    /// Hands an open file, under a number below 128, over to each other process that serves now, for
    /// [`ServeOptions::on_file`](crate::ServeOptions::on_file): such a process may lack the right to
    /// open it. Processes that are started later have what this one has by then. Does nothing where
    /// this process serves itself.
    pub fn hand_over(&self, number: u8, file: File) {
        if let Some(crew) = self.shared.placement().crew() {
            crew.hand_over(number, file);
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
    /// change is made in the loop's next turn, where [`local_addrs`](Self::local_addrs) tells it; the
    /// last of several before that counts. A server that was closed listens nowhere any more, and
    /// nothing is bound for it.
    ///
    /// `[::]` is for IPv4 clients too, unless `0.0.0.0` is given with the same port; what listens
    /// already for just these clients may then be kept, whichever of the two it was bound for.
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
            .call_soon(move |cx| shared.doors.make(&change, &shared, cx));
        Ok(())
    }

    /// The addresses listened on, with the ports really bound; once the server is closed, those of
    /// before.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shared.doors.addresses()
    }

    /// Clients connected now; where worker processes serve, how many of these there are.
    pub fn clients(&self) -> usize {
        self.shared.clients()
    }

    /// The loop that accepts, or will.
    fn io_loop(&self) -> &LoopHandle {
        self.shared.accepting.get().unwrap_or(&self.io_loop)
    }

    /// What serves clients as `handler` says. Certificates are read, which may take its time;
    /// nobody waits for a lock meanwhile.
    fn renewed(&self, handler: FtpHandler) -> Result<Arc<Service>, SettingsError> {
        let renewed = self.shared.service().renewed(handler)?;
        self.shared.prepare_children(&renewed);
        Ok(renewed)
    }

    /// Binds what has to be bound to listen on `addresses` and no others.
    fn plan(&self, addresses: &[SocketAddr], backlog: u32) -> Result<Arc<Planned>, ServerError> {
        if addresses.is_empty() {
            return Err(ServerError::NoAddress);
        }
        let frees = !self.shared.placement().lends_listeners();
        self.shared.doors.plan(addresses, backlog, frees)
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

    /// What the server says to a client, who is not let in where that is nothing.
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
