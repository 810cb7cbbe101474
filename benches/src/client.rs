//! One client that does one thing at a time.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use ftpdlib_sys::{discard, send_file};

use crate::Target;
use crate::tls::{Channel, ClientTls, TlsStart};

/// A server that says nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server from which nothing comes for so long, after as many bytes as the file has, waits for
/// the client.
const QUIET: Duration = Duration::from_millis(5);

/// Most bytes thrown away or sent in one call.
const PIECE: usize = 1 << 30;

/// The last line of a reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// Its code.
    pub code: u16,
    /// The line after the code and a blank.
    pub text: String,
}

/// A control connection.
#[derive(Debug)]
pub struct Client {
    control: Channel<TcpStream>,
    address: SocketAddr,
    /// For the control connection, and for private data connections.
    tls: Option<ClientTls>,
    unread: Vec<u8>,
}

impl Client {
    /// Connects and waits for the greeting, over TLS where the server speaks that from the first
    /// byte.
    ///
    /// # Errors
    ///
    /// No connection, no TLS, or no greeting.
    pub fn connect(target: &Target) -> io::Result<Self> {
        let socket = TcpStream::connect(target.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut client = Self {
            control: Channel::new(socket),
            address: target.address,
            tls: target.tls.clone(),
            unread: Vec::new(),
        };
        if client.start() == Some(TlsStart::Implicit) {
            client.secure()?;
        }
        client.expect(220)?;
        Ok(client)
    }

    /// Connects and logs in, for binary transfers; over TLS if the server speaks it.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn login(target: &Target) -> io::Result<Self> {
        let mut client = Self::connect(target)?;
        if client.start() == Some(TlsStart::Explicit) {
            client.command("AUTH TLS", 234)?;
            client.secure()?;
        }
        client.authenticate(&target.username, &target.password)?;
        client.command("TYPE I", 200)?;
        Ok(client)
    }

    /// The same, and asks for private data connections (RFC 4217 §9).
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn login_private(target: &Target) -> io::Result<Self> {
        let mut client = Self::login(target)?;
        client.command("PBSZ 0", 200)?;
        client.command("PROT P", 200)?;
        Ok(client)
    }

