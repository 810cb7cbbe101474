//! Accepting clients from a listener, even if the system runs out of resources.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};

use crate::context::Context;
use crate::errors::is_of_one_client;
use crate::socket::Socket;

/// Accepts clients one by one, for a handler that owns its listeners. Otherwise, use an
/// [`Acceptor`](crate::Acceptor).
#[derive(Debug, Default)]
pub struct AcceptState {
    /// Whether the system has run out of resources, and that was logged, since the queue was last
    /// empty.
    exhausted: bool,
}

/// The outcome of [`AcceptState::accept`]. Exhaustive, since a caller has to handle each variant.
#[derive(Debug)]
pub enum Accepted {
    /// A client, and its address.
    Client(TcpStream, SocketAddr),
    /// The first client in the queue left before it was accepted; another may be waiting.
    Aborted,
    /// The queue is empty.
    NoneWaiting,
    /// The system has no descriptors or memory left. Try again after
    /// [`AcceptState::RETRY_DELAY`]; clients wait in the listener's queue meanwhile.
    OutOfResources,
}

impl AcceptState {
    /// How long to wait before accepting again when the system has no descriptors or memory.
    pub const RETRY_DELAY: Duration = Duration::from_millis(100);

    /// Accepts the next client.
    pub fn accept(&mut self, listener: &Socket<TcpListener>, cx: &mut Context<'_>) -> Accepted {
        match cx.accept(listener) {
            Ok((stream, peer)) => Accepted::Client(stream, peer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.exhausted = false;
                Accepted::NoneWaiting
            }
            Err(error) if is_of_one_client(&error) => {
                log::debug!("a client left before it was accepted: {error}");
                Accepted::Aborted
            }
            Err(error) => {
                if !self.exhausted {
                    log::warn!("cannot accept clients for now: {error}");
                }
                self.exhausted = true;
                Accepted::OutOfResources
            }
        }
    }
}
