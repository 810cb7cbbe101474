//! The configuration file: one module per section, including defaults.

mod authorizer;
mod control;
mod data;
mod field;
mod file;
mod filesystem;
mod locate;
mod log;
mod server;
mod shape;
mod tls;
mod users;

use serde::Deserialize;

pub(crate) use authorizer::{Authorizer, AuthorizerKind};
pub(crate) use control::Control;
pub(crate) use data::{DEFAULT_BUFFER, Data};
pub(crate) use file::ConfigFile;
pub(crate) use filesystem::{Filesystem, FilesystemKind};
pub(crate) use log::Log;
pub(crate) use server::{Concurrency, Server};
pub(crate) use tls::{ClientCertificate, SessionReuse, Tls, TlsVersion};
pub(crate) use users::{Anonymous, User};

/// A whole configuration file. Missing keys have their defaults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) control: Control,
    pub(crate) data: Data,
    pub(crate) tls: Option<Tls>,
    pub(crate) authorizer: Authorizer,
    pub(crate) filesystem: Filesystem,
    pub(crate) log: Log,
    pub(crate) users: Vec<User>,
    pub(crate) anonymous: Option<Anonymous>,
}
