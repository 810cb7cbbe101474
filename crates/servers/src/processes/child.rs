//! The life of a child process, from its fork to its end.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_handlers::{Permit, Service};
use ftpdlib_ioloop::{Context, Pool, contain};
use ftpdlib_sys::{Identity, Signal, Signals, exit_at_once};
use mio::net::{TcpListener, TcpStream, UnixStream};

use super::parent_link::{ParentLink, READY};
use crate::accepting::{BoundListener, Client, ProxyHandshake, Refused};
use crate::shared::Shared;
use crate::upgrade;
use crate::{FtpServer, ServeOptions, ServerError};

/// How the children of a server run.
#[derive(Clone, Default)]
pub(crate) struct ChildOptions {
    /// The user that a child changes to before it accepts any client.
    pub(crate) run_as: Option<Identity>,
    /// How long transfers may continue after the parent has died.
    pub(crate) grace: Duration,
    /// How often the loops of a child are checked; `None` for never.
    pub(crate) watchdog: Option<Duration>,
    /// The signals that the parent catches. They would end a child that does not catch them.
    pub(crate) signals: Vec<Signal>,
    /// Called with files that the parent hands over.
    pub(crate) on_file: Option<OnFile>,
}

impl From<&ServeOptions> for ChildOptions {
    fn from(options: &ServeOptions) -> Self {
        Self {
            run_as: options.run_as.clone(),
            grace: options.shutdown_grace,
            watchdog: options.watchdog.as_ref().map(|(interval, _)| *interval),
            signals: options.signals(),
            on_file: options.on_file.clone(),
        }
    }
}

/// Receives a file and its number.
pub(crate) type OnFile = Arc<dyn Fn(u8, File) + Send + Sync>;

/// A child that was just forked, with what it inherits from its parent.
pub(crate) struct NewChild<'a> {
    pub(crate) link: UnixStream,
    pub(crate) shared: &'a Shared,
    pub(crate) pool: Pool,
    pub(crate) options: &'a ChildOptions,
}

impl NewChild<'_> {
    /// Accepts and serves clients of `listeners` until the parent asks it to stop.
    pub(crate) fn run_worker(self, listeners: Vec<TcpListener>, cx: &mut Context<'_>) -> ! {
        let link = self.link.as_fd().try_clone_to_owned();
        let prepare = |server| {
            let mut link = net::UnixStream::from(link?);
            let tell_parent = move || {
                if let Err(error) = ftpdlib_sys::expect_broken_pipe(|| link.write_all(&[READY])) {
                    log::debug!("the parent is not told: {error}");
                }
            };
            Ok((server, ServeOptions::default().on_started(tell_parent)))
        };
        self.run(prepare, listeners, cx)
    }

    /// Serves one client. Behind a proxy, the proxy's header comes first.
    pub(crate) fn run_session(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        permit: Permit,
        cx: &mut Context<'_>,
    ) -> ! {
        let mut unserved = Unserved {
            service: self.shared.service(),
            stream: Some(stream),
            peer,
        };
        let prepare = move |mut server: FtpServer| {
            let shared = Arc::clone(server.shared());
            let io_loop = server.io_loop()?;
            let stream = unserved.stream.take().expect("it is taken only here");
            if shared.service().is_proxy(peer.ip()) {
                let proxy_handshake = ProxyHandshake::new(&shared, stream, peer, permit);
                let handler = io_loop.add(Box::new(proxy_handshake.with_token()))?;
                shared.set_proxy_handshake(handler);
            } else {
                let client = Client::admitted(&shared, stream, peer, None, permit);
                io_loop.call_later(Duration::ZERO, move |cx| client.serve(cx));
            }
            // This process accepts no other client.
            io_loop.call_later(Duration::ZERO, move |cx| {
                shared.listeners().close(|handler| cx.remove(handler))
            });
            Ok((server, ServeOptions::default()))
        };
        self.run(prepare, Vec::new(), cx)
    }

    /// Serves, then ends the process, which must never return into the parent's code. Of `cx`, the
    /// copy of the parent's loop, nothing is used but that it leaves its sockets.
    fn run(
        self,
        prepare: impl FnOnce(FtpServer) -> Result<(FtpServer, ServeOptions), ServerError>,
        listeners: Vec<TcpListener>,
        cx: &mut Context<'_>,
    ) -> ! {
        // The parent kills a process whose link has ended. So this copy keeps the link open until
        // the process ends, even after the server is dropped.
        let _link = self.link.as_fd().try_clone_to_owned();
        let who = format!("process {}", std::process::id());
        let run = || {
            // Before the user changes, whom the system may not let look.
            if let Err(error) = cx.leave_sources_to_parent() {
                log::warn!("{who} keeps the sockets of others on the loop of its parent: {error}");
            }
            self.try_run(prepare, listeners)
        };
        exit_at_once(match contain(&who, run) {
            Some(Ok(())) => 0,
            Some(Err(error)) => {
                log::error!("{who} failed: {error}");
                1
            }
            None => 101,
        })
    }

    fn try_run(
        self,
        prepare: impl FnOnce(FtpServer) -> Result<(FtpServer, ServeOptions), ServerError>,
        listeners: Vec<TcpListener>,
    ) -> Result<(), ServerError> {
        if let Some(identity) = &self.options.run_as {
            identity.assume().map_err(ServerError::Identity)?;
        }
        self.shared.leave_to_parent();
        upgrade::leave_to_parent();
        let signals = match self.options.signals.as_slice() {
            [] => None,
            caught => Some(Signals::new(caught)?),
        };
        let (service, placement) = (self.shared.service(), Arc::clone(self.shared.placement()));
        service.leave_certificates_to_parent();
        let listeners = listeners.into_iter();
        let listeners = listeners.map(|listener| BoundListener::from_socket(listener, None));
        let listeners = listeners.collect::<io::Result<_>>()?;
        let mut server = FtpServer::new_listening(service, listeners, self.pool, placement);
        let handle = server.handle()?;
        let parent_link = ParentLink::new(self.link, signals, handle, self.options.clone());
        server.io_loop()?.add(Box::new(parent_link))?;
        let (mut server, options) = prepare(server)?;
        server.serve_forever(options.handle_exit(false))?;
        Ok(())
    }
}

/// A client that gets a refusal when this is dropped with it: no loop can serve it then.
struct Unserved {
    service: Arc<Service>,
    stream: Option<TcpStream>,
    peer: SocketAddr,
}

impl Drop for Unserved {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            Refused::new(&self.service, stream, self.peer).tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener, TcpStream as StdStream};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;

    use crate::FtpServerBuilder;

    use super::*;

    #[test]
    fn a_client_whose_process_could_make_no_loop_got_no_reply() {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
        let service = builder.build().unwrap().shared().service();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for (is_served, expected) in [(false, "421 "), (true, "")] {
            let mut client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, peer) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let mut unserved = Unserved {
                service: Arc::clone(&service),
                stream: Some(TcpStream::from_std(stream)),
                peer,
            };
            if is_served {
                drop(unserved.stream.take());
            }
            drop(unserved);
            let mut told = String::new();
            client.read_to_string(&mut told).unwrap();
            assert!(
                told.starts_with(expected) && told.is_empty() == is_served,
                "{told}"
            );
        }
    }
}
