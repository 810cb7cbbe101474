//! What unit tests of several modules begin with.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Handler, IoLoop, Pool};

use crate::client::Client;
use crate::jobs::{Account, Credentials, LoginEnd, enter};
use crate::log_prefix::LogPrefix;
use crate::observer::SessionControl;
use crate::{Connection, FtpHandler, Limits, ObservedSession, Service};

/// The client's end of sessions without a connection.
pub(crate) fn peer() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1).into()
}

/// The server's end.
pub(crate) fn local() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 2).into()
}

/// What the connections of `handler` share; there is room for any number.
pub(crate) fn service(handler: impl Into<FtpHandler>) -> Arc<Service> {
    Service::new(handler.into(), Arc::new(Limits::new(0, 0)), Pool::new()).unwrap()
}

/// The client's end of a control connection, and the server's.
pub(crate) fn sockets() -> (TcpStream, mio::net::TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    (client, mio::net::TcpStream::from_std(stream))
}

/// The server's end of a connection that is no more, and whose error was told.
pub(crate) fn lost_socket() -> mio::net::TcpStream {
    let (client, stream) = sockets();
    // Closing it resets it.
    let at_once = Some(Duration::ZERO);
    socket2::SockRef::from(&client).set_linger(at_once).unwrap();
    drop(client);
    while stream
        .peek(&mut [0])
        .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    {
        thread::yield_now();
    }
    stream
}

/// A connection of `service` that no loop has yet, by the server's end of it.
pub(crate) fn connection(service: &Arc<Service>, stream: mio::net::TcpStream) -> Connection {
    let peer = stream.peer_addr().unwrap();
    let permit = service.limits.acquire(peer.ip()).unwrap();
    Connection::new(service, stream, peer, permit).unwrap()
}

/// A loop with nothing but this connection, or what stands for it.
pub(crate) fn alone(connection: impl Handler + 'static) -> IoLoop {
    let mut events = IoLoop::new().unwrap();
    events.add(Box::new(connection)).unwrap();
    events
}

/// Logs in as `user` with the password `12345`.
pub(crate) fn enter_as_user(service: &Arc<Service>) -> Arc<Account> {
    log_in_as_user(service).unwrap().0
}

/// Tries to.
pub(crate) fn log_in_as_user(service: &Arc<Service>) -> LoginEnd {
    let client = Arc::new(Client {
        service: Arc::clone(service),
        peer: peer(),
        local: local(),
        own: None,
    });
    let credentials = Credentials {
        username: "user".into(),
        password: Some("12345".into()),
        certificate: None,
        secure: false,
    };
    let login = credentials.check(&client).unwrap().unwrap();
    enter(&client, login, false)
}

/// A session that has just begun, by its number.
pub(crate) fn observed_session(id: u64, cx: &mut Context<'_>) -> ObservedSession {
    let log_prefix = LogPrefix::parse(LogPrefix::DEFAULT).unwrap();
    ObservedSession {
        id,
        peer: peer(),
        local: local(),
        username: None,
        secure: false,
        control: Arc::new(SessionControl::new(cx.notifier(), log_prefix)),
    }
}
