//! The client's end of the data connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use ftpdlib_tests::dialogue::{DataStep, passive_port};
use socket2::{Domain, Socket, Type};

use super::{limit, lossy};

pub(super) struct DataConnection {
    /// The address of both ends.
    ip: IpAddr,
    /// The port the client was told last.
    told_port: Option<u16>,
    state: State,
}

enum State {
    Closed,
    Listening(TcpListener),
    Connected(TcpStream),
}

/// Another address of this machine.
const STRANGER: ([u8; 4], u16) = ([127, 0, 0, 2], 0);

impl DataConnection {
    pub(super) fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            told_port: None,
            state: State::Closed,
        }
    }

    /// Does what the dialogue says.
    pub(super) fn take(&mut self, step: &DataStep) -> Result<(), String> {
        match step {
            DataStep::Connect => {
                let stream = TcpStream::connect(self.server()?);
                self.state = State::Connected(stream.map_err(|error| error.to_string())?);
            }
            DataStep::Listen => {
                let listener = TcpListener::bind((self.ip, 0));
                self.state = State::Listening(listener.map_err(|error| error.to_string())?);
            }
            DataStep::Stranger => is_turned_away(self.server()?)?,
            DataStep::Read(expected) => {
                let got = self.read_all()?;
                if got != *expected {
                    return Err(format!("read {:?}", lossy(&got)));
                }
            }
            DataStep::Contains(expected) => {
                let got = lossy(&self.read_all()?);
                if !got.contains(&lossy(expected)) {
                    return Err(format!("read {got:?}"));
                }
            }
            DataStep::Write(bytes) => {
                let written = self.connection()?.write_all(bytes);
                written.map_err(|error| error.to_string())?;
            }
            DataStep::Close => {
                self.connection()?;
                self.state = State::Closed;
            }
            DataStep::Closed => wait_for_end(self.connection()?)?,
        }
        Ok(())
    }

    /// Takes a line from the server: it may tell a port.
    pub(super) fn hear(&mut self, line: &[u8]) {
        self.told_port = passive_port(line).or(self.told_port);
    }

    /// Where the client listens.
    pub(super) fn client_address(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Listening(listener) => listener.local_addr().ok(),
            State::Closed | State::Connected(_) => None,
        }
    }

    fn server(&self) -> Result<SocketAddr, String> {
        let port = self.told_port.ok_or("no port was told")?;
        Ok(SocketAddr::new(self.ip, port))
    }

    /// The connection, which the server makes if the client listens.
    fn connection(&mut self) -> Result<&mut TcpStream, String> {
        if let State::Listening(listener) = &self.state {
            let (stream, _) = listener.accept().map_err(|error| error.to_string())?;
            self.state = State::Connected(stream);
        }
        let State::Connected(stream) = &mut self.state else {
            return Err("no data connection".to_owned());
        };
        limit(stream)?;
        Ok(stream)
    }

    fn read_all(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = self.connection()?.read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        self.state = State::Closed;
        Ok(bytes)
    }
}

/// Connects from another address, and waits until the server closes that connection.
fn is_turned_away(server: SocketAddr) -> Result<(), String> {
    let connect = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(STRANGER).into())?;
        socket.connect(&server.into())?;
        Ok(TcpStream::from(socket))
    };
    let mut stream = connect().map_err(|error: std::io::Error| error.to_string())?;
    limit(&stream)?;
    wait_for_end(&mut stream)
}

/// Reads up to the end, orderly or not.
fn wait_for_end(stream: &mut TcpStream) -> Result<(), String> {
    match std::io::copy(stream, &mut std::io::sink()) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.to_string()),
        _ => Ok(()),
    }
}