    /// Logs in.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn authenticate(&mut self, username: &str, password: &str) -> io::Result<()> {
        self.send(&format!("USER {username}"))?;
        if self.reply()?.code == 331 {
            self.command(&format!("PASS {password}"), 230)?;
        }
        Ok(())
    }

    /// Sends `line` and waits for a reply with `code`.
    ///
    /// # Errors
    ///
    /// Another reply.
    pub fn command(&mut self, line: &str, code: u16) -> io::Result<Reply> {
        self.send(line)?;
        self.expect(code)
    }

    /// Opens a passive data connection, sends `line`, a command that transfers over it, and waits
    /// for the preliminary reply.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn begin(&mut self, line: &str) -> io::Result<TcpStream> {
        let port = passive_port(&self.command("EPSV", 229)?)?;
        let data = TcpStream::connect((self.address.ip(), port))?;
        data.set_read_timeout(Some(PATIENCE))?;
        self.send(line)?;
        match self.reply()? {
            Reply {
                code: 125 | 150, ..
            } => Ok(data),
            reply => Err(unexpected(&reply)),
        }
    }

    /// Does the same as [`begin`](Self::begin), and the handshake of a private data connection
    /// after that.
    pub(crate) fn begin_private(&mut self, line: &str) -> io::Result<Channel<TcpStream>> {
        let socket = self.begin(line)?;
        // What follows the handshake at once is not to wait for its acknowledgement.
        socket.set_nodelay(true)?;
        let settings = self.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let mut data = Channel::new(socket);
        data.secure(settings)?;
        data.handshake()?;
        Ok(data)
    }

    /// Sends `line`, a command that downloads, and throws away what comes; answers how many bytes.
    ///
    /// # Errors
    ///
    /// The server refuses, or the transfer fails.
    pub fn download(&mut self, line: &str) -> io::Result<u64> {
        let data = self.begin(line)?;
        let total = discard_all(&data)?;
        drop(data);
        self.expect(226)?;
        Ok(total)
    }

    /// Sends `line`, a command that uploads, and the first `size` bytes of `source`.
    ///
    /// # Errors
    ///
    /// The server refuses, or the transfer fails.
    pub fn upload(&mut self, line: &str, source: &File, size: u64) -> io::Result<()> {
        let data = self.begin(line)?;
        send_all(&data, source, size)?;
        drop(data);
        self.expect(226).map(drop)
    }

    /// Does the same as [`download`](Self::download) over a private data connection, of a file of
    /// `size` bytes: whether at least so many came after the handshake, records and all.
    ///
    /// # Errors
    ///
    /// The server refuses, or the transfer fails.
    pub fn download_private(&mut self, line: &str, size: u64) -> io::Result<bool> {
        let mut data = self.begin_private(line)?;
        let came = discard_some(data.socket(), size)? >= size;
        data.socket().set_read_timeout(Some(QUIET))?;
        match discard_all(data.socket()) {
            // vsftpd announces the end and waits for the client to do the same, whose kernel has
            // dropped the announcement.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                data.finish(&[])?;
                data.socket().set_read_timeout(Some(PATIENCE))?;
                discard_all(data.socket())?;
            }
            rest => drop(rest?),
        }
        drop(data);
        self.expect(226)?;
        Ok(came)
    }

    /// Sends `records`, of which there are `size` bytes, over a private data connection, with the
    /// end of the data among them.
    pub(crate) fn finish_upload(
        &mut self,
        data: &TcpStream,
        records: &File,
        size: u64,
    ) -> io::Result<()> {
        send_all(data, records, size)?;
        data.shutdown(Shutdown::Write)?;
        // What the server says, tickets for one, is taken: a reset would take the data along.
        discard_all(data)?;
        self.expect(226).map(drop)
    }

    /// Sends `line`, a command that downloads, and reads what comes over a private data connection;
    /// answers how many bytes, and whether the connection resumed a session.
    pub(crate) fn read_private(&mut self, line: &str) -> io::Result<(usize, bool)> {
        let mut data = self.begin_private(line)?;
        let total = read_all(&mut data)?;
        let resumed = data.is_resumed();
        drop(data);
        self.expect(226)?;
        Ok((total, resumed))
    }

    /// Sends `line`, a command that uploads, and `bytes` over a private data connection; answers
    /// whether that resumed a session.
    pub(crate) fn write_private(&mut self, line: &str, bytes: &[u8]) -> io::Result<bool> {
        let mut data = self.begin_private(line)?;
        data.finish(bytes)?;
        data.socket().shutdown(Shutdown::Write)?;
        // Tickets may have come: they are of use, and unread they would make the end a reset.
        read_all(&mut data)?;
        self.expect(226)?;
        Ok(data.is_resumed())
    }

    /// Sends `line`.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub fn send(&mut self, line: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 2);
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        self.control.write_all(&bytes)
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    ///
    /// The connection is lost, or this is no reply.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(reply) = take_reply(&mut self.unread)? {
                return Ok(reply);
            }
            match self.control.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                bytes => self.unread.extend_from_slice(&buffer[..bytes]),
            }
        }
    }

    fn start(&self) -> Option<TlsStart> {
        self.tls.as_ref().map(|tls| tls.start)
    }

    /// How TLS begins on the control connection, its version and its suite, if it has any.
    pub fn tls_summary(&self) -> Option<String> {
        let tls = self.control.tls()?;
        let start = match self.start()? {
            TlsStart::Explicit => "explicit",
            TlsStart::Implicit => "implicit",
        };
        let version = tls.protocol_version()?;
        let suite = tls.negotiated_cipher_suite()?.suite();
        Some(format!("{start} TLS, {version:?}, {suite:?}"))
    }

    fn secure(&mut self) -> io::Result<()> {
        let settings = self.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        self.control.secure(settings)?;
        self.control.handshake()
    }

    fn expect(&mut self, code: u16) -> io::Result<Reply> {
        let reply = self.reply()?;
        if reply.code == code {
            Ok(reply)
        } else {
            Err(unexpected(&reply))
        }
    }
}

