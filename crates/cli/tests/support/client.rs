//! A client of the program.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long anything may take before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A control connection.
pub(crate) struct Client {
    pub(crate) control: BufReader<TcpStream>,
}

impl Client {
    /// Connects and reads the greeting.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let control = BufReader::new(stream);
        let mut client = Self { control };
        client.expect_reply("220");
        client
    }

    /// Connects and logs in as the anonymous user.
    #[track_caller]
    pub(crate) fn login(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.expect("USER anonymous", "331");
        client.expect("PASS a@", "230");
        client
    }

    /// Reads the next reply, whose code must begin with `code`, and returns its last line.
    #[track_caller]
    pub(crate) fn expect_reply(&mut self, code: &str) -> String {
        loop {
            let mut line = String::new();
            self.control.read_line(&mut line).unwrap();
            if line.is_empty() || line.as_bytes()[3] == b' ' {
                assert!(line.starts_with(code), "{line:?}, not {code}");
                return line;
            }
        }
    }

    /// Sends a command and reads its reply.
    #[track_caller]
    pub(crate) fn expect(&mut self, command: &str, code: &str) -> String {
        let line = format!("{command}\r\n");
        self.control.get_mut().write_all(line.as_bytes()).unwrap();
        self.expect_reply(code)
    }

    /// Begins a transfer over a passive data connection.
    #[track_caller]
    pub(crate) fn begin(&mut self, command: &str) -> TcpStream {
        let told = self.expect("EPSV", "229");
        let port = told.split('|').nth(3).unwrap().parse().unwrap();
        let server = self.control.get_ref().peer_addr().unwrap().ip();
        let data = TcpStream::connect(SocketAddr::new(server, port)).unwrap();
        self.expect(command, "150");
        data
    }
}
