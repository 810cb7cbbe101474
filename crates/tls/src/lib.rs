//! TLS for an FTP server, over the sockets of [`ftpdlib_ioloop`].
//!
//! [`TlsSettings`] name certificates and rules; they are checked and built into a [`TlsConfig`].
//! Each control connection takes a [`TlsSession`] from it; the [`TlsStream`]s of that control
//! connection and of all its data connections are made with this session, as
//! [`Transport`](ftpdlib_ioloop::Transport)s.
//!
//! # Data connections are bound to their control connection
//!
//! The first to connect to a passive port gets the data, unless the server can tell who that is
//! (RFC 4217 §10). Each session's tickets are therefore sealed with a random key of that session,
//! and the session memory for clients without tickets belongs to one control connection. So a
//! client that resumes a session on a data connection is the one that made the handshake of this
//! very control connection; no other client is given anything to resume. [`SessionReuse`] says
//! which data connections are refused. This is the same for TLS 1.2 and 1.3.
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
/// For [ready-made configurations](TlsSettings::server_config).
pub use rustls;
pub use settings::{ClientCertificate, SessionReuse, TlsSettings, TlsVersion};
pub use stream::TlsStream;
pub use validity::UntimelyCertificate;
