//! The PROXY header that a trusted proxy sends first on its connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_handlers::ProxyHeaderReader;
use ftpdlib_ioloop::{Context, Flow, Handler, Interest, Ready, Registration, SourceId, TimerId};
use mio::net::TcpStream;

use crate::client::{self, ClientToken};
use crate::shared::Shared;

/// How long a proxy may take to send its header, which it knows before it connects.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the PROXY header, on the loop that accepts, and admits the client that it names.
///
/// The connection is no client before that: a server that stops does not wait for it.
pub(crate) struct ProxyHandshake {
    shared: Arc<Shared>,
    proxy: SocketAddr,
    stream: Registration<TcpStream>,
    header: ProxyHeaderReader,
    /// Keeps a server that has no other connection from being over.
    token: Option<ClientToken>,
}

impl ProxyHandshake {
    pub(crate) fn new(shared: &Arc<Shared>, stream: TcpStream, proxy: SocketAddr) -> Self {
        Self {
            shared: Arc::clone(shared),
            proxy,
            stream: Registration::new(stream),
            header: ProxyHeaderReader::default(),
            token: None,
        }
    }

    /// Keeps a server that has no other connection from being over, until it
    /// [stops](Shared::set_proxy_handshake).
    pub(crate) fn with_token(mut self) -> Self {
        self.token = Some(ClientToken::new(&self.shared));
        self
    }
}

impl Handler for ProxyHandshake {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.stream.register(cx, Interest::READ)?;
        cx.start_timer_after(HEADER_TIMEOUT);
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(socket) = self.stream.socket() else {
            return Ok(Flow::Close);
        };
        match self.header.read(socket, cx) {
            Ok(named) => {
                if let Some(socket) = self.stream.take() {
                    let stream = cx.detach(socket)?;
                    let peer = named.map_or(self.proxy, |named| named.peer);
                    client::accept(&self.shared, stream, peer, named, cx);
                }
                Ok(Flow::Close)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Flow::Continue),
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
