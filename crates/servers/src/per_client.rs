//! The servers that have a thread or a process for each client.

use std::ops::{Deref, DerefMut};

use ftpdlib_handlers::FtpHandler;

use crate::builder::PER_CLIENT_BACKLOG;
use crate::{AddressOrSocket, Concurrency, FtpServer, FtpServerBuilder, ServerError};

/// An [`FtpServer`] that serves each client in a thread with a loop of its own (pyftpdlib:
/// `ThreadedFTPServer`).
///
/// A slow observer or greeting, even an inline one, keeps only its own client waiting. A client
/// costs a thread and two more descriptors. There are 4,096 threads at most, whatever the limits
/// are; clients beyond that are refused.
///
/// For other than the default limits there is
/// [`FtpServerBuilder::concurrency`] with [`Concurrency::MultiThread`], whose
/// [backlog](FtpServerBuilder::backlog) is the usual one unless set. To have it accept on a loop of
/// the caller's, `FtpServer::from(server)` is what can be [attached](FtpServer::attach).
///
/// # Examples
///
/// ```no_run
/// use std::net::Ipv4Addr;
///
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::FtpHandler;
/// use ftpdlib_servers::{ServeOptions, ThreadedFtpServer};
///
/// let authorizer = DummyAuthorizer::new();
/// authorizer.add_anonymous("/srv/ftp")?;
/// let handler = FtpHandler::new(authorizer);
/// let mut server = ThreadedFtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
/// server.serve_forever(ServeOptions::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ThreadedFtpServer(FtpServer);

/// An [`FtpServer`] that forks for each client (pyftpdlib: `MultiprocessFTPServer`).
///
/// A failure in one of the processes affects its own client only. What an authorizer or an observer
/// changes in memory, it changes in that process only. The process that makes the server must have
/// no thread but one, now and for as long as it serves; it accepts clients and reads nothing from
/// them. There are 4,096 processes at most, whatever the limits are; clients beyond that are
/// refused.
///
/// A client's process begins as a copy of the one that forks. It closes its copies of the sockets
/// that are registered with the server's loop, also those of other servers and handlers there,
/// which it neither calls nor drops. Whatever else the program has open, on another loop for
/// instance, stays open in it until it ends.
///
/// For other than the default limits there is
/// [`FtpServerBuilder::concurrency`] with [`Concurrency::MultiProcess`], whose
/// [backlog](FtpServerBuilder::backlog) is the usual one unless set.
///
/// # Examples
///
/// ```no_run
/// use std::net::Ipv4Addr;
///
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::FtpHandler;
/// use ftpdlib_servers::{MultiprocessFtpServer, ServeOptions};
///
/// let authorizer = DummyAuthorizer::new();
/// authorizer.add_anonymous("/srv/ftp")?;
/// let handler = FtpHandler::new(authorizer);
/// let mut server = MultiprocessFtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
/// server.serve_forever(ServeOptions::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MultiprocessFtpServer(FtpServer);

/// Makes `$server` a server with the concurrency `$model`.
macro_rules! serve_each_client {
    ($server:ident, $model:expr) => {
        impl $server {
            /// Listens on `address` for clients served as `handler` says, with the default limits
            /// and a backlog of 5, as in pyftpdlib.
            ///
            /// # Errors
            ///
            /// [`ServerError`]: a setting cannot be used, or the address cannot be had.
            pub fn new(
                address: impl Into<AddressOrSocket>,
                handler: impl Into<FtpHandler>,
            ) -> Result<Self, ServerError> {
                let builder = FtpServerBuilder::new(handler)
                    .concurrency($model)
                    .backlog(PER_CLIENT_BACKLOG);
                builder.listen(address).build().map(Self)
            }
        }

        impl From<$server> for FtpServer {
            fn from(server: $server) -> Self {
                server.0
            }
        }

        impl Deref for $server {
            type Target = FtpServer;

            fn deref(&self) -> &FtpServer {
                &self.0
            }
        }

        impl DerefMut for $server {
            fn deref_mut(&mut self) -> &mut FtpServer {
                &mut self.0
            }
        }
    };
}

serve_each_client!(ThreadedFtpServer, Concurrency::MultiThread);
serve_each_client!(MultiprocessFtpServer, Concurrency::MultiProcess);
