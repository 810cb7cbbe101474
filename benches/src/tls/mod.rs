//! TLS for the load client, and the certificate that all servers show it.

mod channel;
mod identity;
mod records;
mod tickets;
mod trust;

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

pub(crate) use channel::Channel;
pub use identity::Identity;
pub(crate) use identity::IdentityFiles;
pub(crate) use records::prepare;
pub(crate) use tickets::Tickets;
use trust::Trusting;

/// How a server speaks TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsStart {
    /// After `AUTH TLS` (RFC 4217).
    Explicit,
    /// From the first byte.
    Implicit,
}

/// TLS as the clients of one server speak it.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// When it begins.
    pub start: TlsStart,
    /// Settings of every connection.
    pub(crate) config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Clients that make a full handshake on every connection.
    pub(crate) fn new(start: TlsStart) -> Self {
        let config = Arc::new(config(Resumption::disabled()));
        Self { start, config }
    }

    /// The same for a client that resumes sessions, and the tickets it is given.
    pub(crate) fn resuming(&self) -> (Self, Arc<Tickets>) {
        let tickets = Arc::new(Tickets::default());
        let config = Arc::new(config(Resumption::store(Arc::clone(&tickets) as _)));
        let start = self.start;
        (Self { start, config }, tickets)
    }

    /// A new connection.
    pub(crate) fn connection(&self) -> io::Result<ClientConnection> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)
    }
}

/// The handshake costs the client as little as it can: it believes every certificate.
fn config(resumption: Resumption) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites of both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    config.resumption = resumption;
    config
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{HandshakeKind, ServerConfig, ServerConnection};

    use super::*;

    fn server_config() -> Arc<ServerConfig> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .unwrap();
        config.ticketer = ring::Ticketer::new().unwrap();
        Arc::new(config)
    }

    /// Both ends of a connection that has not begun.
    pub(super) fn pair() -> (ClientConnection, ServerConnection) {
        let client = ClientTls::new(TlsStart::Explicit).connection().unwrap();
        (client, ServerConnection::new(server_config()).unwrap())
    }

    pub(super) fn shake_hands(client: &mut ClientConnection, server: &mut ServerConnection) {
        let mut wire = Vec::new();
        while client.wants_write() || server.wants_write() {
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            server.read_tls(&mut &*wire).unwrap();
            server.process_new_packets().unwrap();
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            client.read_tls(&mut &*wire).unwrap();
            client.process_new_packets().unwrap();
            wire.clear();
        }
    }

    /// How each of three connections of a client was made.
    fn handshakes(client: &ClientTls) -> [Option<HandshakeKind>; 3] {
        let config = server_config();
        [(); 3].map(|()| {
            let mut connection = client.connection().unwrap();
            let mut server = ServerConnection::new(Arc::clone(&config)).unwrap();
            shake_hands(&mut connection, &mut server);
            connection.handshake_kind()
        })
    }

    #[test]
    fn only_a_client_that_resumes_makes_short_handshakes() {
        let (full, resumed) = (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed));
        let client = ClientTls::new(TlsStart::Explicit);
        assert_eq!(handshakes(&client), [full; 3]);
        assert_eq!(handshakes(&client.resuming().0), [full, resumed, resumed]);
    }
}
