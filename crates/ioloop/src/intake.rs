//! Taking clients from a listener, whatever the system lacks.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};

use crate::context::Context;
use crate::socket::Socket;

/// Takes clients one by one, for a handler that has listeners of its own; others use an
/// [`Acceptor`](crate::Acceptor).
#[derive(Debug, Default)]
pub struct Intake {
    /// Since the queue was last empty, a client could not be taken in, and the log says so.
    short: bool,
}

/// What came of it. The enum is complete: whoever takes clients has to do something about each.
#[derive(Debug)]
pub enum Taken {
    /// A client, and its address.
    Client(TcpStream, SocketAddr),
    /// One who left before: another may wait.
    Left,
    /// Nobody waits.
    Nobody,
    /// The system has no descriptors or memory left: it is to be tried again after
    /// [`Intake::RETRY_DELAY`], and clients wait in the listener's queue meanwhile.
    Short,
}

impl Intake {
    /// How long to wait for descriptors or memory.
    pub const RETRY_DELAY: Duration = Duration::from_millis(100);

    /// Takes the next client.
    pub fn take(&mut self, listener: &Socket<TcpListener>, cx: &mut Context<'_>) -> Taken {
        match cx.accept(listener) {
            Ok((stream, peer)) => Taken::Client(stream, peer),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.short = false;
                Taken::Nobody
            }
            Err(error) if is_of_one_client(&error) => {
                log::debug!("a client left before it was accepted: {error}");
                Taken::Left
            }
            Err(error) => {
                if !self.short {
                    log::warn!("cannot accept clients for now: {error}");
                }
                self.short = true;
                Taken::Short
            }
        }
    }
}

/// Whether an error of accepting is the end of that client only, which is out of the queue then.
/// Any other might come again at once, for ever.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}
