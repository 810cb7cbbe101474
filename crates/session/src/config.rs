//! Settings of the protocol interpreter.
use ftpdlib_proto::{FactSet, NameEncoding, Zone};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What a session may do; shared by all sessions of a server. Names are pyftpdlib's.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Greeting.
    pub banner: String,
    /// Idle time before `421`; `None` = never.
    pub timeout: Option<Duration>,
    /// Failed logins before the client is disconnected.
    pub max_login_attempts: u32,
    /// A failed login is answered this long after PASS arrived.
    pub auth_failed_timeout: Duration,
    /// Data connections from and to other addresses than the client's.
    pub permit_foreign_addresses: bool,
    /// PORT below 1024.
    pub permit_privileged_ports: bool,
    /// Address told in `227` instead of the local one.
    pub masquerade_address: Option<Ipv4Addr>,
    /// The same per local address.
    pub masquerade_address_map: HashMap<IpAddr, Ipv4Addr>,
    /// Times in GMT or local.
    pub zone: Zone,
    /// Encoding of names.
    pub encoding: NameEncoding,
    /// Encoding after OPTS UTF8 OFF.
    pub legacy_encoding: NameEncoding,
    /// Facts of MLST and MLSD until OPTS MLST changes them.
    pub facts: FactSet,
    /// Time for the client to connect to a passive port; `None` = no limit.
    pub passive_timeout: Option<Duration>,
    /// Time for an active connection to be made.
    pub active_timeout: Option<Duration>,
}
// Default: pyftpdlib's / cli-and-config.md's values
