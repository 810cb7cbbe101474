//! A client that speaks TLS, and certificates for it.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use ftpdlib::tls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use ftpdlib::tls::rustls::crypto::ring;
use ftpdlib::tls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime,
};
use ftpdlib::tls::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use crate::client::{Client, USER};
use crate::control::{Control, Wire};

/// Both versions that there are.
pub const VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];

/// A connection under TLS.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// What a control connection under TLS runs over, and what its data connections resume.
pub struct Secured {
    stream: TlsStream,
    config: Arc<ClientConfig>,
}

/// The control connection of a client under TLS.
pub type TlsClient = Control<Secured>;

#[expect(
    clippy::missing_panics_doc,
    reason = "the type says it for all methods"
)]
impl TlsClient {
    /// Connects and says `AUTH TLS`; what comes of the handshake is seen by the next reply.
    #[track_caller]
    pub fn explicit(server: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut client = Client::connect(server);
        client.expect("AUTH TLS", 234);
        Self::over(client.into_stream(), config)
    }

    /// Connects to an implicit port and takes the greeting.
    #[track_caller]
    pub fn implicit(server: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut client = Self::over(Client::open(server).into_stream(), config);
        client.expect_reply(220);
        client
    }

    /// Connects and logs in as [`USER`], with private data connections.
    #[track_caller]
    pub fn login(server: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut client = Self::explicit(server, config);
        client.expect(&format!("USER {}", USER.0), 331);
        client.enter();
        client
    }

    /// The same where handshakes have little time: its own may take longer than that on a busy
    /// machine; then it tries again.
    #[track_caller]
    pub fn login_in_a_hurry(server: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut client = std::iter::repeat_with(|| {
            let mut client = Self::explicit(server, config);
            // Fails where the handshake did.
            let _ = client.try_send(format!("USER {}\r\n", USER.0).as_bytes());
            client.next_reply().map(|_| client)
        })
        .take(100)
        .flatten()
        .next()
        .unwrap();
        client.enter();
        client
    }

    /// Ends a login that has come to the password.
    #[track_caller]
    fn enter(&mut self) {
        self.play(&[
            (&format!("PASS {}", USER.1), 230),
            ("PBSZ 0", 200),
            ("PROT P", 200),
            ("TYPE I", 200),
        ]);
    }

    fn over(stream: TcpStream, config: &Arc<ClientConfig>) -> Self {
        Self::new(Secured {
            stream: secure(stream, config),
            config: Arc::clone(config),
        })
    }

    /// Says NOOP where the connection should be refused: it ends without an answer.
    #[track_caller]
    pub fn expect_refusal(&mut self) {
        // It may be gone already.
        let _ = self.try_send(b"NOOP\r\n");
        if let Some(reply) = self.next_reply() {
            panic!("end of the connection expected, not {}", reply.text());
        }
    }

    /// Waits for the server to end TLS, with close_notify, without another reply.
    #[track_caller]
    pub fn expect_announced_end(&mut self) {
        let end = self.stream.read(&mut [0]);
        // An end that was not announced is an error.
        assert!(matches!(end, Ok(0)), "{end:?}");
        assert_eq!(self.received, b"");
    }

    /// Begins a transfer over a passive data connection under TLS, of a client that resumes the
    /// session of this one if it can.
    #[track_caller]
    pub fn begin(&mut self, command: &str) -> TlsStream {
        let stream = self.passive();
        self.expect(command, 150);
        secure(stream, &self.stream.config)
    }

    /// Downloads a file.
    #[track_caller]
    pub fn download(&mut self, name: &str) -> Vec<u8> {
        let mut data = self.begin(&format!("RETR {name}"));
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap();
        self.expect_reply(226);
        bytes
    }

    /// Uploads a file.
    #[track_caller]
    pub fn upload(&mut self, name: &str, bytes: &[u8]) {
        let mut data = self.begin(&format!("STOR {name}"));
        // Without a byte to write there would be no handshake.
        data.conn.complete_io(&mut data.sock).unwrap();
        data.write_all(bytes).unwrap();
        data.conn.send_close_notify();
        data.flush().unwrap();
        drop(data);
        self.expect_reply(226);
    }

    /// The certificate that the server has shown.
    #[track_caller]
    pub fn server_certificate(&self) -> Vec<u8> {
        self.stream.stream.conn.peer_certificates().unwrap()[0].to_vec()
    }

    /// The stream, for what this client does not do.
    pub fn stream(&mut self) -> &mut TlsStream {
        &mut self.stream.stream
    }
}

impl Wire for Secured {
    fn server(&self) -> SocketAddr {
        self.stream.sock.server()
    }

    /// All are but that of a read that took too long.
    fn is_end(error: &io::Error) -> bool {
        error.kind() != ErrorKind::WouldBlock
    }
}

impl Read for Secured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Secured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// TLS over a connection; the handshake comes with the first bytes.
///
/// # Panics
///
/// Never, for a `config` of this module.
#[track_caller]
pub fn secure(stream: TcpStream, config: &Arc<ClientConfig>) -> TlsStream {
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
    StreamOwned::new(tls, stream)
}

/// Settings of a client that trusts any server and remembers its sessions.
///
/// # Panics
///
/// There is no such version.
pub fn config(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    Arc::new(trusting(version).with_no_client_auth())
}

/// The same, with a certificate to show.
///
/// # Panics
///
/// There is no such version.
#[track_caller]
pub fn config_showing(
    version: &'static SupportedProtocolVersion,
    identity: &Identity,
) -> Arc<ClientConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
    let chain = vec![identity.certificate.clone()];
    Arc::new(trusting(version).with_client_auth_cert(chain, key).unwrap())
}

fn trusting(
    version: &'static SupportedProtocolVersion,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
}

/// Writes a new self-signed certificate and its key to one file; gives the certificate in DER form.
///
/// # Panics
///
/// The file cannot be written.
#[track_caller]
pub fn renew_certificate(path: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    // In one step, as whoever renews certificates under a running server should.
    let new = path.with_extension("new");
    fs::write(&new, pem).unwrap();
    fs::rename(new, path).unwrap();
    made.cert.der().to_vec()
}

/// The certificate that a server shows a new client, in DER form.
#[track_caller]
pub fn shown_certificate(server: SocketAddr, config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut client = TlsClient::explicit(server, config);
    client.expect("NOOP", 200);
    client.server_certificate()
}

/// A certificate and its key.
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

/// Somebody who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

#[expect(
    clippy::missing_panics_doc,
    reason = "every failure is the end of a test"
)]
impl Authority {
    /// One that nobody trusts yet.
    #[track_caller]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate with this common name.
    #[track_caller]
    pub fn sign(&self, name: &str) -> Identity {
        self.sign_with(name, |_| {})
    }

    /// A certificate that is no longer valid.
    #[track_caller]
    pub fn sign_expired(&self, name: &str) -> Identity {
        self.sign_with(name, |params| {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        })
    }

    #[track_caller]
    fn sign_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().der().clone();
        Identity { certificate, key }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads to the end; `Err` if that was not announced.
///
/// # Errors
///
/// What the stream says.
pub fn read_to_end(stream: &mut TlsStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Believes every certificate, and the key that belongs to it.
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
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
