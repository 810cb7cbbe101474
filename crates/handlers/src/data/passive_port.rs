//! A passive port, and the connections to it until the client's is found.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{AcceptState, Context, Interest, Socket, SourceId, is_of_one_client};
use mio::net::{TcpListener, TcpStream};

use super::arriving::Arrivals;
use crate::Permit;
use crate::client::Client;
use crate::log_prefix::Prefix;

/// How long an unwatched passive port waits before the loop looks at it.
const LOOK_AFTER: Duration = Duration::from_millis(50);

/// A port that was announced to the client.
///
/// Usually the loop does not watch its listener at first: most clients have connected by the time
/// they send the next line, when the port is looked at anyway. It does if lines were sent ahead, or
/// if the data connection is to be under TLS.
pub(crate) struct PassivePort {
    listener: Socket<TcpListener>,
    /// A connection that may be the client's.
    candidate: Option<TcpStream>,
    /// Connections from a proxy whose headers have not come yet.
    arrivals: Option<Box<Arrivals>>,
    /// When to look for connections, if the loop does not watch the listener.
    deadline: Instant,
    /// A connection could not be accepted for want of descriptors.
    exhausted: bool,
    /// How many connections were turned away.
    rejected: u8,
    permit: Permit,
}

impl PassivePort {
    /// Creates a port whose data connection is counted by `permit`.
    pub(crate) fn new(listener: Socket<TcpListener>, permit: Permit, now: Instant) -> Self {
        Self {
            listener,
            candidate: None,
            arrivals: None,
            deadline: now + LOOK_AFTER,
            exhausted: false,
            rejected: 0,
            permit,
        }
    }

