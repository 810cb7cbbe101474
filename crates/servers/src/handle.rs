//! Controlling a running server.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};

use ftpdlib_handlers::{FtpHandler, Service, SettingsError};
use ftpdlib_ioloop::{Context, LoopHandle};

use crate::ServerError;
use crate::accepting::Listeners;
use crate::processes::StopRequest;
use crate::shared::Shared;

/// Controls a server from any thread: stops it, changes how it serves new clients, and reports its
/// addresses.
///
/// A handle does not keep its server alive, so observers and other callbacks of the server may hold
/// one. Once the server is gone, only [`local_addrs`](Self::local_addrs) still has an effect.
///
/// # Examples
///
/// Stops a server from another thread:
///
/// ```
/// use std::net::Ipv4Addr;
///
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::FtpHandler;
/// use ftpdlib_servers::{FtpServer, ServeOptions};
///
/// let handler = FtpHandler::new(DummyAuthorizer::new());
/// let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler)?;
/// let handle = server.handle()?;
/// let other = std::thread::spawn(move || handle.close_all());
/// server.serve_forever(ServeOptions::default())?;
/// other.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    shared: Weak<Shared>,
    listeners: Arc<Listeners>,
    /// The server's own loop, until the server is attached to another one.
    io_loop: LoopHandle,
}

impl ServerHandle {
    pub(crate) fn new(shared: &Arc<Shared>, io_loop: LoopHandle) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            listeners: Arc::clone(shared.listeners()),
            io_loop,
        }
    }

    /// Returns the shared state; `None` once the server is gone.
    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Stops accepting clients. Connected clients are still served, and the server ends with the
    /// last one.
    pub fn close(&self) {
        let Some(shared) = self.shared() else {
            return;
        };
        shared.note_closing();
        // Either the thread that attaches the server sees `closing`, or this thread sees the new
        // loop.
        fence(Ordering::SeqCst);
        self.call_soon(shared, |shared, cx| {
            shared.close(|handler| cx.remove(handler));
            shared.wake_accepting();
        });
    }

    /// Stops accepting clients, sends idle ones `421`, and lets transfers in progress end.
    pub fn drain(&self) {
        self.close();
        if let Some(shared) = self.shared() {
            shared.service().sessions().drain();
            if let Some(mailbox) = shared.mailbox() {
                mailbox.request_stop(StopRequest::Drain);
            }
        }
    }

    /// Stops accepting clients and disconnects those connected, without waiting for that.
    pub fn close_all(&self) {
        self.close();
        if let Some(shared) = self.shared() {
            shared.service().sessions().end();
            if let Some(mailbox) = shared.mailbox() {
                mailbox.request_stop(StopRequest::CloseAll);
            }
        }
    }

    /// Serves clients that connect from now on as `handler` says. Connected clients keep their
    /// settings, but 5 seconds later they can no longer log in with them: a client that tries is
    /// sent 421 and has to connect again.
    ///
    /// Of several changes of the settings, the last call counts, even if an earlier
    /// [`set_handler_and_addresses`](Self::set_handler_and_addresses) still waits for its turn.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first invalid setting; nothing changes then.
    pub fn set_handler(&self, handler: impl Into<FtpHandler>) -> Result<(), SettingsError> {
        if let Some(shared) = self.shared() {
            let renewed = new_service(&shared, handler.into())?;
            drop(shared.listeners().take_planned_service());
            drop(shared.replace_service(renewed));
        }
        Ok(())
    }

    /// Does what [`set_handler`](Self::set_handler) and [`set_addresses`](Self::set_addresses) do,
    /// both in the same turn of the loop: no client gets the new settings at an address that is
    /// given up, or the old ones at a new address.
    ///
    /// # Errors
    ///
    /// [`ServerError::Settings`] with the first invalid setting, or as for
    /// [`set_addresses`](Self::set_addresses); nothing changes then.
    pub fn set_handler_and_addresses(
        &self,
        handler: impl Into<FtpHandler>,
        addresses: &[SocketAddr],
        backlog: u32,
    ) -> Result<(), ServerError> {
        let Some(shared) = self.shared() else {
            return Ok(());
        };
        let renewed = new_service(&shared, handler.into())?;
        self.change(shared, Some(renewed), addresses, backlog)
    }

    /// Hands an open file, under a number below 128, to each other process that serves now, for
    /// [`ServeOptions::on_file`](crate::ServeOptions::on_file): such a process may lack the right
    /// to open it. Processes started later inherit the files of this one. Does nothing if this
    /// process serves clients itself.
    pub fn hand_over(&self, number: u8, file: File) {
        if let Some(shared) = self.shared()
            && let Some(mailbox) = shared.mailbox()
        {
            mailbox.hand_over(number, file);
        }
    }

    /// Changes the limits on connections; see
    /// [`FtpServerBuilder::max_cons`](crate::FtpServerBuilder::max_cons). Connections beyond a new
    /// limit stay open.
    pub fn set_limits(&self, max_cons: usize, max_cons_per_ip: usize) {
        if let Some(shared) = self.shared() {
            let service = shared.service();
            service.limits().set(max_cons, max_cons_per_ip);
        }
    }

    /// Listens on exactly these `addresses` from now on, with a queue of `backlog` clients for each
    /// new one. Connected clients stay, and so do sockets that were given to the server. The change
    /// is made in the loop's next turn, after which [`local_addrs`](Self::local_addrs) shows it; of
    /// several changes before that turn, only the last is made. Does nothing once the server is
    /// closed.
    ///
    /// A listener whose port the system chose is kept both for port 0 and for its actual address.
    ///
    /// `[::]` also accepts IPv4 clients, unless `0.0.0.0` is given with the same port. A listener
    /// that already accepts these clients may then be kept, whichever of the two it was bound for.
    ///
    /// An address that is free only once another one is closed (`0.0.0.0` and a specific address
    /// with the same port) is bound later, on the loop; if that fails, the server logs it and opens
    /// the other address again. Such a change is refused if other processes serve, since they hold
    /// the listeners.
    ///
    /// # Errors
    ///
    /// [`ServerError::Bind`] with the first address that cannot be bound,
    /// [`ServerError::NoAddress`] if `addresses` is empty; nothing changes then.
    pub fn set_addresses(&self, addresses: &[SocketAddr], backlog: u32) -> Result<(), ServerError> {
        let Some(shared) = self.shared() else {
            return Ok(());
        };
        self.change(shared, None, addresses, backlog)
    }

    /// Plans the change to `addresses` and to a `renewed` service, binds the new ones, and has the
    /// loop apply it.
    fn change(
        &self,
        shared: Arc<Shared>,
        renewed: Option<Arc<Service>>,
        addresses: &[SocketAddr],
        backlog: u32,
    ) -> Result<(), ServerError> {
        if addresses.is_empty() {
            return Err(ServerError::NoAddress);
        }
        let frees = shared.supervisor().is_none();
        let listeners = shared.listeners();
        let (change, unneeded) = listeners.plan(addresses, backlog, frees, renewed)?;
        drop(unneeded);
        self.call_soon(shared, move |shared, cx| {
            if let Some(replaced) = shared.listeners().apply(&change, shared, cx) {
                shared.drop_service(replaced);
            }
        });
        Ok(())
    }

    /// The addresses that the server listens on, with the ports actually bound; once it is closed,
    /// those it had.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// The number of clients connected now; if worker processes serve, the number of workers.
    pub fn clients(&self) -> usize {
        self.shared().map_or(0, |shared| shared.clients())
    }

    /// Calls `callback` on the loop that accepts, or that will accept.
    fn call_soon(
        &self,
        shared: Arc<Shared>,
        callback: impl FnOnce(&Arc<Shared>, &mut Context<'_>) + Send + 'static,
    ) {
        let io_loop = shared.accepting().unwrap_or(&self.io_loop).clone();
        io_loop.call_soon(move |cx| callback(&shared, cx));
    }
}

