//! Clients that are disconnected before they are served.

use std::fmt::Display;
use std::io::{Read, Write};
use std::net::SocketAddr;

use ftpdlib_handlers::{LimitReached, Service};
use mio::net::TcpStream;

/// The reply text for a client if the system has no thread, process or descriptor left.
const UNAVAILABLE: &str = "Service temporarily unavailable.";

/// A client that is refused. Its owner disconnects it by dropping the socket.
#[derive(Clone, Copy)]
pub(crate) struct Refused<'a> {
    service: &'a Service,
    stream: &'a TcpStream,
    peer: SocketAddr,
}

impl<'a> Refused<'a> {
    pub(crate) const fn new(service: &'a Service, stream: &'a TcpStream, peer: SocketAddr) -> Self {
        Self {
            service,
            stream,
            peer,
        }
    }

    /// Refuses the client because it exceeds `limit`.
    pub(crate) fn over(self, limit: LimitReached) {
        self.log(&limit.text());
        self.send(limit.text());
    }

    /// Refuses the client because it cannot be served; only the log gets the reason.
    pub(crate) fn because(self, reason: &dyn Display) {
        self.log(reason);
        self.tell();
    }

    /// Tells the client that it cannot be served. The reason is logged elsewhere.
    pub(crate) fn tell(self) {
        self.send(UNAVAILABLE);
    }

    fn log(self, reason: &dyn Display) {
        log::warn!("client {} refused: {reason}", self.peer);
    }

    /// Tells the client why it is disconnected, unless it expects a TLS handshake first.
    fn send(self, text: &str) {
        if self.service.is_implicit_tls() {
            return;
        }
        let mut stream = self.stream;
        // Read what the client has sent already, such as a PROXY header: closing a connection with
        // unread bytes resets it, and the client may not see the reply.
        let _ = stream.read(&mut [0; 1024]);
        // The socket's send buffer is empty, so this short text fits.
        if let Err(error) = stream.write_all(format!("421 {text}\r\n").as_bytes()) {
            log::debug!("client {} left at once: {error}", self.peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream as StdStream};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;

    use crate::FtpServerBuilder;

    use super::*;

    #[test]
    fn the_refusal_of_a_proxy_was_cut_by_its_unread_header() {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
        let service = builder.build().unwrap().shared().service();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut proxy = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        proxy
            .write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 21\r\n")
            .unwrap();
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
        stream.set_nonblocking(true).unwrap();
        Refused::new(&service, &TcpStream::from_std(stream), peer).over(LimitReached::Total);
        let mut told = String::new();
        proxy.read_to_string(&mut told).unwrap();
        assert_eq!(told, format!("421 {}\r\n", LimitReached::Total.text()));
    }
}
