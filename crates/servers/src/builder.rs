//! Making a server.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use ftpdlib_handlers::{FtpHandler, Limits, Service};
use ftpdlib_ioloop::Pool;

use crate::doors::Listener;
use crate::places::{Place, is_only_v6};
use crate::{Concurrency, FtpServer, ServerError, SpawnedServer};

/// The backlog of the servers with a thread or a process for each client, as in pyftpdlib.
pub(crate) const BACKLOG_OF_ONE_EACH: u32 = 5;

/// Where a server listens (pyftpdlib: `address_or_socket`).
#[derive(Debug)]
#[non_exhaustive]
pub enum AddressOrSocket {
    /// An address to bind; port 0 lets the system choose.
    Address(SocketAddr),
    /// A socket that is bound already, and is made to listen.
    Socket(TcpListener),
}

impl From<TcpListener> for AddressOrSocket {
    fn from(socket: TcpListener) -> Self {
        Self::Socket(socket)
    }
}

impl From<SocketAddr> for AddressOrSocket {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for AddressOrSocket {
    fn from(address: (I, u16)) -> Self {
        Self::Address(address.into())
    }
}

/// Makes an [`FtpServer`] with other than the default limits, or several listeners.
///
/// # Examples
///
/// ```
/// use std::net::Ipv4Addr;
///
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::FtpHandler;
/// use ftpdlib_servers::FtpServerBuilder;
///
/// let server = FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
///     .listen((Ipv4Addr::LOCALHOST, 0))
///     .max_cons(256)
///     .max_cons_per_ip(5)
///     .build()?;
/// assert_ne!(server.local_addrs()[0].port(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FtpServerBuilder {
    handler: FtpHandler,
    places: Vec<AddressOrSocket>,
    backlog: u32,
    max_cons: usize,
    max_cons_per_ip: usize,
    concurrency: Concurrency,
}

impl FtpServerBuilder {
    /// A server for clients served as `handler` says.
    pub fn new(handler: impl Into<FtpHandler>) -> Self {
        Self {
            handler: handler.into(),
            places: Vec::new(),
            backlog: 100,
            max_cons: 512,
            max_cons_per_ip: 0,
            concurrency: Concurrency::default(),
        }
    }

    /// Adds an address or a bound socket to listen on.
    ///
    /// `[::]` is for IPv4 clients too, unless `0.0.0.0` is given with the same port.
    pub fn listen(mut self, place: impl Into<AddressOrSocket>) -> Self {
        self.places.push(place.into());
        self
    }

    /// Adds a bound socket to listen on, such as one inherited from a service manager.
    pub fn listen_on(mut self, socket: TcpListener) -> Self {
        self.places.push(AddressOrSocket::Socket(socket));
        self
    }

    /// Sets how many clients may wait to be accepted; 100 by default.
    pub fn backlog(mut self, clients: u32) -> Self {
        self.backlog = clients;
        self
    }

    /// Sets the most connections at once, control and data together; 512 by default, 0 for no
    /// limit.
    pub fn max_cons(mut self, connections: usize) -> Self {
        self.max_cons = connections;
        self
    }

    /// Sets the most connections at once of one client address, control and data together; 0, the
    /// default, for no limit.
    pub fn max_cons_per_ip(mut self, connections: usize) -> Self {
        self.max_cons_per_ip = connections;
        self
    }

    /// Sets how sessions run; on one event loop by default.
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Runs sessions on that many event loops, each in a thread; 1 by default, 0 for one per usable
    /// CPU. Limits, rates and observers are shared by all of them.
    ///
    /// A client goes to the loop with the fewest. Where the caller has a say in when the loop turns
    /// ([`FtpServer::attach`], [`blocking`](crate::ServeOptions::blocking) off, a
    /// [`timeout`](crate::ServeOptions::timeout)) there is one loop only.
    pub fn threads(self, threads: usize) -> Self {
        self.concurrency(Concurrency::Async { threads })
    }

    /// Checks the settings and listens. Clients that connect from here on wait until the server is
    /// run.
    ///
    /// # Errors
    ///
    /// [`ServerError`]: a setting cannot be used, or an address cannot be had.
    pub fn build(self) -> Result<FtpServer, ServerError> {
        if self.places.is_empty() {
            return Err(ServerError::NoAddress);
        }
        let pool = Pool::new();
        let limits = Limits::new(self.max_cons, self.max_cons_per_ip).into();
        let service = Service::new(self.handler, limits, pool.clone())?;
        let backlog = self.backlog;
        let listeners = open_all(self.places, backlog)?;
        let placement = self.concurrency.placement();
        Ok(FtpServer::new_listening(
            service, listeners, pool, placement,
        ))
    }

    /// The same, and runs it in a thread until the value is dropped. Signals are left alone.
    ///
    /// # Errors
    ///
    /// [`ServerError`]: a setting cannot be used, an address cannot be had, or there is no thread.
    pub fn spawn(self) -> Result<SpawnedServer, ServerError> {
        SpawnedServer::start(self)
    }
}

fn open_all(wanted: Vec<AddressOrSocket>, backlog: u32) -> Result<Vec<Listener>, ServerError> {
    let addresses: Vec<_> = wanted
        .iter()
        .filter_map(|place| match place {
            AddressOrSocket::Address(address) => Some(*address),
            AddressOrSocket::Socket(socket) => socket.local_addr().ok(),
        })
        .collect();
    let open = |place| match place {
        AddressOrSocket::Address(address) => {
            let only_v6 = is_only_v6(address, |v4| addresses.contains(&v4));
            Listener::bind(Place { address, only_v6 }, backlog)
                .map_err(|source| ServerError::Bind { address, source })
        }
        AddressOrSocket::Socket(socket) => adopt(socket, backlog).map_err(ServerError::Socket),
    };
    wanted.into_iter().map(open).collect()
}

fn adopt(socket: TcpListener, backlog: u32) -> io::Result<Listener> {
    check_is_tcp(&socket)?;
    socket2::SockRef::from(&socket).listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    Listener::given(mio::net::TcpListener::from_std(socket))
}

/// Refuses what a service manager passed and is no TCP socket, saying which it is: the type of a
/// descriptor tells nothing of it.
fn check_is_tcp(socket: &TcpListener) -> io::Result<()> {
    let socket = socket2::SockRef::from(socket);
    let problem = |problem: String| Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    let address = socket.local_addr()?;
    let Some(place) = address.as_socket() else {
        return problem(match address.as_pathname() {
            Some(path) => format!("the unix socket {} is not TCP", path.display()),
            None => "a unix socket is not TCP".into(),
        });
    };
    if socket.r#type()? != socket2::Type::STREAM {
        return problem(format!("the UDP socket {place} is not TCP"));
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[track_caller]
    fn check(socket: impl Into<OwnedFd>, expected: &str) {
        let error = adopt(TcpListener::from(socket.into()), 1)
            .map(drop)
            .unwrap_err();
        assert_eq!(ServerError::Socket(error).to_string(), expected);
    }

    #[test]
    fn sockets_that_are_not_tcp_are_refused_by_name() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        let start = "cannot use the given socket:";
        check(udp, &format!("{start} the UDP socket {address} is not TCP"));
        let (unix, _other) = UnixDatagram::pair().unwrap();
        check(unix, &format!("{start} a unix socket is not TCP"));
    }
}
