//! One client of many.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;

use ftpdlib_sys::{discard, send_file};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Socket, Type};

use super::Act;
use crate::client::{passive_port, take_reply, unexpected};
use crate::tls::{Channel, ClientTls};
use crate::{Site, Target};

/// Most bytes of a data connection moved before the others have their turn: all that is there.
const PIECE: usize = 1 << 30;

/// Clients that connect from one loopback address; Linux has 28,000 ports for them by default, half
/// of which it prefers.
const CLIENTS_OF_AN_ADDRESS: usize = 12_000;

/// Linux's number for a connection that is on its way.
const EINPROGRESS: i32 = 115;

/// How far a client came.
pub(super) enum Progress {
    /// It waits for the server.
    Pending,
    /// It did everything and stays.
    Idle,
    /// It said goodbye.
    Gone,
}

/// One client.
///
/// ```text
///        start            reply (EPSV)            end of data and last reply
/// Idle ────────▶ Replying ────────────▶ Transferring ──────────────┐
///   ▲  ╲            │  ▲                                           │
///   │   ▶ Securing ─┤  └───────────────────────────────────────────┘
///   └───────────────┘                   next act
///     no act is left
/// ```
#[derive(Debug)]
pub(super) struct Member {
    address: SocketAddr,
    control: Channel<TcpStream>,
    tls: Option<ClientTls>,
    token: Token,
    unread: Vec<u8>,
    acts: Arc<[Act]>,
    /// Index of the act in progress.
    current: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// A command was sent, or the greeting is awaited.
    Replying,
    /// TLS was begun.
    Securing,
    /// The transfer command was sent; the stream is dropped at the end of the data.
    Transferring {
        data: Option<TcpStream>,
        sent: u64,
        replied: bool,
    },
}

impl Member {
    /// Connects; `token` and the one after it are this client's.
    pub(super) fn connect(target: &Target, token: Token, registry: &Registry) -> io::Result<Self> {
        let mut control = connect(target.address, token.0 / 2)?;
        control.set_nodelay(true)?;
        registry.register(&mut control, token, Interest::READABLE)?;
        Ok(Self {
            address: target.address,
            control: Channel::new(control),
            tls: target.tls.clone(),
            token,
            unread: Vec::new(),
            acts: Arc::new([]),
            current: 0,
            stage: Stage::Idle,
        })
    }

    /// Begins `acts`, once [`advance`](Self::advance) is called.
    pub(super) fn start(&mut self, acts: Arc<[Act]>) {
        self.acts = acts;
        self.current = 0;
        self.stage = Stage::Idle;
    }

