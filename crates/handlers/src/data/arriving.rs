//! Data connections from a proxy whose PROXY header has not come yet.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::Instant;

use ftpdlib_ioloop::{Context, Interest, Socket, SourceId};
use log::Level;
use mio::net::TcpStream;

use crate::ProxyHeaderReader;
use crate::log_prefix::Prefix;

/// Most that wait at one passive port: further ones stay in its queue.
const MOST: usize = 8;

/// Connections whose header has not come, oldest first.
#[derive(Default)]
pub(crate) struct Arrivals {
    waiting: Vec<Arriving>,
    /// One was rejected, and the log warns of that.
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

    /// Takes one whose header is complete. Closes those that sent anything else, or nothing in
    /// time, and logs that with `prefix`.
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
            // Whoever reaches a proxy may do this by the thousand.
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

    /// Closes them all.
    pub(super) fn close(self, cx: &mut Context<'_>) {
        for arriving in self.waiting {
            cx.close(arriving.stream);
        }
    }

    /// Whether no other may be waited for.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST
    }

    /// When the first is out of time.
    pub(super) fn until(&self) -> Option<Instant> {
        self.waiting.first().map(|arriving| arriving.until)
    }

    pub(super) fn owns(&self, source: SourceId) -> bool {
        self.waiting
            .iter()
            .any(|arriving| arriving.stream.id() == source)
    }
}
