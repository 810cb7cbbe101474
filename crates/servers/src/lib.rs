//! FTP servers: listening, limits, shutdown.
//!
//! [`FtpServer`] is the asynchronous model: one loop or a few, any number of clients.
//! [`ThreadedFtpServer`] gives each client a thread with a loop of its own,
//! [`MultiprocessFtpServer`] a process, and [`ServeOptions::worker_processes`] has several
//! processes share the clients of either of the first two. The models differ only in where a client
//! is served; see [`Concurrency`].
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod accepting;
mod attachment;
mod builder;
mod concurrency;
mod error;
mod handle;
mod lifecycle;
mod loops;
mod options;
mod own_threads;
mod per_client;
mod placement;
pub mod process;
mod processes;
mod refresh;
mod server;
mod shared;
mod signals;
mod spawned;
mod upgrade;

pub use builder::{AddressOrSocket, FtpServerBuilder};
pub use concurrency::Concurrency;
pub use error::ServerError;
pub use handle::ServerHandle;
pub use options::ServeOptions;
pub use per_client::{MultiprocessFtpServer, ThreadedFtpServer};
pub use server::FtpServer;
pub use spawned::SpawnedServer;
pub use upgrade::Upgrade;
