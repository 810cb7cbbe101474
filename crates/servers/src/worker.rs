//! What a child process of a server does between its fork and its end.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_handlers::Permit;
use ftpdlib_ioloop::Pool;
use ftpdlib_sys::{Identity, Signal, Signals, exit_at_once};
use mio::net::{TcpListener, TcpStream, UnixStream};

use crate::arrival::Arrival;
use crate::client::Client;
use crate::doors::Listener;
use crate::handle::Shared;
use crate::orders::{Obedience, SERVES};
use crate::placement::Placement;
use crate::{FtpServer, ServeOptions, ServerError};

/// How the children of a server run.
#[derive(Clone, Default)]
pub(crate) struct ChildOptions {
    /// Whom a child becomes before it hears of any client.
    pub(crate) run_as: Option<Identity>,
    /// How long transfers may go on after the parent's death.
    pub(crate) grace: Duration,
    /// How often a child is asked whether its loops turn, if it is.
    pub(crate) watchdog: Option<Duration>,
    /// What the parent catches, too: a child that did not would end in its stead.
    pub(crate) signals: Vec<Signal>,
    /// What becomes of files that the parent hands over.
    pub(crate) on_file: Option<OnFile>,
}

/// Takes a file, with the number that was given to it.
pub(crate) type OnFile = Arc<dyn Fn(u8, File) + Send + Sync>;

/// A child that was just forked, with what it has of its parent.
pub(crate) struct NewChild<'a> {
    pub(crate) link: UnixStream,
    pub(crate) shared: &'a Shared,
    pub(crate) pool: Pool,
    pub(crate) options: &'a ChildOptions,
}

impl NewChild<'_> {
    /// Accepts and serves clients of `listeners`, until the parent says that it is enough.
    pub(crate) fn work(self, listeners: Vec<TcpListener>, placement: Arc<dyn Placement>) -> ! {
        let link = self.link.as_fd().try_clone_to_owned();
        let tell = |mut server: FtpServer| {
            let mut link = net::UnixStream::from(link?);
            // In the first turn of the loop nothing of the start is left that may fail.
            server.io_loop()?.call_later(Duration::ZERO, move |_| {
                if let Err(error) = link.write_all(&[SERVES]) {
                    log::debug!("the parent is not told: {error}");
                }
            });
            Ok(server)
        };
        self.run(tell, listeners, placement)
    }

    /// Serves one client; without a permit, one whose proxy has still to say who it is.
    pub(crate) fn serve(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: Option<Permit>,
        placement: Arc<dyn Placement>,
    ) -> ! {
        let serve = |mut server: FtpServer| {
            let shared = Arc::clone(server.shared());
            let io_loop = server.io_loop()?;
            match permit {
                None => {
                    let arrival = Arrival::new(&shared, stream, peer).staying();
                    shared.set_arrival(io_loop.add(Box::new(arrival))?);
                }
                Some(permit) => {
                    let client = Client::admitted(&shared, stream, peer, None, permit);
                    io_loop.call_later(Duration::ZERO, move |cx| {
                        if let Err(error) = client.serve(cx) {
                            log::debug!("client {peer} left at once: {error}");
                        }
                    });
                }
            }
            // There is no other to wait for. What is looked up is so for as long as this one stays.
            io_loop.call_later(Duration::ZERO, move |cx| shared.doors().close(cx));
            Ok(server)
        };
        self.run(serve, Vec::new(), placement)
    }

    /// Ends the process with what comes of serving: it must never get back to where the parent was
    /// when it forked.
    fn run(
        self,
        prepare: impl FnOnce(FtpServer) -> Result<FtpServer, ServerError>,
        listeners: Vec<TcpListener>,
        placement: Arc<dyn Placement>,
    ) -> ! {
        // The parent takes the end of the link for that of the process, and makes sure of it: so
        // the link has to stay until then, also where what serves has been dropped.
        let _link = self.link.as_fd().try_clone_to_owned();
        let served = catch_unwind(AssertUnwindSafe(|| {
            self.try_run(prepare, listeners, placement)
        }));
        exit_at_once(match served {
            Ok(Ok(())) => 0,
            Ok(Err(error)) => {
                log::error!("process {} failed: {error}", std::process::id());
                1
            }
            // The hook has told of it.
            Err(_panic) => 101,
        })
    }

    fn try_run(
        self,
        prepare: impl FnOnce(FtpServer) -> Result<FtpServer, ServerError>,
        listeners: Vec<TcpListener>,
        placement: Arc<dyn Placement>,
    ) -> Result<(), ServerError> {
        if let Some(identity) = &self.options.run_as {
            identity.assume().map_err(ServerError::Identity)?;
        }
        self.shared.doors().leave_to_parent();
        let signals = match self.options.signals.as_slice() {
            [] => None,
            caught => Some(Signals::new(caught)?),
        };
        let service = self.shared.service();
        service.leave_certificates_to_parent();
        let listeners = listeners.into_iter();
        let listeners = listeners.map(|listener| Listener::given(listener, None));
        let listeners = listeners.collect::<io::Result<_>>()?;
        let mut server = FtpServer::new_listening(service, listeners, self.pool, placement);
        let handle = server.handle()?;
        let obedience = Obedience::new(self.link, signals, handle, self.options.clone());
        server.io_loop()?.add(Box::new(obedience))?;
        let mut server = prepare(server)?;
        server.serve_forever(ServeOptions::default().handle_exit(false))?;
        Ok(())
    }
}
