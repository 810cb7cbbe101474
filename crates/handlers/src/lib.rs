//! FTP connections over sockets: settings, the data pump, jobs and logging.
//!
//! A server accepts clients and adds a [`Connection`] for each to its loop; [`FtpHandler`] says how
//! they are served. Most programs use both through the `ftpdlib` facade.
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod connection;
mod custom_command;
mod data;
mod dtp;
mod error;
mod foreign;
mod host_name;
mod jobs;
mod limits;
mod log_prefix;
mod masquerade;
mod observer;
mod one_at_a_time;
mod passive_ports;
mod proxy;
mod pump;
mod rates;
mod service;
mod sessions;
mod settings;
#[cfg(test)]
mod testing;
mod throttle;
mod tls;
mod tls_source;

pub use connection::Connection;
pub use custom_command::{CommandContext, CustomCommand};
pub use dtp::{DtpHandler, ThrottledDtpHandler};
pub use error::SettingsError;
pub use ipnet::IpNet;
pub use limits::{LimitReached, Limits, ListenerShare, Permit};
pub use masquerade::MasqueradeAddress;
pub use observer::{
    ObservedCommand, ObservedPath, ObservedSession, ObservedTransfer, Observer, Verdict,
};
pub use proxy::{ProxiedClient, ProxyHeaderError, ProxyHeaderReader, ProxyHeaderStep};
pub use service::Service;
pub use sessions::Sessions;
pub use settings::FtpHandler;
pub use tls::{TlsDtpHandler, TlsFtpHandler};
