//! Checked settings, and what each control connection takes of them.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets};

use crate::store::{OwnSession, ReadOnly};
use crate::tickets::{BoundTickets, DataTickets};
use crate::{SessionReuse, TlsError, provider};

/// Most bytes in a record.
const RECORD: usize = 16 << 10;

/// What rustls counts of a record besides its bytes, where a configuration says how long records
/// are.
const RECORD_HEADER: usize = 5;

/// TLS for all connections of a server; made by [`TlsSettings::build`](crate::TlsSettings::build).
#[derive(Clone, Debug)]
pub struct TlsConfig {
    base: ServerConfig,
    suites: SuiteOrder,
    reuse: SessionReuse,
}

/// Who says which of the cipher suites that both sides know is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SuiteOrder {
    /// The [`provider`], unless the client [shuns AES](provider::shuns_aes).
    Ours,
    /// The configuration that a caller has made.
    Callers,
}

impl TlsConfig {
    pub(crate) fn new(mut base: ServerConfig, suites: SuiteOrder, reuse: SessionReuse) -> Self {
        if suites == SuiteOrder::Ours {
            base.ignore_client_order = true;
        }
        // Tickets and memory are each session's own; here are none.
        base.session_storage = Arc::new(NoServerSessionStorage {});
        base.alpn_protocols = Vec::new();
        base.max_early_data_size = 0;
        // As many as rustls sends by itself; a caller's own configuration may say none, and then
        // nobody could resume a session of TLS 1.3.
        base.send_tls13_tickets = 2;
        Self {
            base,
            suites,
            reuse,
        }
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

    /// Most bytes in a record that is written.
    pub(crate) fn record_size(&self) -> usize {
        let size = self.config.max_fragment_size;
        size.map_or(RECORD, |size| size.saturating_sub(RECORD_HEADER).max(1))
    }

    /// The configuration for a client of the control connection that says `hello`.
    pub(crate) fn control(&self, hello: &ClientHello<'_>) -> Arc<ServerConfig> {
        let protocol = Purpose::Control.protocol(hello);
        if protocol.is_none() && !self.yields_to(hello) {
            return Arc::clone(&self.config);
        }
        Arc::new(self.fitted(protocol, hello))
    }

    /// The configuration for a client of a data connection, and what gives it new tickets; none to
    /// a client of TLS 1.3 that `only_sends`.
    pub(crate) fn data(
        &self,
        hello: &ClientHello<'_>,
        only_sends: bool,
    ) -> (Arc<ServerConfig>, Arc<DataTickets>) {
        let mut config = self.fitted(Purpose::Data.protocol(hello), hello);
        if only_sends {
            // They would come after the handshake, to a client that may close without reading them;
            // that is a reset, which takes the end of the upload along.
            config.send_tls13_tickets = 0;
        }
        let tickets = Arc::new(DataTickets::new(Arc::clone(&config.ticketer)));
        config.ticketer = Arc::clone(&tickets) as Arc<dyn ProducesTickets>;
        config.session_storage = Arc::new(ReadOnly(Arc::clone(&config.session_storage)));
        (Arc::new(config), tickets)
    }

    /// The configuration for a client that says `hello`, with whom `protocol` is spoken.
    fn fitted(&self, protocol: Option<&[u8]>, hello: &ClientHello<'_>) -> ServerConfig {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = protocol.into_iter().map(<[u8]>::to_vec).collect();
        if self.yields_to(hello) {
            config.ignore_client_order = false;
        }
        config
    }

    /// Whether the client's order of cipher suites is followed in place of the server's.
    fn yields_to(&self, hello: &ClientHello<'_>) -> bool {
        self.suites == SuiteOrder::Ours && provider::shuns_aes(hello)
    }
}
