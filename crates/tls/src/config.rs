//! Checked settings, and what each control connection takes from them.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets};

use crate::store::{OwnSession, ReadOnly};
use crate::tickets::{BoundTickets, DataTickets};
use crate::{SessionReuse, TlsError, provider};

/// Maximum number of bytes in a record.
const RECORD: usize = 16 << 10;

/// What rustls adds to the bytes of a record where a configuration limits its length.
const RECORD_HEADER: usize = 5;

/// TLS for all connections of a server; made by [`TlsSettings::build`](crate::TlsSettings::build).
#[derive(Clone, Debug)]
pub struct TlsConfig {
    base: ServerConfig,
    suites: SuiteOrder,
    reuse: SessionReuse,
}

/// Who chooses among the cipher suites that both sides support.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SuiteOrder {
    /// The [`provider`] module, unless the client [shuns AES](provider::shuns_aes).
    Ours,
    /// The caller's ready-made configuration.
    Callers,
}

impl TlsConfig {
    pub(crate) fn new(mut base: ServerConfig, suites: SuiteOrder, reuse: SessionReuse) -> Self {
        if suites == SuiteOrder::Ours {
            base.ignore_client_order = true;
        }
        // Each session has its own tickets and session memory; there are none here.
        base.session_storage = Arc::new(NoServerSessionStorage {});
        base.alpn_protocols = Vec::new();
        base.max_early_data_size = 0;
        // The default of rustls. A ready-made configuration may say 0, and then nobody could resume
        // a session of TLS 1.3.
        base.send_tls13_tickets = 2;
        Self {
            base,
            suites,
            reuse,
        }
    }

    /// Creates the TLS session of one control connection and its data connections. A later change
    /// of the server's configuration does not affect it.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unavailable`]: the system gives no random numbers.
    pub fn session(&self) -> Result<TlsSession, TlsError> {
        let mut config = self.base.clone();
        let random = config.crypto_provider().secure_random;
        config.ticketer = Arc::new(BoundTickets::new(random)?);
        config.session_storage = Arc::new(OwnSession::default());
        Ok(TlsSession {
            config: Arc::new(config),
            suites: self.suites,
            reuse: self.reuse,
        })
    }
}

/// TLS for one control connection and its data connections.
#[derive(Clone, Debug)]
pub struct TlsSession {
    config: Arc<ServerConfig>,
    suites: SuiteOrder,
    reuse: SessionReuse,
}

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    Control,
    Data,
}

impl Purpose {
    /// The protocols for such a connection, best first (ALPN).
    ///
    /// `x-filezilla-ftp` is not among them: it promises the behaviour of one particular server
    /// program.
    const fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Control => &[b"ftp"],
            Self::Data => &[b"ftp-data", b"ftp"],
        }
    }

    /// The best protocol that the client offers, too.
    ///
    /// A client that offers only unknown ones is served without a protocol: ending the handshake,
    /// as rustls does if it knows any protocol, would help nobody.
    fn protocol(self, hello: &ClientHello<'_>) -> Option<&'static [u8]> {
        let offered: Vec<_> = hello.alpn()?.collect();
        let known = self.protocols().iter();
        known.copied().find(|protocol| offered.contains(protocol))
    }
}

impl TlsSession {
    /// Whether data connections have to resume the session.
    pub(crate) fn reuse(&self) -> SessionReuse {
        self.reuse
    }

    /// Maximum number of bytes in a record that is written.
    pub(crate) fn record_size(&self) -> usize {
        let size = self.config.max_fragment_size;
        size.map_or(RECORD, |size| size.saturating_sub(RECORD_HEADER).max(1))
    }

    /// The configuration for the control connection of a client that says `hello`.
    pub(crate) fn control(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let protocol = Purpose::Control.protocol(hello);
        if protocol.is_none() && !self.yields_to(hello) {
            return Arc::clone(&self.config);
        }
        Arc::new(self.fitted(protocol, hello))
    }

    /// The configuration for a data connection of a client that says `hello`, and the tickets that
    /// it can give. A client of TLS 1.3 that `only_sends` gets no tickets.
    pub(crate) fn data(
        &self,
        hello: &ClientHello<'_>,
        only_sends: bool,
    ) -> (Arc<ServerConfig>, Arc<DataTickets>) {
        let mut config = self.fitted(Purpose::Data.protocol(hello), hello);
        if only_sends {
            // They would come after the handshake, to a client that may close without reading them.
            // That causes a reset, which destroys the end of the upload.
            config.send_tls13_tickets = 0;
        }
        let tickets = Arc::new(DataTickets::new(Arc::clone(&config.ticketer)));
        config.ticketer = Arc::clone(&tickets) as Arc<dyn ProducesTickets>;
        config.session_storage = Arc::new(ReadOnly(Arc::clone(&config.session_storage)));
        (Arc::new(config), tickets)
    }

    /// The configuration for a client that says `hello`, with the chosen `protocol`.
    fn fitted(&self, protocol: Option<&[u8]>, hello: &ClientHello<'_>) -> ServerConfig {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = protocol.into_iter().map(<[u8]>::to_vec).collect();
        if self.yields_to(hello) {
            config.ignore_client_order = false;
        }
        config
    }

    /// Whether the client's order of cipher suites takes precedence over the server's.
    fn yields_to(&self, hello: &ClientHello<'_>) -> bool {
        self.suites == SuiteOrder::Ours && provider::shuns_aes(hello)
    }
}
