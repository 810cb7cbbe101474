//! Settings of the protocol interpreter.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ftpdlib_proto::{FactSet, NameEncoding, Zone};

use crate::RegisteredCommand;

/// The version of this library, which all of its crates have in common (pyftpdlib: `__ver__`). The
/// default greeting tells it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is in the clear and what is not, where TLS is offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TlsRules {
    /// TLS from the first byte, before the greeting, and private data connections from the start.
    pub implicit: bool,
    /// Nobody may log in before AUTH.
    pub control_required: bool,
    /// Data connections are refused before `PROT P`.
    pub data_required: bool,
    /// Time for a handshake, on the control connection and, by the driver, on data connections;
    /// `None` is no limit. Default: 30 seconds.
    pub handshake_timeout: Option<Duration>,
}

/// Nothing is required.
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

/// What a session may do; shared by all sessions of a server. Names are pyftpdlib's.
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
    /// Greeting of `220`; may have several lines. Default: `ftpdlib VERSION ready.`
    pub banner: String,
    /// Time without a command before `421`, while nothing is in progress; `None` is never.
    /// Default: 300 seconds, as RFC 1123 §4.1.3.2 asks for at least.
    pub timeout: Option<Duration>,
    /// Failed logins before the client is disconnected; 0 counts as 1. Default: 3.
    pub max_login_attempts: u32,
    /// A failed login is answered this long after PASS arrived, whatever it took to check.
    /// Default: 3 seconds.
    pub auth_failed_timeout: Duration,
    /// Whether data connections from and to other addresses than the client's are allowed.
    /// Default: no, against bounce attacks and stolen connections (RFC 2577 §3, §6).
    pub permit_foreign_addresses: bool,
    /// Whether PORT and EPRT may name a port below 1024. Default: no (RFC 2577 §3).
    pub permit_privileged_ports: bool,
    /// Address told in `227` instead of the local one, for servers behind NAT. Default: none.
    /// [`AdminEvent::Masquerade`](crate::AdminEvent::Masquerade) changes it.
    pub masquerade_address: Option<Ipv4Addr>,
    /// The same for some local addresses only; found here, it goes before `masquerade_address`.
    pub masquerade_address_map: HashMap<IpAddr, Ipv4Addr>,
    /// Whether clients on the server's own network are told these addresses too. Default: yes. They
    /// reach the local one, and a router may not lead them back in by its public one.
    pub masquerade_own_network: bool,
    /// Zone of the times that clients are shown and set, in MDTM, MFMT and MFF as well as in LIST,
    /// MLSD and MLST. Default: GMT, as RFC 3659 §2.3 wants.
    pub zone: Zone,
    /// Encoding of names on the control connection. Default: UTF-8 (RFC 2640).
    pub encoding: NameEncoding,
    /// Encoding after `OPTS UTF8 OFF`, where the one above, or the user's own, is UTF-8. Default:
    /// Windows-1252.
    pub legacy_encoding: NameEncoding,
    /// Names that HOST accepts, in any case; an IPv6 address without brackets. Default: none, and
    /// HOST is not offered.
    pub host_names: Vec<String>,
    /// Facts of MLST and MLSD until `OPTS MLST` changes them.
    pub facts: FactSet,
    /// Whether and how TLS is offered (RFC 4217). Default: it is not.
    pub tls: Option<TlsRules>,
    /// Time for the client to connect to a passive port, from `227` or `229`; `None` is no limit.
    /// Default: 30 seconds.
    pub passive_timeout: Option<Duration>,
    /// Time for the connection to the client's port to stand; `None` is no limit but the system's.
    /// Default: 30 seconds.
    pub active_timeout: Option<Duration>,
    /// Time for a transfer command to come to a data connection that stands; `None` is no limit.
    /// Default: 300 seconds.
    pub data_timeout: Option<Duration>,
    /// Commands beside those of the verb table, or in their place. Default: none.
    pub commands: Vec<RegisteredCommand>,
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
