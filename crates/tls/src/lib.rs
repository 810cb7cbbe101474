//! TLS for an FTP server, over the sockets of [`ftpdlib_ioloop`].
//!
//! [`TlsSettings`] name certificates and rules, and are checked into a [`TlsConfig`]. A control
//! connection takes a [`TlsSession`] of it; the [`TlsStream`]s of that control connection and of
//! all its data connections come from there, as [`Transport`](ftpdlib_ioloop::Transport)s.
//!
//! # Data connections are bound to their control connection
//!
//! Whoever connects to a passive port first gets the data, unless it can be told who that is
//! (RFC 4217 §10). Each session's tickets are therefore sealed together with a random number of
//! that session, and the memory of sessions for those who use no tickets is each control
//! connection's own: a handshake on a data connection that is resumed at all was resumed by whoever
//! made that of this very control connection. Whoever did not is given nothing to resume. Which
//! data connections are refused, [`SessionReuse`] says. It is the same for TLS 1.2 and 1.3.
//!
//! # Examples
//!
//! ```
//! use ftpdlib_tls::TlsSettings;
//!
//! // No certificate: a self-signed one, made in memory.
//! let config = TlsSettings::default().build()?;
//! let session = config.session()?;
//! # let _ = session;
//! # Ok::<(), ftpdlib_tls::TlsError>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("no cryptography: turn on the feature aws-lc-rs or ring");

mod certificates;
mod client_chain;
mod config;
mod error;
mod pem;
mod provider;
mod reload;
mod self_signed;
mod settings;
mod store;
mod stream;
mod tickets;
mod validity;
mod wire;

pub use config::{TlsConfig, TlsSession};
pub use error::TlsError;
pub use reload::ReloadingConfig;
/// What a ready-made configuration consists of.
pub use rustls;
pub use settings::{ClientCertificate, SessionReuse, TlsSettings, TlsVersion};
pub use stream::TlsStream;
pub use validity::UntimelyCertificate;