    /// Accepts the next connection as the candidate, and returns its client's address; `None` if
    /// there is none. For a connection from a proxy, this is the client that the header names. A
    /// connection from `client` itself has no header, although `client` may be a proxy that makes a
    /// health check. Log lines about other connections begin with `prefix`.
    ///
    /// # Errors
    ///
    /// No connection can be accepted or waited for, for example for want of descriptors.
    pub(crate) fn next_candidate(
        &mut self,
        client: &Client,
        prefix: &Prefix<'_>,
        cx: &mut Context<'_>,
    ) -> io::Result<Option<SocketAddr>> {
        cx.set_interest(self.listener.id(), Interest::READ);
        loop {
            let arrivals = self.arrivals.as_mut();
            if let Some((stream, peer)) = arrivals.and_then(|it| it.take(prefix, cx)) {
                self.candidate = Some(stream);
                return Ok(Some(peer));
            }
            if self.arrivals.as_ref().is_some_and(|it| it.is_full()) {
                self.watch(cx)?;
                cx.set_interest(self.listener.id(), Interest::NONE);
                return Ok(None);
            }
            match cx.accept(&self.listener) {
                Ok((stream, peer))
                    if client.service.is_proxy(peer.ip())
                        && peer.ip().to_canonical() != client.peer.ip() =>
                {
                    self.exhausted = false;
                    let arrivals = self.arrivals.get_or_insert_default();
                    if let Err(error) = arrivals.push(stream, cx) {
                        log::warn!("{prefix} data connection of a proxy lost: {error}");
                    }
                }
                Ok((stream, peer)) => {
                    self.exhausted = false;
                    self.candidate = Some(stream);
                    return Ok(Some(peer));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.watch(cx)?;
                    self.exhausted = false;
                    return Ok(None);
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the candidate as the client's connection.
    pub(crate) fn take_candidate(&mut self) -> Option<TcpStream> {
        self.candidate.take()
    }

    /// Closes the candidate.
    pub(crate) fn reject_candidate(&mut self) {
        self.candidate = None;
        self.rejected = self.rejected.saturating_add(1);
    }

    /// Leaves the listener alone for a while after an error of
    /// [`next_candidate`](Self::next_candidate). Returns whether it is the first error in a row.
    pub(crate) fn pause(&mut self, cx: &mut Context<'_>) -> bool {
        cx.set_interest(self.listener.id(), Interest::NONE);
        self.deadline = cx.now() + AcceptState::RETRY_DELAY;
        !std::mem::replace(&mut self.exhausted, true)
    }

    /// Has the loop watch the listener.
    ///
    /// # Errors
    ///
    /// The system cannot watch it.
    pub(crate) fn watch(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        cx.finish_registration(&mut self.listener)
    }

    /// Closes the port, and returns the permit for its data connection.
    pub(crate) fn into_permit(self, cx: &mut Context<'_>) -> Permit {
        cx.close(self.listener);
        if let Some(arrivals) = self.arrivals {
            arrivals.close(cx);
        }
        self.permit
    }

    /// When to look at the port if no line comes before: for connections, or for proxies that have
    /// sent no header.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.exhausted || !self.listener.is_registered() {
            return Some(self.deadline);
        }
        self.arrivals.as_ref()?.until()
    }

    /// Whether there is no candidate yet.
    pub(crate) fn awaits_client(&self) -> bool {
        self.candidate.is_none()
    }

    /// Whether more than one connection was turned away.
    pub(crate) fn has_rejected_several(&self) -> bool {
        self.rejected > 1
    }

    /// Whether `source` belongs to this port.
    pub(crate) fn owns(&self, source: SourceId) -> bool {
        let arrivals = self.arrivals.as_deref();
        self.listener.id() == source || arrivals.is_some_and(|it| it.owns(source))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpStream};
    use std::os::fd::AsFd;
    use std::sync::mpsc;
    use std::time::Duration;
    use std::{iter, thread};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_ioloop::{Flow, Handler, Ready};

    use super::*;
    use crate::{FtpHandler, testing};

    /// How many connect, and say nothing.
    const SILENT: usize = 9;

    /// Looks once for the client at a passive port that had to pause.
    struct Looking {
        client: Client,
        listener: Option<TcpListener>,
        found: mpsc::Sender<Found>,
    }

    struct Found {
        /// How many are not accepted.
        left: usize,
        /// For how long the port need not be looked at.
        rest: Duration,
    }

    impl Handler for Looking {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            let listener = self.listener.take().unwrap();
            let listener = cx.register_deferred(listener, Interest::NONE)?;
            let permit = self.client.service.limits.acquire_unnamed().unwrap();
            let mut port = PassivePort::new(listener, permit, cx.now());
            port.pause(cx);
            let found = port.next_candidate(&self.client, &self.client.prefix(None), cx)?;
            assert_eq!(found, None);
            let left = iter::from_fn(|| cx.accept(&port.listener).ok()).count();
            let rest = port.deadline().unwrap() - cx.now();
            self.found.send(Found { left, rest }).unwrap();
            Ok(())
        }

        fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    /// Looks while silent connections of a proxy wait.
    fn look() -> Found {
        let proxy = Ipv4Addr::LOCALHOST;
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let client = Client {
            service: testing::service(handler.proxy_protocol_from([IpAddr::from(proxy).into()])),
            peer: (Ipv4Addr::new(192, 0, 2, 1), 50_000).into(),
            local: testing::local(),
            own: None,
        };
        let listener = TcpListener::bind((proxy, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let _silent = [(); SILENT].map(|()| TcpStream::connect(address).unwrap());
        while ftpdlib_sys::waiting_clients(listener.as_fd()).unwrap() < SILENT {
            thread::yield_now();
        }
        let (found, told) = mpsc::channel();
        let looking = Looking {
            client,
            listener: Some(listener),
            found,
        };
        let _events = testing::alone(looking);
        told.try_recv().unwrap()
    }

    #[test]
    fn the_ninth_silent_connection_of_a_proxy_stays_in_the_queue() {
        assert_eq!(look().left, 1);
    }

    #[test]
    fn a_port_that_had_paused_was_looked_at_all_the_time_for_silent_proxies() {
        assert!(look().rest > AcceptState::RETRY_DELAY);
    }
}