/// Reads everything up to the end, announced or not; answers how many bytes.
fn read_all(data: &mut Channel<TcpStream>) -> io::Result<usize> {
    let mut buffer = [0; 16 << 10];
    let mut total = 0;
    loop {
        match data.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(bytes) => total += bytes,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(total),
            Err(error) => return Err(error),
        }
    }
}

/// Throws away everything up to the end; answers how many bytes.
fn discard_all(data: &TcpStream) -> io::Result<u64> {
    discard_some(data, u64::MAX)
}

/// Throws away at least `least` bytes, or everything up to the end; answers how many.
fn discard_some(data: &TcpStream, least: u64) -> io::Result<u64> {
    let mut total = 0;
    while total < least {
        match discard(data.as_fd(), PIECE)? {
            0 => break,
            bytes => total += bytes as u64,
        }
    }
    Ok(total)
}

/// Sends the first `size` bytes of `source`.
fn send_all(data: &TcpStream, source: &File, size: u64) -> io::Result<()> {
    let mut offset = 0;
    while offset < size {
        let count = usize::try_from(size - offset).map_or(PIECE, |rest| rest.min(PIECE));
        if send_file(data.as_fd(), source.as_fd(), &mut offset, count)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// The error for a reply that should have been another one.
pub(crate) fn unexpected(reply: &Reply) -> io::Error {
    io::Error::other(format!("the server says {} {}", reply.code, reply.text))
}

/// Takes the first complete reply out of `unread`.
pub(crate) fn take_reply(unread: &mut Vec<u8>) -> io::Result<Option<Reply>> {
    let mut start = 0;
    while let Some(length) = unread[start..].iter().position(|&byte| byte == b'\n') {
        let line = unread[start..start + length].trim_ascii_end();
        start += length + 1;
        if line.len() >= 3 && line[..3].iter().all(u8::is_ascii_digit) && line.get(3) != Some(&b'-')
        {
            let line = String::from_utf8_lossy(line);
            let code = line[..3].parse().map_err(io::Error::other)?;
            let text = line[3..].trim_start().to_owned();
            unread.drain(..start);
            return Ok(Some(Reply { code, text }));
        }
    }
    Ok(None)
}

/// The port in the answer to `EPSV` (RFC 2428 §3).
pub(crate) fn passive_port(reply: &Reply) -> io::Result<u16> {
    let port = |text: &str| text.split_once("(|||")?.1.split_once('|')?.0.parse().ok();
    port(&reply.text).ok_or_else(|| unexpected(reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, expected: Option<(u16, &str)>, rest: &str) {
        let mut unread = bytes.as_bytes().to_vec();
        let reply = take_reply(&mut unread).unwrap();
        let got = reply
            .as_ref()
            .map(|reply| (reply.code, reply.text.as_str()));
        assert_eq!(got, expected, "{bytes:?}");
        assert_eq!(unread, rest.as_bytes(), "{bytes:?}");
    }

    #[test]
    fn replies_end_with_a_line_of_code_and_blank() {
        check("220 hello\r\n", Some((220, "hello")), "");
        check("220 a\r\n331 b\r\n", Some((220, "a")), "331 b\r\n");
        check("220-a\r\n b\r\n220 c\r\n", Some((220, "c")), "");
        check("220-a\r\n220", None, "220-a\r\n220");
        check("226\r\n", Some((226, "")), "");
        check("", None, "");
    }

    #[test]
    fn the_port_stands_between_bars() {
        let text = "Entering extended passive mode (|||4711|).".to_owned();
        assert_eq!(passive_port(&Reply { code: 229, text }).unwrap(), 4711);
        let text = "Entering (10,0,0,1,2,3)".to_owned();
        assert!(passive_port(&Reply { code: 229, text }).is_err());
    }
}
