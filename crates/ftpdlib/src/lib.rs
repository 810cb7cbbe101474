//! An FTP server library modelled on pyftpdlib: the same modules and names, in Rust spelling.
//!
//! | module | what it holds | crate it comes from |
//! | --- | --- | --- |
//! | [`authorizers`] | who may log in, and what they may do | `ftpdlib-authorizers` |
//! | [`handlers`] | how clients are served: settings of control and data connections | `ftpdlib-handlers` |
//! | [`filesystems`] | what clients see: the jail, and the trait to write others | `ftpdlib-filesystems` |
//! | [`servers`] | listening, limits, shutdown | `ftpdlib-servers` |
//! | [`ioloop`] | the reactor, usable by itself | `ftpdlib-ioloop` |
//! | [`tls`] | certificates, and rustls for configurations of one's own | `ftpdlib-tls` |
//! | [`proto`] | the wire format: command lines in, replies out | `ftpdlib-proto` |
//!
//! The modules are those crates, and examples on their pages name the crates: `ftpdlib_servers::X`
//! is `ftpdlib::servers::X`.
//!
//! # Examples
//!
//! A server with one user and read-only guests, whose home directories must exist:
//!
//! ```no_run
//! use std::net::Ipv4Addr;
//!
//! use ftpdlib::authorizers::{DummyAuthorizer, User};
//! use ftpdlib::handlers::FtpHandler;
//! use ftpdlib::servers::{FtpServer, ServeOptions};
//!
//! let authorizer = DummyAuthorizer::new();
//! authorizer.add_user(User::new("user", "12345", "/srv/ftp/user").perm("elradfmwMT"))?;
//! authorizer.add_anonymous("/srv/ftp/pub")?;
//!
//! let handler = FtpHandler::new(authorizer).banner("ftpdlib based server ready.");
//! let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
//! server.serve_forever(ServeOptions::default())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Logging
//!
//! The library prints nothing itself: it logs through the `log` crate. Without a logger nothing is
//! shown, not even a security warning, so set one up first. With `env_logger`:
//!
//! ```
//! let env = env_logger::Env::default().default_filter_or("info");
//! env_logger::Builder::from_env(env).init();
//! ```
//!
//! Targets begin with the name of the crate that logs: `ftpdlib_handlers` (sessions, commands,
//! transfers), `ftpdlib_servers` (listening, limits, processes), `ftpdlib_authorizers` (logins),
//! `ftpdlib_tls` (certificates), `ftpdlib_ioloop`. What follows may change with any version.
//! `env_logger` compares the start of a target: `RUST_LOG=ftpdlib=debug` shows all of them, down to
//! commands and replies, which are logged with `debug`. Passwords are not logged.
//!
//! # Features
//!
//! - `ring` (default): TLS with the cryptography of ring
//! - `aws-lc-rs`: TLS with the cryptography of aws-lc-rs
//!
//! At least one of them is required: after `default-features = false`, turn one on.
#![forbid(unsafe_code)]

pub use ftpdlib_session::VERSION;

#[doc(inline)]
pub use ftpdlib_authorizers as authorizers;
#[doc(inline)]
pub use ftpdlib_filesystems as filesystems;
#[doc(inline)]
pub use ftpdlib_handlers as handlers;
#[doc(inline)]
pub use ftpdlib_ioloop as ioloop;
#[doc(inline)]
pub use ftpdlib_proto as proto;
#[doc(inline)]
pub use ftpdlib_servers as servers;
#[doc(inline)]
pub use ftpdlib_tls as tls;
