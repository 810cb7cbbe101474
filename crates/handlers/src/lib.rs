//! FTP connections over sockets: settings, the data pump, jobs and logging.
//!
//! A server accepts clients and adds a [`Connection`] for each to its loop; [`FtpHandler`] says how
//! they are served. Most programs use both through the `ftpdlib` facade.
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod client;
mod connection;
mod data;
mod data_connection;
mod jobs;
mod log_prefix;
mod observer;
mod owners_code;
mod proxy;
mod pump;
mod rate;
mod service;
mod settings;
#[cfg(test)]
mod testing;
mod throttle;

pub use connection::Connection;
pub use ipnet::IpNet;
pub use observer::{
    ObservedCommand, ObservedPath, ObservedSession, ObservedTransfer, Observer, Verdict,
};
pub use proxy::{ProxiedClient, ProxyHeaderError, ProxyHeaderReader, ProxyHeaderStep};
pub use service::{LimitReached, Limits, ListenerShare, Permit, Reach, Service, Sessions};
pub use settings::{
    CommandContext, CustomCommand, DtpHandler, FtpHandler, MasqueradeAddress, SettingsError,
    ThrottledDtpHandler, TlsDtpHandler, TlsFtpHandler,
};
