//! Data connections from a proxy whose PROXY headers have not come yet.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use ftpdlib_ioloop::{Context, Interest, Socket, SourceId};
use log::Level;
use mio::net::TcpStream;

use crate::ProxyHeaderReader;
use crate::log_prefix::Prefix;

/// Most connections that wait at one passive port. More stay in the listener's queue.
const MOST: usize = 8;

/// Connections whose headers have not come yet, oldest first.
#[derive(Default)]
pub(crate) struct Arrivals {
    waiting: Vec<Arriving>,
    /// A connection was rejected with a warning in the log.
    has_warned: bool,
}

struct Arriving {
    stream: Socket<TcpStream>,
    header: ProxyHeaderReader,
    until: Instant,
}

impl Arrivals {
    /// Waits for the header of `stream`.
    ///
    /// # Errors
    ///
    /// The system refuses to report its readiness.
    pub(super) fn push(&mut self, stream: TcpStream, cx: &mut Context<'_>) -> io::Result<()> {
        self.waiting.push(Arriving {
            stream: cx.register(stream, Interest::READ)?,
            header: ProxyHeaderReader::default(),
            until: cx.now() + ProxyHeaderReader::TIMEOUT,
        });
        Ok(())
    }

    /// Takes a connection whose header is complete. Connections that have sent anything else, or
    /// nothing in time, are closed and logged with `prefix`.
    pub(super) fn take(
        &mut self,
        prefix: &Prefix<'_>,
        cx: &mut Context<'_>,
    ) -> Option<(TcpStream, SocketAddr)> {
        let mut index = 0;
        while let Some(arriving) = self.waiting.get_mut(index) {
            let refused = match arriving.header.read(&arriving.stream, cx) {
                Ok(Some(named)) => match cx.detach(self.waiting.remove(index).stream) {
                    Ok(stream) => return Some((stream, named.peer)),
                    Err(error) => {
                        log::warn!("{prefix} data connection of a proxy lost: {error}");
                        continue;
                    }
                },
                Ok(None) => "names no client".to_owned(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if cx.now() < arriving.until {
                        index += 1;
                        continue;
                    }
                    "no header in time".to_owned()
                }
                Err(error) => error.to_string(),
            };
            // A client of a proxy may cause thousands of these.
            let level = match mem::replace(&mut self.has_warned, true) {
                false => Level::Warn,
                true => Level::Debug,
            };
            log::log!(
                level,
                "{prefix} data connection of a proxy rejected: {refused}"
            );
            cx.close(self.waiting.remove(index).stream);
        }
        None
    }

    /// Closes all of them.
    pub(super) fn close(self, cx: &mut Context<'_>) {
        for arriving in self.waiting {
            cx.close(arriving.stream);
        }
    }

    /// Whether no more connections may wait.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    /// When the time of the oldest connection is over.
    pub(super) fn until(&self) -> Option<Instant> {
        self.waiting.first().map(|arriving| arriving.until)
    }

    pub(super) fn owns(&self, source: SourceId) -> bool {
        self.waiting
            .iter()
            .any(|arriving| arriving.stream.id() == source)
    }
}
