//! Whom a session is with, and of which server.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::Service;
use crate::log_prefix::Prefix;

/// What whoever does something for a client has to know of it. Its connection shares this with its
/// jobs, which may outlive it.
pub(crate) struct Client {
    pub(crate) service: Arc<Service>,
    /// Addresses of IPv4 are always in its own form, also where the sockets are of IPv6.
    pub(crate) peer: SocketAddr,
    /// The address that the client connected to: ours, or that of a proxy in front of us.
    pub(crate) local: SocketAddr,
    /// Our own address, where there is a proxy in front of us.
    pub(crate) own: Option<Box<SocketAddr>>,
}

impl Client {
    /// What stands before the log lines about this client, with the name of its user if it has one.
    pub(crate) fn prefix<'a>(&'a self, username: Option<&'a str>) -> Prefix<'a> {
        self.service.log_prefix.of(self.peer, username)
    }

    /// What our sockets are bound to, without a port.
    pub(crate) fn bound(&self) -> SocketAddr {
        let mut bound = self.own.as_deref().copied().unwrap_or(self.local);
        bound.set_port(0);
        bound
    }
}
