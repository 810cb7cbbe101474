//! Controlling a running server.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};

use ftpdlib_handlers::{FtpHandler, Service, SettingsError};
use ftpdlib_ioloop::{Context, LoopHandle};

use crate::ServerError;
use crate::accepting::{Listeners, PlannedChange};
use crate::processes::StopRequest;
use crate::shared::Shared;

/// Controls a server from any thread: stops it, changes how new clients are served, and gives its
/// addresses.
///
/// A handle does not keep its server, so observers and others that the server calls may have one.
/// Once the server is gone there is nothing to control: only
/// [`local_addrs`](Self::local_addrs) still does something.
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

    /// `None` once the server is gone.
    pub(crate) fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.upgrade()
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Stops accepting clients; those connected are served on. The server ends with the last one.
    pub fn close(&self) {
        let Some(shared) = self.shared() else {
            return;
        };
        shared.note_closing();
        // Either the thread that attaches the server sees `closing`, or this one sees its loop.
        fence(Ordering::SeqCst);
        self.call_soon(shared, |shared, cx| {
            shared.close(|handler| cx.remove(handler));
            shared.wake_accepting();
        });
    }

    /// Stops accepting clients, tells idle ones `421`, and lets transfers in progress end.
    pub fn drain(&self) {
        self.close();
        if let Some(shared) = self.shared() {
            shared.service().sessions().drain();
            if let Some(mailbox) = shared.mailbox() {
                mailbox.request_stop(StopRequest::Drain);
            }
        }
    }

    /// Stops accepting clients and disconnects all, without waiting for that.
    pub fn close_all(&self) {
        self.close();
        if let Some(shared) = self.shared() {
            shared.service().sessions().end();
            if let Some(mailbox) = shared.mailbox() {
                mailbox.request_stop(StopRequest::CloseAll);
            }
        }
    }

    /// Serves clients that connect from now on as `handler` says; those that are connected keep
    /// their settings, but from 5 seconds later on nobody logs in by these: whoever tries to is
    /// told 421, and has to connect again.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] naming the first setting that cannot be used; nothing changes then.
    pub fn set_handler(&self, handler: impl Into<FtpHandler>) -> Result<(), SettingsError> {
        if let Some(shared) = self.shared() {
            let renewed = new_service(&shared, handler.into())?;
            drop(shared.replace_service(renewed));
        }
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
        let Some(shared) = self.shared() else {
            return Ok(());
        };
        let renewed = new_service(&shared, handler.into())?;
        let change = plan(&shared, addresses, backlog)?;
        self.call_soon(shared, move |shared, cx| {
            // On the loop that accepts, which does nothing in between.
            let replaced = shared.replace_service(renewed);
            shared.listeners().apply(&change, shared, cx);
            shared.drop_service(replaced);
        });
        Ok(())
    }

    /// Hands an open file, under a number below 128, over to each other process that serves now,
    /// for [`ServeOptions::on_file`](crate::ServeOptions::on_file): such a process may lack the
    /// right to open it. Processes that are started later inherit the files of this one. Does
    /// nothing where this process serves itself.
    pub fn hand_over(&self, number: u8, file: File) {
        if let Some(shared) = self.shared()
            && let Some(mailbox) = shared.mailbox()
        {
            mailbox.hand_over(number, file);
        }
    }

    /// Changes the limits on connections; see
    /// [`FtpServerBuilder::max_cons`](crate::FtpServerBuilder::max_cons). Those over a new limit
    /// stay.
    pub fn set_limits(&self, max_cons: usize, max_cons_per_ip: usize) {
        if let Some(shared) = self.shared() {
            let service = shared.service();
            service.limits().set(max_cons, max_cons_per_ip);
        }
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
        let Some(shared) = self.shared() else {
            return Ok(());
        };
        let change = plan(&shared, addresses, backlog)?;
        self.call_soon(shared, move |shared, cx| {
            shared.listeners().apply(&change, shared, cx);
        });
        Ok(())
    }

    /// The addresses listened on, with the ports really bound; once the server is closed, the
    /// former ones.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.addresses()
    }

    /// Clients connected now; where worker processes serve, how many of these there are.
    pub fn clients(&self) -> usize {
        self.shared().map_or(0, |shared| shared.clients())
    }

    /// Has the loop that accepts, or that will, call `callback`.
    fn call_soon(
        &self,
        shared: Arc<Shared>,
        callback: impl FnOnce(&Arc<Shared>, &mut Context<'_>) + Send + 'static,
    ) {
        let io_loop = shared.accepting().unwrap_or(&self.io_loop).clone();
        io_loop.call_soon(move |cx| callback(&shared, cx));
    }
}

/// Makes a service for `handler`. Reading its certificates may take a while; no lock is held
/// meanwhile.
fn new_service(shared: &Shared, handler: FtpHandler) -> Result<Arc<Service>, SettingsError> {
    let renewed = shared.service().renewed(handler)?;
    if shared.supervisor().is_some() {
        // The processes that serve inherit what is found.
        renewed.find_masquerade_address();
    }
    Ok(renewed)
}

/// Binds what has to be bound to listen on `addresses` and no others.
fn plan(
    shared: &Shared,
    addresses: &[SocketAddr],
    backlog: u32,
) -> Result<Arc<PlannedChange>, ServerError> {
    if addresses.is_empty() {
        return Err(ServerError::NoAddress);
    }
    let frees = shared.supervisor().is_none();
    shared.listeners().plan(addresses, backlog, frees)
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
        let before = handle.shared().unwrap().service();
        let renewed = handler().banner("New.");
        handle
            .set_handler_and_addresses(renewed, &[new], 1)
            .unwrap();
        // Neither has changed without the other.
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

    /// What is done to a server whose observer has a handle: nothing of it is left.
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
