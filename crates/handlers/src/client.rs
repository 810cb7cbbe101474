//! What is known of a session's client.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::Service;
use crate::log_prefix::Prefix;

/// What is known of a session's client. Its connection shares this with its jobs, which may outlive
/// the connection.
pub(crate) struct Client {
    pub(crate) service: Arc<Service>,
    /// Where the client is. IPv4 addresses are never in IPv6 form, even if the socket is IPv6.
    pub(crate) peer: SocketAddr,
    /// The address that the client connected to: this server's, or a proxy's.
    pub(crate) local: SocketAddr,
    /// This server's address, if the client came through a proxy.
    pub(crate) own: Option<Box<SocketAddr>>,
}

impl Client {
    /// The prefix of log lines about this client, with its user's name if it has one.
    pub(crate) fn prefix<'a>(&'a self, username: Option<&'a str>) -> Prefix<'a> {
        self.service.log_prefix.of(self.peer, username)
    }

    /// The address to bind data sockets to, with port 0.
    pub(crate) fn bound(&self) -> SocketAddr {
        let mut bound = self.own.as_deref().copied().unwrap_or(self.local);
        bound.set_port(0);
        bound
    }
}
