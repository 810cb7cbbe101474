//! Settings of the protocol interpreter.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ftpdlib_proto::{FactSet, NameEncoding, Zone};

use crate::RegisteredCommand;

/// The version of this library and of all its crates (pyftpdlib: `__ver__`). The default greeting
/// contains it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What has to be under TLS, if TLS is offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TlsRules {
    /// Implicit TLS: from the first byte, before the greeting, with private data connections from
    /// the start.
    pub implicit: bool,
    /// Logins are refused before AUTH.
    pub control_required: bool,
    /// Data connections are refused before `PROT P`.
    pub data_required: bool,
    /// Time limit of a handshake on the control connection and, applied by the driver, on data
    /// connections; `None` is no limit. Default: 30 seconds.
    pub handshake_timeout: Option<Duration>,
}

/// TLS is offered, but not required.
impl Default for TlsRules {
    fn default() -> Self {
        Self {
            implicit: false,
            control_required: false,
            data_required: false,
            handshake_timeout: Some(Duration::from_secs(30)),
        }
    }
}

/// Settings of a session, shared by all sessions of a server. The names are pyftpdlib's.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # use ftpdlib_session::SessionConfig;
/// let config = SessionConfig {
///     banner: "Welcome.".to_owned(),
///     timeout: Some(Duration::from_secs(60)),
///     ..SessionConfig::default()
/// };
/// assert_eq!(config.max_login_attempts, 3);
/// ```
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Text of the greeting, `220`; may have several lines. Default: `ftpdlib VERSION ready.`
    pub banner: String,
    /// Time without a command before `421`, while nothing is in progress; `None` is never. Default:
    /// 300 seconds, the least that RFC 1123 §4.1.3.2 asks for.
    pub timeout: Option<Duration>,
    /// Failed logins before the client is disconnected; 0 counts as 1. Default: 3.
    pub max_login_attempts: u32,
    /// Time from PASS to the reply to a failed login, however long the check took. Default: 3
    /// seconds.
    pub auth_failed_timeout: Duration,
    /// Whether data connections may come from or go to addresses other than the client's. Default:
    /// no, against bounce attacks and stolen connections (RFC 2577 §3, §6).
    pub permit_foreign_addresses: bool,
    /// Whether PORT and EPRT may name a port below 1024. Default: no (RFC 2577 §3).
    pub permit_privileged_ports: bool,
    /// Address in `227` instead of the local one, for servers behind NAT. Default: none.
    /// [`AdminEvent::Masquerade`](crate::AdminEvent::Masquerade) changes it.
    pub masquerade_address: Option<Ipv4Addr>,
    /// Addresses in `227` by local address; an entry here takes precedence over
    /// `masquerade_address`.
    pub masquerade_address_map: HashMap<IpAddr, Ipv4Addr>,
    /// Whether clients on the server's own network get these addresses, too. Default: yes. Such
    /// clients can reach the local address, whereas a router may not lead them back in by the
    /// public one.
    pub masquerade_own_network: bool,
    /// Zone of the times that clients see and set, in MDTM, MFMT and MFF as well as in LIST, MLSD
    /// and MLST. Default: GMT, as RFC 3659 §2.3 requires.
    pub zone: Zone,
    /// Encoding of names on the control connection. Default: UTF-8 (RFC 2640).
    pub encoding: NameEncoding,
    /// Encoding after `OPTS UTF8 OFF`, if `encoding`, or the user's own, is UTF-8. Default:
    /// Windows-1252.
    pub legacy_encoding: NameEncoding,
    /// Names that HOST accepts, in any case; IPv6 addresses without brackets. Default: none, and
    /// HOST is not offered.
    pub host_names: Vec<String>,
    /// Facts of MLST and MLSD until `OPTS MLST` changes them.
    pub facts: FactSet,
    /// Whether and how TLS is offered (RFC 4217). Default: it is not.
    pub tls: Option<TlsRules>,
    /// Time from `227` or `229` within which the client has to connect to a passive port; `None` is
    /// no limit. Default: 30 seconds.
    pub passive_timeout: Option<Duration>,
    /// Time limit of a connect to the client's port; `None` leaves it to the system. Default: 30
    /// seconds.
    pub active_timeout: Option<Duration>,
    /// Time within which a transfer command has to come once the data connection is established;
    /// `None` is no limit. Default: 300 seconds.
    pub data_timeout: Option<Duration>,
    /// Commands in addition to those of the verb table, or in their place. Default: none.
    pub commands: Vec<RegisteredCommand>,
}

impl SessionConfig {
    /// Returns the [time limit](TlsRules::handshake_timeout) of a TLS handshake, if there is one
    /// and TLS is offered.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ftpdlib_session::{SessionConfig, TlsRules};
    /// let mut config = SessionConfig::default();
    /// assert_eq!(config.handshake_timeout(), None);
    /// config.tls = Some(TlsRules::default());
    /// assert_eq!(config.handshake_timeout(), Some(Duration::from_secs(30)));
    /// ```
    pub fn handshake_timeout(&self) -> Option<Duration> {
        self.tls.and_then(|rules| rules.handshake_timeout)
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            banner: format!("ftpdlib {VERSION} ready."),
            timeout: Some(Duration::from_secs(300)),
            max_login_attempts: 3,
            auth_failed_timeout: Duration::from_secs(3),
            permit_foreign_addresses: false,
            permit_privileged_ports: false,
            masquerade_address: None,
            masquerade_address_map: HashMap::new(),
            masquerade_own_network: true,
            zone: Zone::Gmt,
            encoding: NameEncoding::UTF_8,
            legacy_encoding: NameEncoding::for_label("windows-1252")
                .expect("the standard knows windows-1252, and it is stateless"),
            host_names: Vec::new(),
            facts: FactSet::default(),
            tls: None,
            passive_timeout: Some(Duration::from_secs(30)),
            active_timeout: Some(Duration::from_secs(30)),
            data_timeout: Some(Duration::from_secs(300)),
            commands: Vec::new(),
        }
    }
}
