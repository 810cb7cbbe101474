//! A server in a thread of its own.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use crate::{FtpServerBuilder, ServeOptions, ServerError, ServerHandle};

/// A server that runs beside its owner, and ends with this value: dropping it disconnects all
/// clients and waits for the end (pyftpdlib: a `with` block around a server in a thread). Dropped
/// on that thread, by an inline observer for example, it waits for nothing.
///
/// Made by [`FtpServerBuilder::spawn`]; used like the [`ServerHandle`] that it holds.
///
/// # Examples
///
/// ```
/// use std::net::Ipv4Addr;
///
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::FtpHandler;
/// use ftpdlib_servers::FtpServerBuilder;
///
/// let server = FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
///     .listen((Ipv4Addr::LOCALHOST, 0))
///     .spawn()?;
/// std::net::TcpStream::connect(server.local_addrs()[0])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it ends the server"]
pub struct SpawnedServer {
    handle: ServerHandle,
    /// `None` once it was joined.
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl SpawnedServer {
    pub(crate) fn start(builder: FtpServerBuilder) -> Result<Self, ServerError> {
        let (tell, told) = mpsc::sync_channel(1);
        // The loop of a server belongs to the thread that made it.
        let thread = thread::Builder::new()
            .name("ftp server".into())
            .spawn(move || {
                let mut server = builder.build()?;
                let handle = server.handle()?;
                let options = ServeOptions::default().handle_exit(false);
                // Before that, the server may fail. The receiver waits for it.
                let options = options.on_started(move || drop(tell.send(handle)));
                server.serve_forever(options).map(drop)
            })?;
        match told.recv() {
            Ok(handle) => Ok(Self {
                handle,
                thread: Some(thread),
            }),
            Err(_) => Err(end(thread).err().unwrap_or_else(panicked)),
        }
    }

    /// Waits until the server has ended by itself, or through its handle.
    ///
    /// # Errors
    ///
    /// What ended it. On the server's own thread, which cannot wait for itself, an error at once;
    /// as when it is dropped there, all clients are disconnected.
    pub fn join(mut self) -> Result<(), ServerError> {
        if self.is_own_thread() {
            return Err(io::Error::other("a server cannot wait on its own thread").into());
        }
        self.thread.take().map_or(Ok(()), end)
    }

    /// Whether the thread of the server is the one that calls.
    fn is_own_thread(&self) -> bool {
        let own = thread::current().id();
        let thread = self.thread.as_ref().map(JoinHandle::thread);
        thread.is_some_and(|thread| thread.id() == own)
    }
}

impl fmt::Debug for SpawnedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnedServer")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

impl Deref for SpawnedServer {
    type Target = ServerHandle;

    fn deref(&self) -> &ServerHandle {
        &self.handle
    }
}

impl Drop for SpawnedServer {
    fn drop(&mut self) {
        let is_own_thread = self.is_own_thread();
        if let Some(thread) = self.thread.take() {
            self.handle.close_all();
            if !is_own_thread && let Err(error) = end(thread) {
                log::error!("the server failed: {error}");
            }
        }
    }
}

fn end(thread: JoinHandle<Result<(), ServerError>>) -> Result<(), ServerError> {
    thread.join().unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> ServerError {
    io::Error::other("the thread of the server panicked").into()
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender};
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::{FtpHandler, ObservedSession, Observer};

    use super::*;
    use crate::Concurrency;

    #[test]
    fn a_server_that_had_failed_to_start_was_spawned() {
        // A process that has threads is not forked.
        let error = FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
            .listen((Ipv4Addr::LOCALHOST, 0))
            .concurrency(Concurrency::MultiProcess)
            .spawn()
            .unwrap_err();
        assert!(error.to_string().contains("thread"), "{error}");
    }

    /// Ends the server on its own thread, when a client connects.
    struct Ending<F> {
        server: Mutex<Receiver<SpawnedServer>>,
        end: F,
        ended: Sender<()>,
    }

    impl<F: Fn(SpawnedServer) + Send + Sync + 'static> Observer for Ending<F> {
        fn is_inline(&self) -> bool {
            true
        }

        fn on_connect(&self, _: &ObservedSession) {
            (self.end)(self.server.lock().unwrap().recv().unwrap());
            self.ended.send(()).unwrap();
        }
    }

    #[track_caller]
    fn check_ends(end: impl Fn(SpawnedServer) + Send + Sync + 'static) {
        let (give, server) = mpsc::channel();
        let (ended, told) = mpsc::channel();
        let server = Mutex::new(server);
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let server = FtpServerBuilder::new(handler.observer(Ending { server, end, ended }))
            .listen((Ipv4Addr::LOCALHOST, 0))
            .spawn()
            .unwrap();
        let address = server.local_addrs()[0];
        give.send(server).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        // The client is disconnected nevertheless.
        io::copy(&mut client, &mut io::sink()).unwrap();
    }

    #[test]
    fn a_server_dropped_on_its_own_thread_panicked() {
        check_ends(drop);
        check_ends(|server| assert!(server.join().is_err()));
    }
}
