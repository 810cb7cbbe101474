//! A client between being accepted and being served.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ftpdlib_handlers::{Connection, Permit, ProxiedClient, Service};
use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId};
use mio::net::TcpStream;

use crate::handle::Shared;

/// What a client is told for whom the system has no thread or descriptor left.
pub(crate) const NO_ROOM: &str = "Service temporarily unavailable.";

/// A client that was let in and is about to be served, on whatever loop.
pub(crate) struct Client {
    service: Arc<Service>,
    stream: TcpStream,
    peer: SocketAddr,
    /// What a proxy's header says, if it came through one.
    proxied: Option<ProxiedClient>,
    permit: Permit,
    stay: Stay,
    load: Option<Load>,
}

/// Lets a client in and has it served, as the model wants it.
pub(crate) fn receive(
    shared: &Arc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    proxied: Option<ProxiedClient>,
    cx: &mut Context<'_>,
) {
    let placed = match Client::admit(shared, stream, peer, proxied) {
        Ok(Some(client)) => shared.placement().place(client, cx),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = placed {
        log::debug!("client {peer} left at once: {error}");
    }
}

impl Client {
    /// Lets a client in, unless a limit is reached; then it is told so.
    fn admit(
        shared: &Arc<Shared>,
        stream: TcpStream,
        peer: SocketAddr,
        proxied: Option<ProxiedClient>,
    ) -> io::Result<Option<Self>> {
        let service = shared.service();
        match service.limits().acquire(peer.ip().to_canonical()) {
            Ok(permit) => Ok(Some(Self::admitted(shared, stream, peer, proxied, permit))),
            Err(limit) => {
                log::warn!("client {peer} refused: {}", limit.text());
                tell(&service, &stream, limit.text()).map(|()| None)
            }
        }
    }

    /// A client that was let in with `permit`.
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
            stay: Stay::begin(shared),
            load: None,
        }
    }

    /// Counts the client with those of one loop, until it leaves.
    pub(crate) fn count_with(&mut self, load: &Arc<AtomicUsize>) {
        self.load = Some(Load::add(load));
    }

    /// Serves the client on the loop that calls.
    ///
    /// # Errors
    ///
    /// The client is gone, or the loop cannot take its socket.
    pub(crate) fn serve(self, cx: &mut Context<'_>) -> io::Result<()> {
        let (service, stream) = (&self.service, self.stream);
        let connection = match self.proxied {
            None => Connection::new(service, stream, self.peer, self.permit)?,
            Some(client) => Connection::proxied(service, stream, client, self.permit)?,
        };
        cx.add(Box::new(Guest {
            connection,
            stay: self.stay,
            load: self.load,
        }))?;
        Ok(())
    }

    /// Sends the client away, since it cannot be served.
    pub(crate) fn turn_away(self, reason: &io::Error) {
        log::warn!("client {} refused: {reason}", self.peer);
        if let Err(error) = tell(&self.service, &self.stream, NO_ROOM) {
            log::debug!("client {} left at once: {error}", self.peer);
        }
    }
}

/// Sends a client away that was not let in.
pub(crate) fn refuse(service: &Service, stream: &TcpStream, peer: SocketAddr, text: &str) {
    log::warn!("client {peer} refused: {text}");
    if let Err(error) = tell(service, stream, text) {
        log::debug!("client {peer} left at once: {error}");
    }
}

/// Tells a client why it is sent away, where it expects text first.
fn tell(service: &Service, mut stream: &TcpStream, text: &str) -> io::Result<()> {
    if service.is_implicit_tls() {
        return Ok(());
    }
    // Its socket buffer is empty, so this short a text fits.
    stream.write_all(format!("421 {text}\r\n").as_bytes())
}

/// A client that the server has not seen the end of. While one lives, the server is not over; the
/// last one wakes the loop that waits for that.
pub(crate) struct Stay {
    shared: Arc<Shared>,
}

impl Stay {
    pub(crate) fn begin(shared: &Arc<Shared>) -> Self {
        shared.enter();
        Self {
            shared: Arc::clone(shared),
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

/// One of the clients of a loop, counted.
struct Load(Arc<AtomicUsize>);

impl Load {
    fn add(load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection with what has to end after it, in this order.
struct Guest {
    connection: Connection,
    #[expect(dead_code, reason = "held, not read")]
    load: Option<Load>,
    #[expect(dead_code, reason = "held, not read")]
    stay: Stay,
}

impl Handler for Guest {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.connection.start(cx)
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
