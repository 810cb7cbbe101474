//! Data connections from a proxy whose PROXY header has not come yet.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Context, Interest, Socket, SourceId};
use mio::net::TcpStream;

use crate::ProxyHeaderReader;

/// How long a proxy may take to send its header.
const TIME: Duration = Duration::from_secs(5);

/// Most that wait at one passive port: further ones stay in its queue.
const MOST: usize = 8;

/// Connections whose header has not come, oldest first.
#[derive(Default)]
pub(crate) struct Arrivals {
    waiting: Vec<Arriving>,
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
            until: cx.now() + TIME,
        });
        Ok(())
    }

    /// Takes one whose header is complete. Closes those that sent anything else, or nothing in
    /// time, and has `reject` know why.
    pub(super) fn take(
        &mut self,
        cx: &mut Context<'_>,
        mut reject: impl FnMut(&dyn fmt::Display),
    ) -> Option<(TcpStream, SocketAddr)> {
        let mut index = 0;
        while let Some(arriving) = self.waiting.get_mut(index) {
            let refused = match arriving.header.read(&arriving.stream, cx) {
                Ok(Some(named)) => match cx.detach(self.waiting.remove(index).stream) {
                    Ok(stream) => return Some((stream, named.peer)),
                    Err(error) => {
                        reject(&error);
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
            reject(&refused);
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
