//! Controlling a running server.

use std::fmt;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use ftpdlib_handlers::{FtpHandler, Service, SettingsError};
use ftpdlib_ioloop::LoopHandle;

use crate::ServerError;
use crate::listeners::PlannedChange;
use crate::shared::Shared;

/// Controls a server from any thread: stops it, changes how new clients are served, and gives its
/// addresses.
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
    /// The server's own loop, until the server is attached to another one.
    io_loop: LoopHandle,
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
        shared.note_closing();
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
            shared.listeners().apply(&change, &shared, cx);
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
            .call_soon(move |cx| shared.listeners().apply(&change, &shared, cx));
        Ok(())
    }

    /// The addresses listened on, with the ports really bound; once the server is closed, the
    /// former ones.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shared.listeners().addresses()
    }

    /// Clients connected now; where worker processes serve, how many of these there are.
    pub fn clients(&self) -> usize {
        self.shared.clients()
    }

    /// The loop that accepts, or that will.
    fn io_loop(&self) -> &LoopHandle {
        self.shared.accepting().unwrap_or(&self.io_loop)
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
        self.shared.listeners().plan(addresses, backlog, frees)
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
    use std::thread;
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
