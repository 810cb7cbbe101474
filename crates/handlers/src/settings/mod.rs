//! What the owner of a server sets, before there is a connection.

mod custom_command;
mod dtp_handler;
mod error;
mod ftp_handler;
mod masquerade;
mod passive_ports;
mod tls_handler;

pub(crate) use custom_command::last_reply;
pub use custom_command::{CommandContext, CustomCommand};
pub use dtp_handler::{DtpHandler, ThrottledDtpHandler};
pub use error::SettingsError;
pub use ftp_handler::FtpHandler;
pub(crate) use ftp_handler::{FilesystemFactory, Greeting};
pub use masquerade::MasqueradeAddress;
pub(crate) use passive_ports::PassivePorts;
pub(crate) use tls_handler::OfferedTls;
pub use tls_handler::{TlsDtpHandler, TlsFtpHandler};
