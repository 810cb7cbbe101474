//! A client between being accepted and being served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ftpdlib_handlers::{Connection, LimitReached, Permit, ProxiedClient, Service};
use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId, is_of_peer};
use mio::net::TcpStream;

use super::refused::Refused;
use crate::shared::Shared;

/// A client that was admitted and is about to be served, on some loop.
pub(crate) struct Client {
    service: Arc<Service>,
    stream: TcpStream,
    peer: SocketAddr,
    /// The addresses from the PROXY header, if the client came through a proxy.
    proxied: Option<ProxiedClient>,
    permit: Permit,
    token: ClientToken,
    load: Option<LoadGuard>,
}

/// Admits a client and has it served, as the concurrency model decides.
pub(crate) fn accept(
    shared: &Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    cx: &mut Context<'_>,
) {
    let service = shared.service();
    match service.limits().acquire(peer.ip().to_canonical()) {
        Ok(permit) => {
            let client = Client::admitted(shared, stream, peer, None, permit);
            place(client, shared, cx);
        }
        Err(limit) => Refused::new(&service, &stream, peer).over(limit),
    }
}

/// Like `accept`, for a connection counted with `permit` that a proxy made for the client
/// `proxied`; if that is `None`, the proxy itself, at `proxy`, is the client.
pub(crate) fn accept_proxied(
    permit: Permit,
    shared: &Arc<Shared>,
    stream: TcpStream,
    proxy: SocketAddr,
    proxied: Option<ProxiedClient>,
    cx: &mut Context<'_>,
) {
    let peer = proxied.map_or(proxy, |client| client.peer);
    match permit.name(peer.ip().to_canonical()) {
        Ok(permit) => {
            let client = Client::admitted(shared, stream, peer, proxied, permit);
            place(client, shared, cx);
        }
        Err(limit) => Refused::new(&shared.service(), &stream, peer).over(limit),
    }
}

/// Has a client served where the concurrency model decides.
fn place(client: Client, shared: &Shared, cx: &mut Context<'_>) {
    let peer = client.peer;
    if let Err(error) = shared.placement().place(client, cx) {
        log_lost(peer, &error);
    }
}

/// Logs why a client that was admitted is not served.
fn log_lost(peer: SocketAddr, error: &io::Error) {
    if is_of_peer(error) {
        log::debug!("client {peer} left at once: {error}");
    } else {
        log::warn!("client {peer} disconnected, since it cannot be served: {error}");
    }
}

impl Client {
    /// Creates a client that was admitted with `permit`.
    pub(crate) fn admitted(
        shared: &Arc<Shared>,
        stream: TcpStream,
        peer: SocketAddr,
        proxied: Option<ProxiedClient>,
        permit: Permit,
    ) -> Self {
        Self {
            service: shared.service(),
            stream,
            peer,
            proxied,
            permit,
            token: ClientToken::new(shared),
            load: None,
        }
    }

    /// Counts the client among those of one loop until it leaves.
    pub(crate) fn count_with(&mut self, load: &Arc<AtomicUsize>) {
        self.load = Some(LoadGuard::new(load));
    }

    /// Serves the client on the calling loop. Logs it if the client is gone or the loop cannot take
    /// its socket.
    pub(crate) fn serve(self, cx: &mut Context<'_>) {
        let peer = self.peer;
        if let Err(error) = self.try_serve(cx) {
            log_lost(peer, &error);
        }
    }

    fn try_serve(self, cx: &mut Context<'_>) -> io::Result<()> {
        let (service, stream) = (&self.service, self.stream);
        let connection = match self.proxied {
            None => Connection::new(service, stream, self.peer, self.permit)?,
            Some(client) => Connection::proxied(service, stream, client, self.permit)?,
        };
        cx.add(Box::new(CountedConnection {
            connection,
            token: self.token,
            load: self.load,
        }))?;
        Ok(())
    }

    /// Refuses the client because it exceeds `limit`.
    pub(crate) fn refuse_over(self, limit: LimitReached) {
        self.refused().over(limit);
    }

    /// Tells the client that it cannot be served and disconnects it; only the log gets the reason.
    pub(crate) fn reject(self, reason: &io::Error) {
        self.refused().because(reason);
    }

    fn refused(&self) -> Refused<'_> {
        Refused::new(&self.service, &self.stream, self.peer)
    }
}

/// Held for each connected client, and for each process that serves. The server is not over while
/// one exists; dropping the last one wakes the loop that waits for that.
pub(crate) struct ClientToken {
    shared: Arc<Shared>,
}

impl ClientToken {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.add_client();
        Self {
            shared: Arc::clone(shared),
        }
    }
}

impl Drop for ClientToken {
    fn drop(&mut self) {
        self.shared.remove_client();
    }
}

/// Counts a client among those of its loop until dropped.
struct LoadGuard(Arc<AtomicUsize>);

impl LoadGuard {
    fn new(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection, and the counters that include it, which are dropped after it in this order.
struct CountedConnection {
    connection: Connection,
    #[expect(dead_code, reason = "held, not read")]
    load: Option<LoadGuard>,
    #[expect(dead_code, reason = "held, not read")]
    token: ClientToken,
}

impl Handler for CountedConnection {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let started = self.connection.start(cx);
        if started.is_err()
            && let Some((service, stream, peer)) = self.connection.unserved()
        {
            Refused::new(service, stream, peer).tell();
        }
        started
    }

    fn ready(&mut self, source: SourceId, ready: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.connection.ready(source, ready, cx)
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.connection.timeout(timer, cx)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.connection.notified(cx)
    }

    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        self.connection.closed(error, cx);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{Ipv4Addr, TcpListener, TcpStream as StdStream};
    use std::os::fd::{AsRawFd, RawFd};
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;
    use ftpdlib_ioloop::{Interest, IoLoop, Registration};
    use mio::unix::SourceFd;

    use crate::FtpServerBuilder;

    use super::*;

    /// Registers a descriptor with the loop, which takes each descriptor only once.
    struct Taken(Registration<SourceFd<'static>>);

    impl Handler for Taken {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            self.0.register(cx, Interest::NONE)
        }

        fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Close)
        }
    }

    #[test]
    fn a_client_that_the_loop_could_not_take_was_disconnected_without_a_reply() {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
        let server = builder.build().unwrap();
        let shared = server.shared();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let descriptor: &RawFd = Box::leak(Box::new(stream.as_raw_fd()));
        let mut io_loop = IoLoop::new().unwrap();
        let taken = Taken(Registration::new(SourceFd(descriptor)));
        let taken = io_loop.add(Box::new(taken)).unwrap();
        let permit = shared.service().limits().acquire(peer.ip()).unwrap();
        let stream = TcpStream::from_std(stream);
        let accepted = Client::admitted(shared, stream, peer, None, permit);
        io_loop.call_later(Duration::ZERO, move |cx| {
            accepted.serve(cx);
            cx.remove(taken);
        });
        io_loop.run().unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).unwrap();
        assert_eq!(told, "421 Service temporarily unavailable.\r\n");
    }
}
