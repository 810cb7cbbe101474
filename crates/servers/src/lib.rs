//! FTP servers: listening, limits, shutdown.
//!
//! [`FtpServer`] is the asynchronous model: one thread, one loop, any number of clients.
#![forbid(unsafe_code)]

mod builder;
mod client;
mod concurrency;
mod error;
mod handle;
mod lifecycle;
mod loops;
mod options;
mod placement;
mod process;
mod refresh;
mod server;
mod signals;
mod thread_each;

pub use builder::{AddressOrSocket, FtpServerBuilder};
pub use concurrency::Concurrency;
pub use error::ServerError;
pub use handle::ServerHandle;
pub use options::ServeOptions;
pub use process::{inherited_sockets, raise_descriptor_limit};
pub use server::FtpServer;
