//! FTP servers: listening, limits, shutdown.
//!
//! [`FtpServer`] is the asynchronous model: one loop or a few, any number of clients.
//! [`ThreadedFtpServer`] gives each client a thread with a loop of its own. They share everything
//! but where a client is served; see [`Concurrency`].
#![forbid(unsafe_code)]

mod arrival;
mod builder;
mod client;
mod concurrency;
mod doors;
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
mod spawned;
mod thread_each;
mod threaded;

pub use builder::{AddressOrSocket, FtpServerBuilder};
pub use concurrency::Concurrency;
pub use error::ServerError;
pub use handle::ServerHandle;
pub use options::ServeOptions;
pub use process::{inherited_sockets, raise_descriptor_limit};
pub use server::FtpServer;
pub use spawned::SpawnedServer;
pub use threaded::ThreadedFtpServer;
