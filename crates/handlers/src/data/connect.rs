//! Connecting to a client in active mode.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// Starts connecting to `peer`, from the address that the client knows the server by.
///
/// # Errors
///
/// The system's, when the attempt fails at once; most failures come later, as an event.
pub(crate) fn connect(local: IpAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let (local, peer) = (local.to_canonical(), canonical(peer));
    let socket = Socket::new(Domain::for_address(peer), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if local.is_ipv4() == peer.is_ipv4() {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    match socket.connect(&peer.into()) {
        Err(error) if error.kind() == io::ErrorKind::InProgress => {}
        outcome => outcome?,
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
