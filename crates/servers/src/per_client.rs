//! The servers that have a thread or a process for each client.

use std::ops::{Deref, DerefMut};

use ftpdlib_handlers::FtpHandler;

use crate::builder::PER_CLIENT_BACKLOG;
use crate::{AddressOrSocket, Concurrency, FtpServer, FtpServerBuilder, ServerError};

/// An [`FtpServer`] that serves each client in a thread with a loop of its own (pyftpdlib:
/// `ThreadedFTPServer`).
///
/// A slow observer or greeting, even an inline one, delays only its own client. A client costs a
/// thread and two more descriptors. There are at most 4,096 threads, whatever the limits are;
/// clients beyond that are refused.
///
/// To set other limits, use [`FtpServerBuilder::concurrency`] with [`Concurrency::MultiThread`],
/// whose [backlog](FtpServerBuilder::backlog) is the usual one unless set. To accept clients on the
/// caller's loop, [attach](FtpServer::attach) `FtpServer::from(server)`.
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

/// An [`FtpServer`] that forks a process for each client (pyftpdlib: `MultiprocessFTPServer`).
///
/// A failure in one of the processes affects its own client only. What an authorizer or an observer
/// changes in memory, it changes in that process only. The process that makes the server must have
/// no thread but one, now and for as long as it serves; it accepts clients and reads nothing from
/// them. There are 4,096 processes at most, whatever the limits are; clients beyond that are
/// refused.
///
/// A client's process begins as a copy of the one that forks. It closes its copies of the sockets
/// that the server's loop watches, under all of their descriptors, also those of other servers and
/// handlers there, which it neither calls nor drops. Whatever else the program has open stays open
/// in it until it ends: sockets of another loop, for instance, or a passive port of another server
/// that its loop does not watch yet.
///
/// To set other limits, use [`FtpServerBuilder::concurrency`] with [`Concurrency::MultiProcess`],
/// whose [backlog](FtpServerBuilder::backlog) is the usual one unless set.
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
            /// Creates a server that listens on `address` and serves clients as `handler` says,
            /// with the default limits and a backlog of 5, as in pyftpdlib.
            ///
            /// # Errors
            ///
            /// [`ServerError`] if a setting is invalid or the address cannot be used.
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