/// Creates a service for `handler`. Reading its certificates may take a while, so no lock is held.
fn new_service(shared: &Shared, handler: FtpHandler) -> Result<Arc<Service>, SettingsError> {
    let renewed = shared.service().renewed(handler)?;
    if shared.supervisor().is_some() {
        // The processes that serve inherit the result.
        renewed.find_masquerade_address();
    }
    Ok(renewed)
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
    use std::thread;
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::Observer;
    use ftpdlib_ioloop::IoLoop;

    use super::*;
    use crate::{FtpServer, ServeOptions};

    fn handler() -> FtpHandler {
        FtpHandler::new(DummyAuthorizer::new())
    }

    /// A server on 127.0.0.1 that greets with `Old.`, and an address that it could change to.
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

    /// The server's greeting; empty if the client is not admitted.
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
        let before = handle.shared().unwrap().service();
        let renewed = handler().banner("New.");
        handle
            .set_handler_and_addresses(renewed, &[new], 1)
            .unwrap();
        // Neither the settings nor the addresses have changed alone.
        assert!(Arc::ptr_eq(&before, &handle.shared().unwrap().service()));
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

    /// Checks that `Last.` greets at the address that a server is given by changes before its turn.
    #[track_caller]
    fn check_last(change: impl FnOnce(&ServerHandle, SocketAddr)) {
        let (mut server, new) = server();
        change(&server.handle().unwrap(), new);
        turn(&mut server);
        assert_eq!(server.local_addrs(), [new]);
        let client = TcpStream::connect(new).unwrap();
        assert_eq!(greeting(&mut server, client), "220 Last.\r\n");
    }

    #[test]
    fn settings_that_were_replaced_before_their_turn_came_back() {
        let set_both = |handle: &ServerHandle, banner: &str, address| {
            let renewed = handler().banner(banner);
            let set = handle.set_handler_and_addresses(renewed, &[address], 1);
            set.unwrap();
        };
        check_last(|handle, new| {
            set_both(handle, "First.", new);
            handle.set_handler(handler().banner("Last.")).unwrap();
        });
        check_last(|handle, new| {
            set_both(handle, "First.", new);
            set_both(handle, "Last.", new);
        });
        check_last(|handle, new| {
            set_both(handle, "Last.", handle.local_addrs()[0]);
            handle.set_addresses(&[new], 1).unwrap();
        });
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

    /// Checks that nothing is left of a server whose observer has a handle, after `end`.
    #[track_caller]
    fn check_freed(end: impl FnOnce(FtpServer)) {
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler()).unwrap();
        let handle = server.handle().unwrap();
        let address = server.local_addrs();
        let (left, leaves) = mpsc::channel();
        let leaving = Leaving(handle.clone(), left);
        handle.set_handler(handler().observer(leaving)).unwrap();
        end(server);
        leaves.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!((handle.local_addrs(), handle.clients()), (address, 0));
        handle.close_all();
    }

    #[test]
    fn an_observer_with_a_handle_outlived_its_server() {
        check_freed(drop);
        check_freed(|mut server| {
            turn(&mut server);
            server.close_all().unwrap();
        });
        check_freed(|server| {
            let mut io_loop = IoLoop::new().unwrap();
            server.attach(&mut io_loop).unwrap().close_all();
            io_loop.run().unwrap();
        });
        check_freed(|server| {
            let mut io_loop = IoLoop::new().unwrap();
            server.attach(&mut io_loop).unwrap();
        });
    }
}
