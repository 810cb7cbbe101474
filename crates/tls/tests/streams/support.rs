//! A server on a loop of its own, and clients of rustls for it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ftpdlib_ioloop::{
    Acceptor, Context, Flow, Handler, Interest, IoLoop, LoopHandle, Ready, SourceId, TimerId,
    Transport, mio,
};
use ftpdlib_tls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use ftpdlib_tls::rustls::crypto::CryptoProvider;
use ftpdlib_tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use ftpdlib_tls::rustls::time_provider::TimeProvider;
use ftpdlib_tls::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use ftpdlib_tls::{TlsSession, TlsStream};

#[cfg(not(feature = "ring"))]
pub(crate) use rustls::crypto::aws_lc_rs as provider;
#[cfg(feature = "ring")]
pub(crate) use rustls::crypto::ring as provider;

/// How a connection went, as the server saw it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    /// `None` for an end that the client announced.
    pub(crate) error: Option<io::ErrorKind>,
    pub(crate) resumed: bool,
    /// After the first write there was something that the system did not have.
    pub(crate) held: bool,
    pub(crate) notice: Option<&'static str>,
}

/// What the server does with a client.
#[derive(Clone)]
pub(crate) enum Plan {
    /// Reads to the end, in pieces of this size.
    Read(usize),
    /// Sends this, then ends its side.
    Send(Vec<u8>),
    /// The same in writes of this size, on a connection that it does nothing else with.
    Download(Vec<u8>, usize),
}

/// A server whose next client is served as was said last.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    next: Arc<Mutex<Option<Next>>>,
    seen: Receiver<Seen>,
    io_loop: LoopHandle,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Next {
    session: TlsSession,
    data: bool,
    plan: Plan,
}

impl Server {
    pub(crate) fn start() -> Self {
        let (tell, seen) = mpsc::channel();
        let (started, starts) = mpsc::channel();
        let next: Arc<Mutex<Option<Next>>> = Arc::default();
        let plans = Arc::clone(&next);
        let thread = thread::spawn(move || {
            let listener = Acceptor::bind((Ipv4Addr::LOCALHOST, 0).into(), 10).unwrap();
            let address = listener.local_addr().unwrap();
            let mut io_loop = IoLoop::new().unwrap();
            let acceptor = Acceptor::new(listener, move |stream, _, cx| {
                let next = plans.lock().unwrap().clone().unwrap();
                let peer = Peer {
                    accepted: Some(stream),
                    tls: None,
                    next,
                    read: Vec::new(),
                    sent: 0,
                    held: false,
                    tell: tell.clone(),
                };
                cx.add(Box::new(peer)).unwrap();
            });
            io_loop.add(Box::new(acceptor)).unwrap();
            started.send((address, io_loop.handle())).unwrap();
            io_loop.run().unwrap();
        });
        let (address, io_loop) = starts.recv().unwrap();
        Self {
            address,
            next,
            seen,
            io_loop,
            thread: Some(thread),
        }
    }

    /// Connects, to be served with `session` as `plan` says.
    pub(crate) fn connect(&self, session: &TlsSession, data: bool, plan: Plan) -> TcpStream {
        *self.next.lock().unwrap() = Some(Next {
            session: session.clone(),
            data,
            plan,
        });
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    /// What became of the last connection.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.io_loop.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Peer {
    accepted: Option<mio::net::TcpStream>,
    tls: Option<TlsStream>,
    next: Next,
    read: Vec<u8>,
    sent: usize,
    held: bool,
    tell: Sender<Seen>,
}

impl Peer {
    fn go(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        tls.establish(cx)?;
        match &self.next.plan {
            Plan::Read(size) => {
                let mut buffer = vec![0; *size];
                loop {
                    match tls.read(cx, &mut buffer)? {
                        0 => return Ok(()),
                        bytes => self.read.extend_from_slice(&buffer[..bytes]),
                    }
                }
            }
            Plan::Send(bytes) => {
                while self.sent < bytes.len() {
                    self.sent += tls.write(cx, &bytes[self.sent..])?;
                }
                tls.finish(cx)
            }
            Plan::Download(bytes, size) => {
                while self.sent < bytes.len() {
                    let end = bytes.len().min(self.sent + size);
                    let is_first = self.sent == 0;
                    self.sent += tls.write(cx, &bytes[self.sent..end])?;
                    self.held |= is_first && !tls.is_flushed();
                }
                tls.finish(cx)
            }
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Flow {
        let error = match self.go(cx) {
            Ok(()) => None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Some(tls) = &self.tls {
                    let wanted = match self.next.plan {
                        Plan::Read(_) => Interest::READ,
                        Plan::Send(_) | Plan::Download(..) => Interest::WRITE,
                    };
                    cx.set_interest(tls.id(), tls.interest(wanted));
                }
                return Flow::Continue;
            }
            Err(error) => Some(error.kind()),
        };
        let resumed = self.tls.as_ref().is_some_and(TlsStream::is_resumed);
        let notice = self.tls.as_mut().and_then(TlsStream::take_notice);
        let bytes = std::mem::take(&mut self.read);
        let _ = self.tell.send(Seen {
            bytes,
            error,
            resumed,
            held: self.held,
            notice,
        });
        Flow::Close
    }
}

impl Handler for Peer {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(stream) = self.accepted.take() {
            let wire = cx.register(stream, Interest::READ)?;
            let Next { session, data, .. } = &self.next;
            let mut tls = if *data {
                TlsStream::data(wire, session)
            } else {
                TlsStream::control(wire, session)
            };
            if let Plan::Download(..) = self.next.plan {
                tls.note_only_writes();
            }
            self.tls = Some(tls);
        }
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        Ok(self.turn(cx))
    }

    fn timeout(&mut self, _: TimerId, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }
}

pub(crate) type Client = StreamOwned<ClientConnection, TcpStream>;

/// A client that remembers its sessions.
pub(crate) fn client(version: &'static SupportedProtocolVersion) -> ClientConfig {
    client_of(provider::default_provider(), version)
}

/// The same, with the cipher suites of `provider`.
pub(crate) fn client_of(
    provider: CryptoProvider,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth()
}

/// A client's clock, 13 hours later at each look.
#[derive(Debug, Default)]
pub(crate) struct FastClock(AtomicU64);

impl TimeProvider for FastClock {
    fn current_time(&self) -> Option<UnixTime> {
        let hours = self.0.fetch_add(13, Ordering::Relaxed);
        let seconds = UnixTime::now().as_secs() + hours * 60 * 60;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

pub(crate) fn tls(config: &Arc<ClientConfig>, stream: TcpStream) -> Client {
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    StreamOwned::new(tls, stream)
}

/// The same over a connection that takes a few bytes at a time.
pub(crate) fn pieces(
    config: &Arc<ClientConfig>,
    stream: TcpStream,
    size: usize,
) -> StreamOwned<ClientConnection, Pieces> {
    let StreamOwned { conn, sock } = tls(config, stream);
    StreamOwned::new(conn, Pieces { stream: sock, size })
}

/// Writes no more than `size` bytes in one call.
pub(crate) struct Pieces {
    stream: TcpStream,
    size: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(&bytes[..bytes.len().min(self.size)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads to the end; `false` if that was not announced.
pub(crate) fn read_to_end(client: &mut Client) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let announced = client.read_to_end(&mut bytes).is_ok();
    (bytes, announced)
}

#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
