//! What observers are told of TLS.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use ftpdlib::handlers::{
    FtpHandler, ObservedCommand, ObservedSession, ObservedTransfer, Observer, TlsFtpHandler,
    Verdict,
};
use ftpdlib::tls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use ftpdlib::tls::rustls::crypto::aws_lc_rs::default_provider;
use ftpdlib::tls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use ftpdlib::tls::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
};
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::wait::PATIENCE;

type Secured = StreamOwned<ClientConnection, TcpStream>;

/// A client that says what it is told to, after AUTH.
struct Client {
    control: Secured,
    config: Arc<ClientConfig>,
}

impl Client {
    fn login(server: SocketAddr) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting))
            .with_no_client_auth();
        let config = Arc::new(config);
        let mut stream = connect(server);
        read_reply(&mut stream, "220");
        stream.write_all(b"AUTH TLS\r\n").unwrap();
        read_reply(&mut stream, "234");
        let control = secured(&config, stream);
        let mut client = Self { control, config };
        client.expect("USER user", "331");
        client.expect("PASS 12345", "230");
        client
    }

    #[track_caller]
    fn expect(&mut self, line: &str, code: &str) -> String {
        write!(self.control, "{line}\r\n").unwrap();
        read_reply(&mut self.control, code)
    }

    /// A data connection with its transfer begun.
    #[track_caller]
    fn begin(&mut self, command: &str) -> TcpStream {
        let reply = self.expect("EPSV", "229");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        let mut address = self.control.sock.peer_addr().unwrap();
        address.set_port(port);
        let stream = connect(address);
        self.expect(command, "150");
        stream
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn secured(config: &Arc<ClientConfig>, stream: TcpStream) -> Secured {
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::clone(config), name).unwrap(),
        stream,
    )
}

/// Takes a reply of one line.
#[track_caller]
fn read_reply(stream: &mut impl Read, code: &str) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let line = String::from_utf8(line).unwrap();
    assert!(line.starts_with(code), "{line}");
    line
}

/// Takes any certificate.
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
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Tells a test what is secure.
struct Recorder(Sender<String>);

impl Recorder {
    fn tell(&self, what: &str, session: &ObservedSession, transfer: Option<&ObservedTransfer>) {
        let mut call = format!("{what} {}", session.is_secure());
        if let Some(transfer) = transfer {
            call = format!("{call} {} {:?}", transfer.secure, transfer.end);
        }
        // A test that has seen enough listens no more.
        let _ = self.0.send(call);
    }
}

impl Observer for Recorder {
    fn on_connect(&self, session: &ObservedSession) {
        self.tell("connect", session, None);
    }

    fn on_command(&self, session: &ObservedSession, command: &ObservedCommand) -> Verdict {
        if command.verb == "USER" {
            self.tell("USER", session, None);
        }
        Verdict::Allow
    }

    fn on_login(&self, session: &ObservedSession, _: &str) {
        self.tell("login", session, None);
    }

    fn on_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        self.tell("received", session, Some(transfer));
    }

    fn on_incomplete_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        self.tell("incomplete", session, Some(transfer));
    }

    fn on_disconnect(&self, session: &ObservedSession) {
        self.tell("disconnect", session, None);
    }
}

#[test]
fn both_connections_are_told_to_be_secure_when_they_are() {
    let (calls, told) = mpsc::channel();
    let server = TestServer::with(|handler| {
        FtpHandler::from(TlsFtpHandler::new(handler.observer(Recorder(calls))))
    });
    let mut client = Client::login(server.address());
    let mut stream = client.begin("STOR clear");
    stream.write_all(b"hello").unwrap();
    drop(stream);
    read_reply(&mut client.control, "226");

    client.expect("PBSZ 0", "200");
    client.expect("PROT P", "200");
    let stream = client.begin("STOR secure");
    let mut stream = secured(&client.config, stream);
    stream.write_all(b"hello").unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    read_reply(&mut client.control, "226");

    // An end that is not announced may be somebody else's doing.
    let stream = client.begin("STOR truncated");
    let mut stream = secured(&client.config, stream);
    stream.write_all(b"hello").unwrap();
    stream.flush().unwrap();
    stream.sock.shutdown(Shutdown::Write).unwrap();
    read_reply(&mut client.control, "426");

    // What is no handshake is none.
    let mut stream = client.begin("STOR noise");
    stream.write_all(b"hello, no TLS is spoken here").unwrap();
    read_reply(&mut client.control, "522");
    drop(client);

    for call in [
        "connect false",
        "USER true",
        "login true",
        "received true false Complete",
        "received true true Complete",
        "incomplete true true Truncated",
        "incomplete true true Unsecured",
        "disconnect true",
    ] {
        assert_eq!(told.recv_timeout(PATIENCE).as_deref(), Ok(call));
    }
}
