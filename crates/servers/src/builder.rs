//! Building a server.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use ftpdlib_handlers::{FtpHandler, Limits, Service};
use ftpdlib_ioloop::Pool;

use crate::accepting::{BindAddress, BoundListener, is_only_v6};
use crate::own_threads;
use crate::process::InheritedSocket;
use crate::{Concurrency, FtpServer, ServerError, SpawnedServer};

/// The default backlog of servers with a thread or a process for each client, as in pyftpdlib.
pub(crate) const PER_CLIENT_BACKLOG: u32 = 5;

/// Where a server listens (pyftpdlib: `address_or_socket`).
///
/// Made from a bound socket, a [`SocketAddr`], or a host and a port: either as a pair, whose host
/// is an address or a string, or as one string, such as `"127.0.0.1:2121"`, `"[::1]:2121"` or
/// `"localhost:2121"`. With port 0 the system chooses the port.
///
/// A host string is an address, a name, or `""` for `0.0.0.0`, which is every interface. A name is
/// looked up once, when the server is built, which may take a while. If it has several addresses,
/// the server binds the first one that this machine has, as in pyftpdlib.
#[derive(Debug)]
pub struct AddressOrSocket(Place);

#[derive(Debug)]
enum Place {
    Address(SocketAddr),
    Host {
        host: String,
        port: u16,
    },
    /// A string that is not a host and a port: an error when the server is built.
    Malformed(String),
    /// A socket that is already bound.
    Socket(InheritedSocket),
}

impl From<InheritedSocket> for AddressOrSocket {
    fn from(socket: InheritedSocket) -> Self {
        Self(Place::Socket(socket))
    }
}

impl From<TcpListener> for AddressOrSocket {
    fn from(socket: TcpListener) -> Self {
        let bound_for = None;
        InheritedSocket { socket, bound_for }.into()
    }
}

impl From<SocketAddr> for AddressOrSocket {
    fn from(address: SocketAddr) -> Self {
        Self(Place::Address(address))
    }
}

/// One impl per type: a generic one for all types that convert into an address would conflict with
/// the impls for strings.
macro_rules! from_address_and_port {
    ($($ip:ty),*) => {
        $(
            impl From<($ip, u16)> for AddressOrSocket {
                fn from(address: ($ip, u16)) -> Self {
                    Self(Place::Address(address.into()))
                }
            }
        )*
    };
}

from_address_and_port!(IpAddr, Ipv4Addr, Ipv6Addr, [u8; 4], [u8; 16], [u16; 8]);

impl From<(String, u16)> for AddressOrSocket {
    fn from((host, port): (String, u16)) -> Self {
        Self(Place::Host { host, port })
    }
}

impl From<(&str, u16)> for AddressOrSocket {
    fn from((host, port): (&str, u16)) -> Self {
        (host.to_owned(), port).into()
    }
}

/// Takes the host and the port, with a colon between them.
impl From<&str> for AddressOrSocket {
    fn from(text: &str) -> Self {
        if let Ok(address) = text.parse() {
            return Self(Place::Address(address));
        }
        let parts = text.rsplit_once(':');
        match parts.map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) if !host.contains(':') => (host, port).into(),
            _ => Self(Place::Malformed(text.to_owned())),
        }
    }
}

impl From<String> for AddressOrSocket {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// Builds an [`FtpServer`] with non-default limits or several listeners.
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
#[must_use]
pub struct FtpServerBuilder {
    handler: FtpHandler,
    addresses: Vec<AddressOrSocket>,
    backlog: u32,
    max_cons: usize,
    max_cons_per_ip: usize,
    concurrency: Concurrency,
}

impl FtpServerBuilder {
    /// Creates a builder for a server that serves clients as `handler` says.
    pub fn new(handler: impl Into<FtpHandler>) -> Self {
        Self {
            handler: handler.into(),
            addresses: Vec::new(),
            backlog: 100,
            max_cons: 512,
            max_cons_per_ip: 0,
            concurrency: Concurrency::default(),
        }
    }

    /// Adds an address or a bound socket to listen on.
    ///
    /// `[::]` also accepts IPv4 clients, unless `0.0.0.0` is given with the same port.
    pub fn listen(mut self, address: impl Into<AddressOrSocket>) -> Self {
        self.addresses.push(address.into());
        self
    }

    /// Sets how many clients may wait to be accepted; 100 by default.
    pub fn backlog(mut self, clients: u32) -> Self {
        self.backlog = clients;
        self
    }

    /// Sets the maximum number of connections, control and data together; 512 by default, 0 for no
    /// limit.
    pub fn max_cons(mut self, connections: usize) -> Self {
        self.max_cons = connections;
        self
    }

    /// Sets the maximum number of connections per client address, control and data together; 0, the
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

