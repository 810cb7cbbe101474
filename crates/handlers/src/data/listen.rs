//! Opening a port for a passive data connection.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use socket2::{Domain, Protocol, Socket, Type};

use crate::settings::PassivePorts;

/// One client is expected; the rest of the queue is for those that are turned away, and lie there
/// for as long as the port is not looked at.
const BACKLOG: i32 = 128;

/// Listens on one of `ports` at the address `local`, which the client connected to.
///
/// # Errors
///
/// The last port's, if every port is taken; at once, for anything but a taken port.
pub(crate) fn listen(
    mut local: SocketAddr,
    ports: &PassivePorts,
) -> io::Result<(TcpListener, u16)> {
    let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
    for port in ports.in_random_order() {
        local.set_port(port);
        match listen_on(local) {
            Err(error) if is_taken(&error) => taken = error,
            outcome => return outcome,
        }
    }
    Err(taken)
}

fn listen_on(address: SocketAddr) -> io::Result<(TcpListener, u16)> {
    let domain = Domain::for_address(address);
    // Done for every file: where one call is enough, it is one.
    #[cfg(target_os = "linux")]
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    #[cfg(not(target_os = "linux"))]
    let socket = {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket
    };
    if address.port() != 0 {
        // A port whose last connection has ended a minute ago is free.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into());
    let port = match address.port() {
        0 => listener.local_addr()?.port(),
        port => port,
    };
    Ok((listener, port))
}

fn is_taken(error: &io::Error) -> bool {
    // A privileged port in the range is as good as taken to a server without the privilege.
    matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn an_exhausted_range_is_refused_and_never_left() {
        let holder = std::net::TcpListener::bind(LOOPBACK).unwrap();
        let port = holder.local_addr().unwrap().port();
        let error = listen(LOOPBACK, &PassivePorts::of([port])).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_only_free_port_of_a_range_is_found() {
        let holder = std::net::TcpListener::bind(LOOPBACK).unwrap();
        let taken = holder.local_addr().unwrap().port();
        let free = {
            let probe = std::net::TcpListener::bind(LOOPBACK).unwrap();
            probe.local_addr().unwrap().port()
        };
        let (_listener, port) = listen(LOOPBACK, &PassivePorts::of([taken, free])).unwrap();
        assert_eq!(port, free);
    }
}
