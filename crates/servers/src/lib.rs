//! FTP servers: listening, limits, shutdown.
//!
//! [`FtpServer`] is the asynchronous model: one thread, one loop, any number of clients.
#![forbid(unsafe_code)]

mod builder;
mod error;
mod handle;
mod lifecycle;
mod options;
mod process;
mod refresh;
mod server;
mod signals;

pub use builder::{AddressOrSocket, FtpServerBuilder};
pub use error::ServerError;
pub use handle::ServerHandle;
pub use options::ServeOptions;
pub use process::{inherited_sockets, raise_descriptor_limit};
pub use server::FtpServer;