    /// Runs sessions on this many event loops, each in a thread; 1 by default, 0 for one per usable
    /// CPU. All loops share limits, rates and observers.
    ///
    /// A client goes to the loop with the fewest clients. Where the caller decides when the loop
    /// turns ([`FtpServer::attach`], [`blocking`](crate::ServeOptions::blocking) off, a
    /// [`timeout`](crate::ServeOptions::timeout)), there is only one loop.
    pub fn threads(self, threads: usize) -> Self {
        self.concurrency(Concurrency::Async { threads })
    }

    /// Checks the settings and starts to listen. Clients that connect from now on wait until the
    /// server is run.
    ///
    /// # Errors
    ///
    /// [`ServerError`] if a setting is invalid or an address cannot be used.
    pub fn build(self) -> Result<FtpServer, ServerError> {
        if self.addresses.is_empty() {
            return Err(ServerError::NoAddress);
        }
        let server = own_threads::server();
        let pool = Pool::with_thread_start(move || own_threads::work_for(server));
        let limits = Limits::new(self.max_cons, self.max_cons_per_ip).into();
        let service = Service::new(self.handler, limits, pool.clone())?;
        let backlog = self.backlog;
        let listeners = open_all(self.addresses, backlog)?;
        let placement = self.concurrency.placement();
        let server = FtpServer::new_listening(service, listeners, pool, placement);
        if let Some(supervisor) = self.concurrency.supervisor() {
            server.shared().set_supervisor(supervisor);
        }
        Ok(server)
    }

    /// Builds the server and runs it in a thread until the returned value is dropped. Returns once
    /// the server accepts clients. The server does not catch signals.
    ///
    /// # Errors
    ///
    /// [`ServerError`] if a setting is invalid, an address cannot be used, a thread cannot be
    /// started, or the server would have to fork ([`Concurrency::MultiProcess`]), which a process
    /// with several threads cannot do.
    pub fn spawn(self) -> Result<SpawnedServer, ServerError> {
        SpawnedServer::start(self)
    }
}

impl fmt::Debug for FtpServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FtpServerBuilder")
            .field("addresses", &self.addresses)
            .field("backlog", &self.backlog)
            .field("max_cons", &self.max_cons)
            .field("max_cons_per_ip", &self.max_cons_per_ip)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// What to listen on, once names are looked up.
enum ListenTarget {
    /// The first of these addresses that this machine has.
    AnyOf(Vec<SocketAddr>),
    Socket(InheritedSocket),
}

impl ListenTarget {
    fn of(AddressOrSocket(place): AddressOrSocket) -> Result<Self, ServerError> {
        Ok(match place {
            Place::Address(address) => Self::AnyOf(vec![address]),
            Place::Host { host, port } => match look_up(&host, port) {
                Ok(addresses) => Self::AnyOf(addresses),
                Err(source) => return Err(ServerError::UnknownHost { host, source }),
            },
            Place::Malformed(host) => {
                let problem = "no host with a colon and a port behind it";
                let source = io::Error::new(io::ErrorKind::InvalidInput, problem);
                return Err(ServerError::UnknownHost { host, source });
            }
            Place::Socket(socket) => Self::Socket(socket),
        })
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::AnyOf(addresses) => addresses.clone(),
            Self::Socket(inherited) => inherited.socket.local_addr().into_iter().collect(),
        }
    }
}

fn open_all(
    addresses: Vec<AddressOrSocket>,
    backlog: u32,
) -> Result<Vec<BoundListener>, ServerError> {
    let wanted: Vec<_> = addresses
        .into_iter()
        .map(ListenTarget::of)
        .collect::<Result<_, _>>()?;
    let all: Vec<_> = wanted.iter().flat_map(ListenTarget::addresses).collect();
    let open = |wanted| match wanted {
        ListenTarget::AnyOf(addresses) => bind_one(&addresses, &all, backlog),
        ListenTarget::Socket(inherited) => adopt(inherited, backlog).map_err(ServerError::Socket),
    };
    wanted.into_iter().map(open).collect()
}

/// Listens on the first of `addresses` that this machine has; `all` are the server's addresses.
fn bind_one(
    addresses: &[SocketAddr],
    all: &[SocketAddr],
    backlog: u32,
) -> Result<BoundListener, ServerError> {
    let mut refused = ServerError::NoAddress;
    for &address in addresses {
        let only_v6 = is_only_v6(address, |v4| all.contains(&v4));
        match BoundListener::bind(BindAddress { address, only_v6 }, backlog) {
            Ok(listener) => return Ok(listener),
            Err(source) => {
                // The machine has this address, but it is in use or not permitted: try no other.
                let is_final = matches!(
                    source.kind(),
                    io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
                );
                refused = ServerError::Bind { address, source };
                if is_final {
                    break;
                }
            }
        }
    }
    Err(refused)
}

