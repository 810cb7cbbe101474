//! The server with a process for each client.

use std::ops::{Deref, DerefMut};

use ftpdlib_handlers::FtpHandler;

use crate::builder::PER_CLIENT_BACKLOG;
use crate::{AddressOrSocket, Concurrency, FtpServer, FtpServerBuilder, ServerError};

/// An [`FtpServer`] that forks for each client (pyftpdlib: `MultiprocessFTPServer`).
///
/// A failure in one of the processes affects its own client only. What an authorizer or an observer
/// changes in memory, it changes in that process only. The process that
/// makes the server must have no thread but one, now and for as long as it serves; it accepts
/// clients and reads nothing from them. There are 4,096 processes at most, whatever the limits are;
/// clients beyond that are refused.
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

impl MultiprocessFtpServer {
    /// Listens on `address` for clients served as `handler` says, with the default limits and a
    /// backlog of 5, as in pyftpdlib.
    ///
    /// # Errors
    ///
    /// [`ServerError`]: a setting cannot be used, or the address cannot be had.
    pub fn new(
        address: impl Into<AddressOrSocket>,
        handler: impl Into<FtpHandler>,
    ) -> Result<Self, ServerError> {
        let builder = FtpServerBuilder::new(handler)
            .concurrency(Concurrency::MultiProcess)
            .backlog(PER_CLIENT_BACKLOG);
        builder.listen(address).build().map(Self)
    }
}

impl From<MultiprocessFtpServer> for FtpServer {
    fn from(server: MultiprocessFtpServer) -> Self {
        server.0
    }
}

impl Deref for MultiprocessFtpServer {
    type Target = FtpServer;

    fn deref(&self) -> &FtpServer {
        &self.0
    }
}

impl DerefMut for MultiprocessFtpServer {
    fn deref_mut(&mut self) -> &mut FtpServer {
        &mut self.0
    }
}
