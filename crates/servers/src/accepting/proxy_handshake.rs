//! The PROXY header that a trusted proxy sends at the start of its connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_handlers::{Permit, ProxyHeaderReader};
use ftpdlib_ioloop::{
    Context, Flow, Handler, Interest, Ready, Registration, SourceId, TimerId, is_of_peer,
};
use mio::net::TcpStream;

use super::client::{self, ClientToken};
use super::refused::Refused;
use crate::shared::Shared;

/// Accepts a connection from a proxy, whose PROXY header is then read, unless a limit is reached.
pub(crate) fn accept(
    shared: &Arc<Shared>,
    stream: TcpStream,
    proxy: SocketAddr,
    cx: &mut Context<'_>,
) {
    let service = shared.service();
    let permit = match service.limits().acquire_unnamed() {
        Ok(permit) => permit,
        Err(limit) => return Refused::new(&service, &stream, proxy).over(limit),
    };
    if let Err(error) = cx.add(Box::new(ProxyHandshake::new(shared, stream, proxy, permit))) {
        log::warn!("connection of proxy {proxy}: {error}");
    }
}

/// Reads the PROXY header, on the loop that accepts, and admits the client that it names.
///
/// Until then the connection is not a client: a server that stops does not wait for it.
pub(crate) struct ProxyHandshake {
    shared: Arc<Shared>,
    proxy: SocketAddr,
    stream: Registration<TcpStream>,
    /// Counts the connection until the client takes it over.
    permit: Option<Permit>,
    header: ProxyHeaderReader,
    /// Keeps a server without any other connection from being over.
    token: Option<ClientToken>,
}

impl ProxyHandshake {
    /// Reads the header of a connection counted with `permit`.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        stream: TcpStream,
        proxy: SocketAddr,
        permit: Permit,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            proxy,
            stream: Registration::new(stream),
            permit: Some(permit),
            header: ProxyHeaderReader::default(),
            token: None,
        }
    }

    /// Keeps a server without any other connection from being over, until the server
    /// [stops](Shared::set_proxy_handshake).
    pub(crate) fn with_token(mut self) -> Self {
        self.token = Some(ClientToken::new(&self.shared));
        self
    }
}

impl Handler for ProxyHandshake {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.stream.register(cx, Interest::READ)?;
        cx.start_timer_after(ProxyHeaderReader::TIMEOUT);
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(socket) = self.stream.socket() else {
            return Ok(Flow::Close);
        };
        match self.header.read(socket, cx) {
            Ok(named) => {
                if let (Some(socket), Some(permit)) = (self.stream.take(), self.permit.take()) {
                    let stream = cx.detach(socket)?;
                    client::accept_proxied(permit, &self.shared, stream, self.proxy, named, cx);
                }
                Ok(Flow::Close)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Flow::Continue),
            Err(error) => {
                let proxy = self.proxy;
                let has_left = error.kind() == io::ErrorKind::UnexpectedEof || is_of_peer(&error);
                // Proxies check in this way whether the server is up.
                if has_left && !self.header.has_begun() {
                    log::debug!("proxy {proxy} left at once: {error}");
                } else {
                    log::warn!("connection of proxy {proxy} refused: {error}");
                }
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