/// Looks up the addresses of a host; returns at least one.
fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.is_empty() {
        return Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()]);
    }
    let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    if addresses.is_empty() {
        return Err(io::Error::other("it has no address"));
    }
    Ok(addresses)
}

fn adopt(inherited: InheritedSocket, backlog: u32) -> io::Result<BoundListener> {
    let InheritedSocket { socket, bound_for } = inherited;
    check_is_tcp(&socket)?;
    socket2::SockRef::from(&socket).listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    BoundListener::from_socket(mio::net::TcpListener::from_std(socket), bound_for)
}

/// Refuses a socket that is not TCP, and says what it is: a service manager may pass any kind,
/// which the type of the descriptor does not show.
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

    use ftpdlib_authorizers::DummyAuthorizer;

    use super::*;

    #[track_caller]
    fn check(socket: impl Into<OwnedFd>, expected: &str) {
        let inherited = InheritedSocket {
            socket: TcpListener::from(socket.into()),
            bound_for: None,
        };
        let error = adopt(inherited, 1).map(drop).unwrap_err();
        assert_eq!(ServerError::Socket(error).to_string(), expected);
    }

    /// Returns the address of a new server, or why it cannot listen.
    fn listen(address: impl Into<AddressOrSocket>) -> Result<SocketAddr, String> {
        let server = FtpServer::new(address, FtpHandler::new(DummyAuthorizer::new()));
        server
            .map(|server| server.local_addrs()[0])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn hosts_may_be_texts_or_addresses() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        for (got, expected) in [
            (listen(("127.0.0.1", 0)), loopback),
            (listen((String::from("127.0.0.1"), 0)), loopback),
            (listen(("", 0)), Ipv4Addr::UNSPECIFIED.into()),
            (listen((loopback, 0)), loopback),
            (listen((Ipv4Addr::LOCALHOST, 0)), loopback),
            (listen(([127, 0, 0, 1], 0)), loopback),
            (listen(SocketAddr::new(loopback, 0)), loopback),
            (listen("127.0.0.1:0"), loopback),
            (listen(String::from("127.0.0.1:0")), loopback),
            (listen(":0"), Ipv4Addr::UNSPECIFIED.into()),
        ] {
            let got = got.unwrap();
            assert_eq!(got.ip(), expected);
            assert_ne!(got.port(), 0);
        }
        let host = AddressOrSocket::from(("::1", 2121));
        let Ok(ListenTarget::AnyOf(found)) = ListenTarget::of(host) else {
            panic!("an address needs no look-up");
        };
        assert_eq!(found, [(Ipv6Addr::LOCALHOST, 2121).into()]);
    }

    #[test]
    fn names_are_looked_up_when_the_server_is_made() {
        assert!(listen(("localhost", 0)).unwrap().ip().is_loopback());
        let unknown = listen(("no..host", 0)).unwrap_err();
        let expected = "cannot find host \"no..host\": ";
        assert!(unknown.starts_with(expected), "{unknown}");
    }

    #[test]
    fn an_address_as_text_was_refused_by_the_compiler() {
        for (text, expected) in [
            (
                "[::1]:21",
                Some(SocketAddr::from((Ipv6Addr::LOCALHOST, 21))),
            ),
            ("127.0.0.1", None),
            ("localhost:", None),
            ("::1:21", None),
            ("localhost:65536", None),
            ("", None),
        ] {
            let found = match ListenTarget::of(text.into()) {
                Ok(ListenTarget::AnyOf(found)) => found.first().copied(),
                Ok(ListenTarget::Socket(_)) => panic!("{text} is no socket"),
                Err(error) => {
                    let problem = "no host with a colon and a port behind it";
                    let expected = format!("cannot find host {text:?}: {problem}");
                    assert_eq!(error.to_string(), expected);
                    None
                }
            };
            assert_eq!(found, expected, "{text}");
        }
        assert!(listen("localhost:0").unwrap().ip().is_loopback());
    }

    #[test]
    fn only_an_address_of_another_machine_is_passed_over() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        // An address reserved for documentation, which no machine has.
        let strange = SocketAddr::from(([192, 0, 2, 7], 0));
        let listener = bind_one(&[strange, loopback], &[], 1).unwrap();
        assert_eq!(listener.address().ip(), loopback.ip());
        let taken = listener.address();
        let problem = |addresses: &[SocketAddr]| {
            let refused = bind_one(addresses, &[], 1);
            refused.map(drop).unwrap_err().to_string()
        };
        let refused = problem(&[taken, loopback]);
        assert!(refused.starts_with(&format!("cannot listen on {taken}: ")));
        assert!(problem(&[strange]).starts_with("cannot listen on 192.0.2.7:0: "));
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
