//! Where the cryptography comes from. Both providers may be built in: some other crate may have
//! turned the second one on. Then aws-lc-rs is used. Which one is faster depends
//! on the processor; docs/performance.md has figures.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ProducesTickets};
use rustls::{CipherSuite, SupportedCipherSuite};

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as chosen;

/// The provider, with AES-128 before all else: it is as safe for what FTP carries, and its hash is
/// SHA-256, which processors compute themselves. AES-256 comes with SHA-384, where a resumed
/// handshake spends more on the hash than on the rest.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = chosen::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| !is_aes_128(suite));
    Arc::new(provider)
}

fn is_aes_128(suite: &SupportedCipherSuite) -> bool {
    matches!(
        suite.suite(),
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// Whether a client that says `hello` would rather do without AES, which is slow for those whose
/// processor does not know it.
pub(crate) fn shuns_aes(hello: &ClientHello<'_>) -> bool {
    // What comes first may be a value without meaning (RFC 8701).
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

/// Something that seals tickets, and changes its key every few hours.
///
/// # Errors
///
/// The system gives no random numbers.
pub(crate) fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    chosen::Ticketer::new()
}
