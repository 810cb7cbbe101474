//! The choice of the cryptography provider and its cipher suites.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ClientHello;
use rustls::{CipherSuite, SupportedCipherSuite, quic};

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as chosen;

/// The provider, with AES-128 first: it is safe enough for what FTP carries, and its hash is
/// SHA-256, for which processors have instructions. AES-256 comes with SHA-384, on which a resumed
/// handshake spends more time than on everything else.
///
/// If both aws-lc-rs and ring are built in, aws-lc-rs is used, so that keys and handshakes are the
/// same on every machine; only the cipher suites are ring's where they are faster
/// (`is_rings_aes_faster`).
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = chosen::default_provider();
    #[cfg(all(feature = "aws-lc-rs", feature = "ring"))]
    if is_rings_aes_faster() {
        provider = with_rings_suites(provider);
    }
    provider
        .cipher_suites
        .sort_by_key(|suite| !is_aes_128(suite));
    Arc::new(provider)
}

/// Whether the processor encrypts AES blocks side by side (VAES) but has no AVX-512: ring has code
/// for this case, while aws-lc-rs falls back to one block after the other.
///
/// With AVX-512, or without either, aws-lc-rs is as fast or faster; docs/performance.md has
/// figures.
#[cfg(all(feature = "aws-lc-rs", feature = "ring"))]
fn is_rings_aes_faster() -> bool {
    #[cfg(target_arch = "x86_64")]
    let is_faster = is_x86_feature_detected!("vaes") && !is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    let is_faster = false;
    is_faster
}

#[cfg(all(feature = "aws-lc-rs", feature = "ring"))]
fn with_rings_suites(provider: CryptoProvider) -> CryptoProvider {
    CryptoProvider {
        cipher_suites: rustls::crypto::ring::DEFAULT_CIPHER_SUITES.to_vec(),
        ..provider
    }
}

fn is_aes_128(suite: &SupportedCipherSuite) -> bool {
    matches!(
        suite.suite(),
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// Whether a client that says `hello` prefers to avoid AES, which is slow on processors without
/// instructions for it.
pub(crate) fn shuns_aes(hello: &ClientHello<'_>) -> bool {
    // The first values may be meaningless (RFC 8701).
    let mut known = hello
        .cipher_suites()
        .iter()
        .filter(|suite| !matches!(suite, CipherSuite::Unknown(_)));
    matches!(
        known.next(),
        Some(
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        )
    )
}

/// The cipher that seals tickets, in the form that QUIC needs: in place, with a number from the
/// caller as the nonce. Keys have 32 bytes: rustls offers no shorter ones that are made of given
/// bytes.
pub(crate) fn ticket_cipher() -> Option<&'static dyn quic::Algorithm> {
    chosen::cipher_suite::TLS13_AES_256_GCM_SHA384.tls13()?.quic
}

#[cfg(all(test, feature = "aws-lc-rs", feature = "ring"))]
mod tests {
    use std::io::{Read, Write};

    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    /// Returns what a server with `provider` reads of the bytes that a client of `version` with
    /// ring has written.
    fn carried(
        provider: CryptoProvider,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let rings = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(rings)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let server = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        client.writer().write_all(b"bytes").unwrap();
        while client.wants_write() || server.wants_write() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            let mut rest = wire.as_slice();
            while server.read_tls(&mut rest).unwrap() > 0 {
                server.process_new_packets().unwrap();
            }
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            let mut rest = wire.as_slice();
            while client.read_tls(&mut rest).unwrap() > 0 {
                client.process_new_packets().unwrap();
            }
        }
        let mut read = vec![0; 5];
        server.reader().read_exact(&mut read).unwrap();
        read
    }

    #[test]
    fn rings_suites_go_with_the_handshakes_of_aws_lc_rs() {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mixed = with_rings_suites(chosen::default_provider());
            assert_eq!(carried(mixed, version), b"bytes");
        }
    }
}
