//! TLS on the control connection.

use std::sync::Arc;

use ftpdlib_authorizers::VerifiedCertificate;
use ftpdlib_ioloop::Context;
use ftpdlib_session::ControlEvent;
use ftpdlib_tls::TlsSession;

use super::{Connection, ControlSocket, log_lines};

/// The state of TLS on the control connection.
///
/// ```text
///   Clear ──► Announced ──► Handshake ──► Secured
/// ```
#[derive(Default)]
pub(super) enum Security {
    /// No TLS.
    #[default]
    Clear,
    /// The client is being told that TLS begins.
    Announced,
    /// The handshake is in progress.
    Handshake(TlsSession),
    /// Established, with the client's certificate if it has presented one that can be read here.
    Secured(TlsSession, Option<Arc<VerifiedCertificate>>),
}

impl Security {
    /// Whether TLS is neither in use nor about to begin.
    pub(super) fn is_clear(&self) -> bool {
        matches!(self, Self::Clear)
    }

    /// Whether the handshake is in progress.
    pub(super) fn is_handshake(&self) -> bool {
        matches!(self, Self::Handshake(_))
    }

    /// The TLS session, which data connections share, from the handshake on.
    pub(super) fn session(&self) -> Option<&TlsSession> {
        match self {
            Self::Clear | Self::Announced => None,
            Self::Handshake(session) | Self::Secured(session, _) => Some(session),
        }
    }

    pub(super) fn certificate(&self) -> Option<&Arc<VerifiedCertificate>> {
        match self {
            Self::Clear | Self::Announced | Self::Handshake(_) => None,
            Self::Secured(_, certificate) => certificate.as_ref(),
        }
    }
}

impl Connection {
    /// Begins TLS on the control connection, if it was announced and all replies in the clear are
    /// sent. Returns whether it did, or has lost the connection because TLS cannot begin.
    pub(super) fn begin_tls(&mut self, cx: &mut Context<'_>) -> bool {
        if !matches!(self.security, Security::Announced) {
            return false;
        }
        match &self.socket {
            ControlSocket::Open(control) if control.is_flushed() => {}
            _ => return false,
        }
        let session = match self.client.service.tls.as_ref().map(|tls| tls.session()) {
            Some(Ok(session)) => session,
            Some(Err(error)) => {
                log::error!("{} TLS cannot begin: {error}", self.log_prefix());
                return self.lose_control(cx);
            }
            None => {
                log::error!("{} TLS cannot begin without settings", self.log_prefix());
                return self.lose_control(cx);
            }
        };
        if let ControlSocket::Open(control) =
            std::mem::replace(&mut self.socket, ControlSocket::Lost)
        {
            let control = control.secured_with(&session);
            self.socket = ControlSocket::Open(Box::new(control));
        }
        self.security = Security::Handshake(session);
        true
    }

