//! A client between being accepted and being served.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ftpdlib_handlers::{Connection, LimitReached, Permit, ProxiedClient, Service};
use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId, is_of_peer};
use mio::net::TcpStream;

use crate::shared::Shared;

/// The reply text for a client if the system has no thread, process or descriptor left.
const UNAVAILABLE: &str = "Service temporarily unavailable.";

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
    let permit = shared.service().limits().acquire(peer.ip().to_canonical());
    accept_with(permit, shared, stream, peer, None, cx);
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
    let permit = permit.name(peer.ip().to_canonical());
    accept_with(permit, shared, stream, peer, proxied, cx);
}

fn accept_with(
    permit: Result<Permit, LimitReached>,
    shared: &Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    proxied: Option<ProxiedClient>,
    cx: &mut Context<'_>,
) {
    let permit = match permit {
        Ok(permit) => permit,
        Err(limit) => return refuse_over(limit, &shared.service(), &stream, peer),
    };
    let client = Client::admitted(shared, stream, peer, proxied, permit);
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
        refuse_over(limit, &self.service, &self.stream, self.peer);
    }

    /// Tells the client that it cannot be served and disconnects it; only the log gets the reason.
    pub(crate) fn reject(self, reason: &io::Error) {
        refuse_unserved(reason, &self.service, &self.stream, self.peer);
    }
}

/// Refuses a client because it exceeds `limit`.
pub(crate) fn refuse_over(
    limit: LimitReached,
    service: &Service,
    stream: &TcpStream,
    peer: SocketAddr,
) {
    refuse(service, stream, peer, &limit.text(), limit.text());
}

/// Refuses a client that cannot be served; only the log gets the reason.
pub(crate) fn refuse_unserved(
    reason: &dyn fmt::Display,
    service: &Service,
    stream: &TcpStream,
    peer: SocketAddr,
) {
    refuse(service, stream, peer, reason, UNAVAILABLE);
}

/// Refuses a client: logs the reason, and sends the client `text`.
fn refuse(
    service: &Service,
    stream: &TcpStream,
    peer: SocketAddr,
    reason: &dyn fmt::Display,
    text: &str,
) {
    log::warn!("client {peer} refused: {reason}");
    tell(service, stream, peer, text);
}

/// Tells a client that it cannot be served. The reason is logged elsewhere.
pub(crate) fn tell_unserved(service: &Service, stream: &TcpStream, peer: SocketAddr) {
    tell(service, stream, peer, UNAVAILABLE);
}

/// Tells a client why it is disconnected, unless it expects a TLS handshake first.
fn tell(service: &Service, mut stream: &TcpStream, peer: SocketAddr, text: &str) {
    if service.is_implicit_tls() {
        return;
    }
    // Read what the client has sent already, such as a PROXY header: closing a connection with
    // unread bytes resets it, and the client may not see the reply.
    let _ = stream.read(&mut [0; 1024]);
    // The socket's send buffer is empty, so this short text fits.
    if let Err(error) = stream.write_all(format!("421 {text}\r\n").as_bytes()) {
        log::debug!("client {peer} left at once: {error}");
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
            tell_unserved(service, stream, peer);
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
        assert_eq!(told, format!("421 {UNAVAILABLE}\r\n"));
    }

    #[test]
    fn the_refusal_of_a_proxy_was_cut_by_its_unread_header() {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
        let service = builder.build().unwrap().shared().service();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut proxy = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        proxy
            .write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 21\r\n")
            .unwrap();
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
        stream.set_nonblocking(true).unwrap();
        refuse_over(
            LimitReached::Total,
            &service,
            &TcpStream::from_std(stream),
            peer,
        );
        let mut told = String::new();
        proxy.read_to_string(&mut told).unwrap();
        assert_eq!(told, format!("421 {}\r\n", LimitReached::Total.text()));
    }
}
