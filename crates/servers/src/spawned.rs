//! A server that runs in a thread of its own.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use crate::own_threads;
use crate::{FtpServerBuilder, ServeOptions, ServerError, ServerHandle};

/// A server that runs in the background and ends with this value: dropping it disconnects all
/// clients and waits for the server's end (pyftpdlib: a `with` block around a server in a thread).
/// If it is dropped on one of the server's own threads, for example by an observer or a custom
/// command, it does not wait.
///
/// Created by [`FtpServerBuilder::spawn`]; dereferences to the [`ServerHandle`] that it holds.
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
    /// `None` once the thread is joined.
    thread: Option<JoinHandle<Result<(), ServerError>>>,
}

impl SpawnedServer {
    pub(crate) fn start(builder: FtpServerBuilder) -> Result<Self, ServerError> {
        let (tell, told) = mpsc::sync_channel(1);
        // The loop of a server belongs to the thread that created it.
        let thread = thread::Builder::new()
            .name("ftp server".into())
            .spawn(move || {
                own_threads::work_for(Some(thread::current().id()));
                let mut server = builder.build()?;
                let handle = server.handle()?;
                let options = ServeOptions::default().handle_exit(false);
                // Reported only now, because the server may fail before. The receiver is still
                // waiting.
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

    /// Waits until the server has ended, by itself or through its handle.
    ///
    /// # Errors
    ///
    /// The error that ended the server. On one of the server's own threads, where observers and
    /// custom commands run, `join` fails at once, since the server would wait for itself; as when
    /// the value is dropped there, all clients are disconnected.
    pub fn join(mut self) -> Result<(), ServerError> {
        if self.is_own_thread() {
            return Err(io::Error::other("a server cannot wait on a thread of its own").into());
        }
        self.thread.take().map_or(Ok(()), end)
    }

    /// Whether the calling thread works for this server, which waits for it to end.
    fn is_own_thread(&self) -> bool {
        let thread = self.thread.as_ref().map(|thread| thread.thread().id());
        thread.is_some() && thread == own_threads::server()
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
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpStream};
    use std::sync::mpsc::{Receiver, Sender};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::{CustomCommand, FtpHandler, ObservedSession, Observer};
    use ftpdlib_proto::Reply;

    use super::*;
    use crate::Concurrency;

    #[test]
    fn a_server_that_had_failed_to_start_was_spawned() {
        // A process with several threads is not forked.
        let error = FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
            .listen((Ipv4Addr::LOCALHOST, 0))
            .concurrency(Concurrency::MultiProcess)
            .spawn()
            .unwrap_err();
        assert!(error.to_string().contains("thread"), "{error}");
    }

    /// Where the test ends the server, once a client has connected.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Place {
        InlineObserver,
        Observer,
        Command,
    }

    /// Ends the server on one of its own threads.
    struct Ending<F> {
        place: Place,
        server: Mutex<Receiver<SpawnedServer>>,
        end: F,
        ended: Sender<bool>,
    }

    impl<F: Fn(SpawnedServer)> Ending<F> {
        /// Reports whether the server still exists after `end`: it waits for this thread.
        fn end(&self) {
            let server = self.server.lock().unwrap().recv().unwrap();
            let handle = server.handle.clone();
            (self.end)(server);
            self.ended.send(handle.shared().is_some()).unwrap();
        }
    }

    impl<F: Fn(SpawnedServer) + Send + Sync + 'static> Observer for Ending<F> {
        fn is_inline(&self) -> bool {
            self.place == Place::InlineObserver
        }

        fn on_connect(&self, _: &ObservedSession) {
            if self.place != Place::Command {
                self.end();
            }
        }
    }

    #[track_caller]
    fn check_ends(
        place: Place,
        concurrency: Concurrency,
        end: impl Fn(SpawnedServer) + Send + Sync + 'static,
    ) {
        let (give, server) = mpsc::channel();
        let (ended, told) = mpsc::channel();
        let ending = Arc::new(Ending {
            place,
            server: Mutex::new(server),
            end,
            ended,
        });
        let by_command = Arc::clone(&ending);
        let command = CustomCommand::new("SITE END", move |_| {
            by_command.end();
            Reply::new(200, "Ended.")
        });
        let handler = FtpHandler::new(DummyAuthorizer::new())
            .observer(ending)
            .command(command.login_required(false));
        let server = FtpServerBuilder::new(handler)
            .listen((Ipv4Addr::LOCALHOST, 0))
            .concurrency(concurrency)
            .spawn()
            .unwrap();
        let address = server.local_addrs()[0];
        give.send(server).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"SITE END\r\n").unwrap();
        let waits = told.recv_timeout(Duration::from_secs(20));
        assert_eq!(waits, Ok(true), "{place:?} {concurrency:?}");
        // The client is disconnected anyway, by a reset if its line was not read.
        let _ = io::copy(&mut client, &mut io::sink());
    }

    #[track_caller]
    fn check_ends_at_once(place: Place, concurrency: Concurrency) {
        check_ends(place, concurrency, drop);
        check_ends(place, concurrency, |server| {
            assert!(server.join().is_err());
        });
    }

    #[test]
    fn a_server_dropped_on_its_own_thread_panicked() {
        check_ends_at_once(Place::InlineObserver, Concurrency::default());
    }

    #[test]
    fn a_server_dropped_by_a_thread_that_it_waits_for_waited_for_it() {
        for concurrency in [Concurrency::default(), Concurrency::MultiThread] {
            check_ends_at_once(Place::Observer, concurrency);
            check_ends_at_once(Place::Command, concurrency);
        }
        check_ends_at_once(Place::InlineObserver, Concurrency::MultiThread);
    }
}