    /// Tells the session when TLS is established.
    pub(super) fn note_secured(&mut self, cx: &mut Context<'_>) {
        let (ControlSocket::Open(control), Security::Handshake(session)) =
            (&self.socket, &self.security)
        else {
            return;
        };
        if !control.is_established() {
            return;
        }
        let certificate = control.peer_certificate().and_then(|der| {
            VerifiedCertificate::from_der(der)
                .map(Arc::new)
                .inspect_err(|error| {
                    log_lines::certificate_unread(&self.client.prefix(None), error);
                })
                .ok()
        });
        let event = ControlEvent::Secured {
            certificate: certificate.is_some(),
        };
        self.security = Security::Secured(session.clone(), certificate);
        if let Some(watch) = &mut self.watch {
            watch.note_secured();
        }
        self.session.handle_control(event, cx.now());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::net::{Ipv4Addr, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_ioloop::IoLoop;
    #[cfg(not(feature = "ring"))]
    use ftpdlib_tls::rustls::crypto::aws_lc_rs as provider;
    #[cfg(feature = "ring")]
    use ftpdlib_tls::rustls::crypto::ring as provider;
    use ftpdlib_tls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
    use ftpdlib_tls::rustls::server::{ClientHello, ResolvesServerCert};
    use ftpdlib_tls::rustls::sign::CertifiedKey;
    use ftpdlib_tls::rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, version::TLS13,
    };
    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::service::Sessions;
    use crate::testing::{alone, connection, service, sockets};
    use crate::{FtpHandler, Service, TlsFtpHandler};

    /// What sockets are asked to hold, so that a chain of certificates is many times as long.
    const HELD: usize = 4 << 10;

    /// Settings of a server whose answer to a hello is longer than sockets hold, and of a client
    /// that trusts it.
    fn configs() -> (ServerConfig, ClientConfig) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let own = made.cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(own.clone()).unwrap();
        // Nobody looks at the rest, since the first is trusted.
        let chain = vec![own, CertificateDer::from(vec![0; 60_000])];
        let provider = Arc::new(provider::default_provider());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key.into());
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (server.unwrap(), client)
    }

    /// A connection between sockets that hold little: the client's side, and the server's.
    fn narrow() -> (TcpStream, mio::net::TcpStream) {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        client.set_recv_buffer_size(HELD).unwrap();
        let address = listener.local_addr().unwrap();
        client.connect(&address.into()).unwrap();
        client.set_nonblocking(true).unwrap();
        let stream = listener.accept().unwrap().0;
        stream.set_nonblocking(true).unwrap();
        let wire = socket2::SockRef::from(&stream);
        wire.set_send_buffer_size(HELD).unwrap();
        (client.into(), mio::net::TcpStream::from_std(stream))
    }

    /// A connection by such a socket that begins with a handshake, on its loop, and the client's
    /// end.
    fn begun(config: ServerConfig) -> (Arc<Service>, IoLoop, TcpStream) {
        let handler = TlsFtpHandler::new(FtpHandler::new(DummyAuthorizer::new()))
            .server_config(config)
            .implicit(true);
        let service = service(handler);
        let (wire, stream) = narrow();
        let events = alone(connection(&service, stream));
        (service, events, wire)
    }

    #[test]
    fn a_server_waited_at_its_end_for_clients_within_a_handshake() {
        for end in [Sessions::drain, Sessions::end] {
            let (service, mut events, mut wire) = begun(configs().0);
            end(&service.sessions);
            for _ in 0..5 {
                events.turn(Some(Duration::ZERO)).unwrap();
            }
            assert_eq!(service.sessions.count(), 0);
            assert_eq!(wire.read(&mut [0]).unwrap(), 0);
        }
    }

    /// Takes long to give its key, as one of RSA does to sign, and counts how often.
    #[derive(Debug)]
    struct Slow {
        key: Arc<CertifiedKey>,
        asked: AtomicUsize,
    }

    impl ResolvesServerCert for Slow {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let until = Instant::now() + Duration::from_millis(6);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            Some(Arc::clone(&self.key))
        }
    }

    #[test]
    fn everybody_waited_for_the_handshakes_of_all_who_had_come_together() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(provider::default_provider());
        let signer = provider.key_provider.load_private_key(key.into()).unwrap();
        let slow = Arc::new(Slow {
            key: Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], signer)),
            asked: AtomicUsize::new(0),
        });
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&slow) as _;
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        let handler = TlsFtpHandler::new(FtpHandler::new(DummyAuthorizer::new()))
            .server_config(server)
            .implicit(true);
        let service = service(handler);
        let client = Arc::new(configs().1);
        let mut events = IoLoop::new().unwrap();
        let wires = (0..4).map(|_| {
            let (mut wire, stream) = sockets();
            events.add(Box::new(connection(&service, stream))).unwrap();
            let name = "localhost".try_into().unwrap();
            let mut tls = ClientConnection::new(Arc::clone(&client), name).unwrap();
            tls.write_tls(&mut wire).unwrap();
            wire
        });
        let wires: Vec<_> = wires.collect();
        let asked = || slow.asked.load(Ordering::Relaxed);
        let until = Instant::now() + Duration::from_secs(20);
        while asked() < wires.len() {
            assert!(Instant::now() < until, "a handshake does not begin");
            let before = asked();
            // Nothing more arrives, so whoever waits is remembered.
            events.turn(Some(Duration::from_secs(20))).unwrap();
            assert!(asked() <= before + 1, "{} at once", asked() - before);
        }
        for mut wire in wires {
            assert_eq!(wire.read(&mut [0]).unwrap(), 1);
        }
    }

    #[test]
    fn a_handshake_whose_client_read_late_kept_the_loop_busy_and_never_ended() {
        let (server, client) = configs();
        let (_service, mut events, mut wire) = begun(server);

        let name = "localhost".try_into().unwrap();
        let mut tls = ClientConnection::new(Arc::new(client), name).unwrap();
        tls.write_tls(&mut wire).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let mut greeting = [0; 4];
        loop {
            assert!(Instant::now() < until, "the handshake does not go on");
            events.turn(Some(Duration::from_millis(10))).unwrap();
            match tls.read_tls(&mut wire) {
                Ok(bytes) => assert_ne!(bytes, 0, "the server gave up"),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            tls.process_new_packets().unwrap();
            if tls.is_handshaking() {
                // What the client sends would have the server look at the connection.
                continue;
            }
            while tls.wants_write() {
                tls.write_tls(&mut wire).unwrap();
            }
            if tls.reader().read_exact(&mut greeting).is_ok() {
                break;
            }
        }
        assert_eq!(&greeting, b"220 ");
    }
}
