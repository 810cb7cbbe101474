//! A server in a thread of its own.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use crate::{FtpServerBuilder, ServeOptions, ServerError, ServerHandle};

/// A server that runs beside its owner, and ends with this value: dropping it disconnects all
/// clients and waits for the end (pyftpdlib: a `with` block around a server in a thread).
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
    /// What ended it.
    pub fn join(mut self) -> Result<(), ServerError> {
        self.thread.take().map_or(Ok(()), end)
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
        if let Some(thread) = self.thread.take() {
            self.handle.close_all();
            if let Err(error) = end(thread) {
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
    use std::net::Ipv4Addr;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;

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
}
