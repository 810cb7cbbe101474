//! Where the cryptography comes from. Both providers may be built in: some other crate may have
//! turned the second one on. Then aws-lc-rs is used. Which one is faster depends
//! on the processor; docs/performance.md has figures.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as chosen;

/// The provider.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(chosen::default_provider())
}

/// Something that seals tickets, and changes its key every few hours.
///
/// # Errors
///
/// The system gives no random numbers.
pub(crate) fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    chosen::Ticketer::new()
}
