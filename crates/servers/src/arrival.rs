//! A proxy's connection that has not said whose it is.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_handlers::ProxyHeaderReader;
use ftpdlib_ioloop::{Context, Flow, Handler, Interest, Ready, Socket, SourceId, TimerId};
use mio::net::TcpStream;

use crate::client::{self, Stay};
use crate::handle::Shared;

/// How long a proxy may take to send its header, which it has before the connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the PROXY header, on the loop that accepts, and lets in the client that it names.
///
/// It is no client yet: a server that stops does not wait for it.
pub(crate) struct Arrival {
    shared: Arc<Shared>,
    proxy: SocketAddr,
    accepted: Option<TcpStream>,
    socket: Option<Socket<TcpStream>>,
    header: ProxyHeaderReader,
    /// Keeps a server from being over that is there for this connection alone.
    stay: Option<Stay>,
}

impl Arrival {
    pub(crate) fn new(shared: &Arc<Shared>, stream: TcpStream, proxy: SocketAddr) -> Self {
        Self {
            shared: Arc::clone(shared),
            proxy,
            accepted: Some(stream),
            socket: None,
            header: ProxyHeaderReader::default(),
            stay: None,
        }
    }

    /// Keeps a server from being over that has nothing else to wait for, until it
    /// [stops](Shared::set_arrival).
    pub(crate) fn staying(mut self) -> Self {
        self.stay = Some(Stay::begin(&self.shared));
        self
    }
}

impl Handler for Arrival {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(stream) = self.accepted.take() {
            self.socket = Some(cx.register(stream, Interest::READ)?);
        }
        cx.start_timer_after(PATIENCE);
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(socket) = self.socket.take() else {
            return Ok(Flow::Close);
        };
        match self.header.read(&socket, cx) {
            Ok(named) => {
                let stream = cx.detach(socket)?;
                let peer = named.map_or(self.proxy, |named| named.peer);
                client::receive(&self.shared, stream, peer, named, cx);
                Ok(Flow::Close)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket = Some(socket);
                Ok(Flow::Continue)
            }
            Err(error) => {
                log::warn!("connection of proxy {} refused: {error}", self.proxy);
                Ok(Flow::Close)
            }
        }
    }

    fn timeout(&mut self, _: TimerId, _: &mut Context<'_>) -> io::Result<Flow> {
        log::warn!(
            "connection of proxy {} refused: no PROXY header",
            self.proxy
        );
        Ok(Flow::Close)
    }
}
