//! FTP servers: listening, limits, shutdown.
//!
//! [`FtpServer`] is the asynchronous model: one loop or a few, any number of clients.
//! [`ThreadedFtpServer`] gives each client a thread with a loop of its own,
//! [`MultiprocessFtpServer`] a process, and [`ServeOptions::worker_processes`] has several
//! processes share the clients of either of the first two. The models differ only in where a client
//! is served; see [`Concurrency`].
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod attachment;
mod bind_plan;
mod builder;
mod callback;
mod children;
mod client;
mod client_churn;
mod concurrency;
mod error;
mod handle;
mod lifecycle;
mod listeners;
mod loops;
mod options;
mod parent_link;
mod parent_mailbox;
mod per_client;
mod placement;
mod prefork;
mod process;
mod process_per_client;
mod proxy_handshake;
mod redirection;
mod refresh;
mod server;
mod shared;
mod signals;
mod spawned;
mod supervisor;
mod thread_per_client;
mod upgrade;
mod worker;

pub use builder::{AddressOrSocket, FtpServerBuilder};
pub use concurrency::Concurrency;
pub use error::ServerError;
/// The user that worker processes change to.
pub use ftpdlib_sys::Identity;
/// Standard error, or another stream that other processes have open too, for a log that never
/// blocks.
pub use ftpdlib_sys::LogStream;
/// For a program whose log files are written to by several processes.
pub use ftpdlib_sys::SharedWords;
/// The allocator for a program that is to take uploads over TLS; it matters where the C library is
/// glibc and the processor AMD's.
pub use ftpdlib_sys::Staggered;
/// For a program that reads its settings, or does anything else that takes time, before its server
/// catches signals. Such a server has [`ServeOptions::on_reload`] and [`ServeOptions::upgrade`].
/// A pre-fork server refuses a `SIGUSR2` that comes before its first worker accepts, also one that
/// was kept.
pub use ftpdlib_sys::catch_early_signals;
/// For a program that checks its configuration, and leaves its logs as they are.
pub use ftpdlib_sys::check_writable;
/// To be called before the server has threads. A client on the same machine can then finish what it
/// was about to send, and the loop finds more to do per turn.
pub use ftpdlib_sys::interrupt_nobody;
/// For a program that has settings for root alone.
pub use ftpdlib_sys::is_root;
/// For a program that is to send downloads over TLS, to be called before it has threads; it matters
/// where the C library is glibc.
pub use ftpdlib_sys::keep_freed_memory;
/// For a program that has log files.
pub use ftpdlib_sys::open_to_append as open_log;
/// For a program that catches early signals, and whose start has failed.
pub use ftpdlib_sys::set_early_exit_code;
pub use handle::ServerHandle;
pub use options::ServeOptions;
pub use per_client::{MultiprocessFtpServer, ThreadedFtpServer};
pub use process::{
    InheritedSocket, inherited_sockets, lowest_port, others_can_redirect, raise_descriptor_limit,
    with_log_rights,
};
pub use redirection::places_on_the_way;
pub use server::FtpServer;
pub use spawned::SpawnedServer;
pub use upgrade::Upgrade;
