//! Checked settings, and what each control connection takes of them.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets};

use crate::store::{OwnSession, ReadOnly};
use crate::tickets::{BoundTickets, DataTickets};
use crate::{SessionReuse, TlsError, provider};

/// TLS for all connections of a server; made by [`TlsSettings::build`](crate::TlsSettings::build).
#[derive(Clone, Debug)]
pub struct TlsConfig {
    base: ServerConfig,
    tickets: Arc<dyn ProducesTickets>,
    reuse: SessionReuse,
}

impl TlsConfig {
    pub(crate) fn new(mut base: ServerConfig, reuse: SessionReuse) -> Result<Self, TlsError> {
        // Tickets and memory are each session's own; here are none.
        base.session_storage = Arc::new(NoServerSessionStorage {});
        base.alpn_protocols = Vec::new();
        base.max_early_data_size = 0;
        // As many as rustls sends by itself; a caller's own configuration may say none, and then
        // nobody could resume a session of TLS 1.3.
        base.send_tls13_tickets = 2;
        let tickets = provider::ticketer()?;
        Ok(Self {
            base,
            tickets,
            reuse,
        })
    }

    /// What one control connection and its data connections use. It stays as it is when the server
    /// takes on another configuration.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unavailable`]: the system gives no random numbers.
    pub fn session(&self) -> Result<TlsSession, TlsError> {
        let mut config = self.base.clone();
        let random = config.crypto_provider().secure_random;
        config.ticketer = Arc::new(BoundTickets::new(Arc::clone(&self.tickets), random)?);
        config.session_storage = Arc::new(OwnSession::default());
        Ok(TlsSession {
            config: Arc::new(config),
            reuse: self.reuse,
        })
    }
}

/// TLS for one control connection and its data connections.
#[derive(Clone, Debug)]
pub struct TlsSession {
    config: Arc<ServerConfig>,
    reuse: SessionReuse,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    Control,
    Data,
}

impl Purpose {
    /// The protocols of such a connection, best first (ALPN).
    ///
    /// `x-filezilla-ftp` is none of them: it promises how one server program behaves.
    const fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Control => &[b"ftp"],
            Self::Data => &[b"ftp-data", b"ftp"],
        }
    }

    /// The best protocol that the client names too.
    ///
    /// A client that names unknown ones only is served without: ending the handshake for that, as
    /// rustls does where it knows any, would help nobody.
    fn protocol(self, hello: &ClientHello<'_>) -> Option<&'static [u8]> {
        let offered: Vec<_> = hello.alpn()?.collect();
        let known = self.protocols().iter();
        known.copied().find(|protocol| offered.contains(protocol))
    }
}

impl TlsSession {
    /// What data connections have to do.
    pub(crate) fn reuse(&self) -> SessionReuse {
        self.reuse
    }

    /// The configuration for a client of the control connection that says `hello`.
    pub(crate) fn control(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        match Purpose::Control.protocol(hello) {
            None => Arc::clone(&self.config),
            Some(protocol) => {
                let mut config = ServerConfig::clone(&self.config);
                config.alpn_protocols = vec![protocol.to_vec()];
                Arc::new(config)
            }
        }
    }

    /// The configuration for a client of a data connection, and what gives it new tickets; none to
    /// a client of TLS 1.3 that `only_sends`.
    pub(crate) fn data(
        &self,
        hello: &ClientHello<'_>,
        only_sends: bool,
    ) -> (Arc<ServerConfig>, Arc<DataTickets>) {
        let mut config = ServerConfig::clone(&self.config);
        if only_sends {
            // They would come after the handshake, to a client that may close without reading them;
            // that is a reset, which takes the end of the upload along.
            config.send_tls13_tickets = 0;
        }
        let tickets = Arc::new(DataTickets::new(Arc::clone(&config.ticketer)));
        config.ticketer = Arc::clone(&tickets) as Arc<dyn ProducesTickets>;
        config.session_storage = Arc::new(ReadOnly(Arc::clone(&config.session_storage)));
        let protocol = Purpose::Data.protocol(hello).into_iter();
        config.alpn_protocols = protocol.map(<[u8]>::to_vec).collect();
        (Arc::new(config), tickets)
    }
}
