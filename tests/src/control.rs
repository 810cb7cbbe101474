//! What is said on a control connection, in the clear or under TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::client::connect;
use crate::reply::{Reply, take_reply};

/// What a control connection runs over.
pub trait Wire: Read + Write {
    /// The server's address.
    fn server(&self) -> SocketAddr;

    /// Whether this error of reading is the end of the connection.
    fn is_end(error: &io::Error) -> bool;
}

/// The control connection of a client. Every method that gets another answer than it should panics,
/// which fails the test.
pub struct Control<S> {
    pub(crate) stream: S,
    pub(crate) received: Vec<u8>,
}

#[expect(
    clippy::missing_panics_doc,
    reason = "the type says it for all methods"
)]
impl<S: Wire> Control<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends a line.
    #[track_caller]
    pub fn send(&mut self, line: &str) {
        self.send_raw(format!("{line}\r\n").as_bytes());
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    /// Sends bytes as they are, to a server that may be gone.
    ///
    /// # Errors
    ///
    /// It is.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Takes the next reply; `None` at the end of the connection, however it ends.
    #[track_caller]
    pub fn next_reply(&mut self) -> Option<Reply> {
        let mut buffer = [0; 16 << 10];
        loop {
            if let Some(reply) = take_reply(&mut self.received) {
                return Some(reply);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(bytes) => self.received.extend_from_slice(&buffer[..bytes]),
                // A read with a timeout is interrupted also by a process that was stopped for a
                // while.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if S::is_end(&error) => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    /// Takes the next reply, which must have this code.
    #[track_caller]
    pub fn expect_reply(&mut self, code: u16) -> Reply {
        match self.next_reply() {
            Some(reply) => {
                assert_eq!(reply.code, code, "{}", reply.text());
                reply
            }
            None => panic!("connection closed, {code} expected"),
        }
    }

    /// Sends a line and takes its reply, which must have this code.
    #[track_caller]
    pub fn expect(&mut self, line: &str, code: u16) -> Reply {
        self.send(line);
        match self.next_reply() {
            Some(reply) => {
                assert_eq!(reply.code, code, "{line}: {}", reply.text());
                reply
            }
            None => panic!("{line}: connection closed, {code} expected"),
        }
    }

    /// Sends lines one after the other, each of which must get its code.
    #[track_caller]
    pub fn play(&mut self, dialogue: &[(&str, u16)]) {
        for (line, code) in dialogue {
            self.expect(line, *code);
        }
    }

    /// EPSV: the address to connect to.
    #[track_caller]
    pub fn epsv(&mut self) -> SocketAddr {
        let told = self.expect("EPSV", 229).argument();
        let port = told.split('|').nth(3).and_then(|port| port.parse().ok());
        let mut server = self.stream.server();
        server.set_port(port.unwrap_or_else(|| panic!("no port in {told}")));
        server
    }

    /// Opens a passive data connection.
    #[track_caller]
    pub fn passive(&mut self) -> TcpStream {
        connect(self.epsv())
    }
}