    /// What it is at, for the reader of an error.
    pub(super) fn stage(&self) -> String {
        match self.acts.get(self.current) {
            Some(Act::Greeting) => "greeting".to_owned(),
            Some(Act::Secure) => "TLS handshake".to_owned(),
            Some(Act::Quit) => "QUIT".to_owned(),
            Some(Act::Command(line, _) | Act::Download(line) | Act::Upload(line, _)) => {
                line.split(' ').next().unwrap_or_default().to_owned()
            }
            None => "after the last reply".to_owned(),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.current < self.acts.len()
    }

    /// Does what can be done now.
    pub(super) fn advance(&mut self, site: &Site, registry: &Registry) -> io::Result<Progress> {
        loop {
            match &mut self.stage {
                Stage::Idle => {
                    let Some(act) = self.acts.get(self.current) else {
                        return Ok(Progress::Idle);
                    };
                    self.stage = match act {
                        Act::Secure => Stage::Securing,
                        _ => Stage::Replying,
                    };
                    match act {
                        Act::Greeting => {}
                        Act::Secure => {
                            let tls = self.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
                            self.control.secure(tls)?;
                        }
                        Act::Command(line, _) => send(&mut self.control, line)?,
                        Act::Download(_) | Act::Upload(..) => send(&mut self.control, "EPSV")?,
                        Act::Quit => send(&mut self.control, "QUIT")?,
                    }
                }
                Stage::Securing => match self.control.handshake() {
                    Ok(()) => self.next(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Progress::Pending);
                    }
                    Err(error) => return Err(error),
                },
                Stage::Replying => {
                    let Some(reply) = receive(&mut self.control, &mut self.unread)? else {
                        return Ok(Progress::Pending);
                    };
                    match &self.acts[self.current] {
                        Act::Greeting if reply.code == 220 => self.next(),
                        Act::Command(_, code) if reply.code == *code => self.next(),
                        Act::Quit if reply.code == 221 => return Ok(Progress::Gone),
                        Act::Download(line) if reply.code == 229 => {
                            let line = line.clone();
                            self.open_data(passive_port(&reply)?, &line, registry)?;
                        }
                        Act::Upload(line, _) if reply.code == 229 => {
                            let line = line.replace("{}", &self.token.0.to_string());
                            self.open_data(passive_port(&reply)?, &line, registry)?;
                        }
                        _ => return Err(unexpected(&reply)),
                    }
                }
                Stage::Transferring {
                    data,
                    sent,
                    replied,
                } => {
                    let finished = match (&data, &self.acts[self.current]) {
                        (None, _) => true,
                        (Some(stream), Act::Upload(_, size)) => upload(stream, site, sent, *size)?,
                        (Some(stream), _) => download(stream)?,
                    };
                    if finished {
                        *data = None;
                    }
                    match receive(&mut self.control, &mut self.unread)? {
                        Some(reply) if matches!(reply.code, 125 | 150) => continue,
                        Some(reply) if reply.code == 226 => *replied = true,
                        Some(reply) => return Err(unexpected(&reply)),
                        None => {}
                    }
                    if data.is_some() || !*replied {
                        return Ok(Progress::Pending);
                    }
                    self.next();
                }
            }
        }
    }

    fn next(&mut self) {
        self.current += 1;
        self.stage = Stage::Idle;
    }

    fn open_data(&mut self, port: u16, line: &str, registry: &Registry) -> io::Result<()> {
        let mut data = TcpStream::connect(SocketAddr::new(self.address.ip(), port))?;
        let token = Token(self.token.0 + 1);
        registry.register(&mut data, token, Interest::READABLE | Interest::WRITABLE)?;
        send(&mut self.control, line)?;
        self.stage = Stage::Transferring {
            data: Some(data),
            sent: 0,
            replied: false,
        };
        Ok(())
    }
}

/// Connects client `index`: a loopback address has ports for so many only, so the others come from
/// the addresses after it.
fn connect(address: SocketAddr, index: usize) -> io::Result<TcpStream> {
    let SocketAddr::V4(server) = address else {
        return TcpStream::connect(address);
    };
    let step = u32::try_from(index / CLIENTS_OF_AN_ADDRESS).map_err(io::Error::other)?;
    if step == 0 {
        return TcpStream::connect(address);
    }
    let source = Ipv4Addr::from_bits(server.ip().to_bits() + step);
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

/// Throws away what came; whether that was all.
fn download(stream: &TcpStream) -> io::Result<bool> {
    loop {
        match stream.try_io(|| discard(stream.as_fd(), PIECE)) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Sends what the server takes; whether that was all.
fn upload(stream: &TcpStream, site: &Site, sent: &mut u64, size: u64) -> io::Result<bool> {
    while *sent < size {
        let count = usize::try_from(size - *sent).map_or(PIECE, |rest| rest.min(PIECE));
        let source = site.source().as_fd();
        match stream.try_io(|| send_file(stream.as_fd(), source, sent, count)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Sends a line; a socket that has no room for it belongs to a server that does not read.
fn send(control: &mut impl Write, line: &str) -> io::Result<()> {
    control.write_all(format!("{line}\r\n").as_bytes())
}

/// The next reply, if it has come.
fn receive(control: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<Option<crate::Reply>> {
    let mut buffer = [0; 1024];
    loop {
        if let Some(reply) = take_reply(unread)? {
            return Ok(Some(reply));
        }
        match control.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => unread.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}
