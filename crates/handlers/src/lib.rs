//! FTP connections over sockets: settings, the data pump, jobs and logging.
//!
//! A server accepts clients and adds a [`Connection`] for each to its loop; [`FtpHandler`] says how
//! they are served. Most programs use both through the `ftpdlib` facade.
#![forbid(unsafe_code)]

mod connection;
mod data;
mod dtp;
mod error;
mod jobs;
mod limits;
mod log_prefix;
mod passive_ports;
mod pump;
mod service;
mod sessions;
mod settings;
mod tls;

pub use connection::Connection;
pub use dtp::{DtpHandler, ThrottledDtpHandler};
pub use error::SettingsError;
pub use limits::{LimitReached, Limits, Permit};
pub use service::Service;
pub use sessions::Sessions;
pub use settings::FtpHandler;
pub use tls::{TlsDtpHandler, TlsFtpHandler};
