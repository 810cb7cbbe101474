//! The section `[control]`: pyftpdlib's `FTPHandler`.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use ftpdlib::handlers::MasqueradeAddress;
use ftpdlib::proto::NameEncoding;
use serde::Deserialize;

use super::field;
use crate::value::Ports;

/// The control connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Control {
    /// Idle time; 0 = no limit.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) timeout: Duration,
    #[serde(deserialize_with = "field::banner")]
    pub(crate) banner: String,
    #[serde(deserialize_with = "field::count_from_one")]
    pub(crate) max_login_attempts: u32,
    /// How long the reply to a failed login is delayed.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) auth_failed_timeout: Duration,
    pub(crate) permit_foreign_addresses: bool,
    pub(crate) permit_privileged_ports: bool,
    #[serde(deserialize_with = "field::masquerade_address")]
    pub(crate) masquerade_address: MasqueradeAddress,
    /// Whether clients on the server's own network get it, too.
    pub(crate) masquerade_own_network: bool,
    /// Maps local addresses to those that clients are told.
    #[serde(deserialize_with = "field::ipv4_map")]
    pub(crate) masquerade_address_map: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// `None` = the kernel's choice.
    #[serde(deserialize_with = "field::ports_or_none")]
    pub(crate) passive_ports: Option<Ports>,
    pub(crate) use_gmt_times: bool,
    pub(crate) tcp_no_delay: bool,
    pub(crate) use_sendfile: bool,
    /// Whether MLSD shows links instead of their targets.
    pub(crate) mlsd_shows_links: bool,
    /// How long a loop may poll for the next command before it sleeps; 0 = not at all.
    #[serde(deserialize_with = "field::busy_poll")]
    pub(crate) busy_poll: Duration,
    #[serde(deserialize_with = "field::encoding")]
    pub(crate) encoding: NameEncoding,
    /// After `OPTS UTF8 OFF`, where `encoding` is UTF-8.
    #[serde(deserialize_with = "field::encoding")]
    pub(crate) legacy_encoding: NameEncoding,
    #[serde(deserialize_with = "field::log_prefix")]
    pub(crate) log_prefix: String,
    /// Names that `HOST` accepts.
    #[serde(deserialize_with = "field::host_names")]
    pub(crate) host_names: Vec<String>,
    /// Maximum number of bytes that a digest reads; 0 = no limit.
    #[serde(deserialize_with = "field::bytes")]
    pub(crate) hash_limit: u64,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            banner: format!("ftpdlib {} ready.", ftpdlib::VERSION),
            max_login_attempts: 3,
            auth_failed_timeout: Duration::from_secs(3),
            permit_foreign_addresses: false,
            permit_privileged_ports: false,
            masquerade_address: MasqueradeAddress::None,
            masquerade_own_network: true,
            masquerade_address_map: BTreeMap::new(),
            passive_ports: None,
            use_gmt_times: true,
            tcp_no_delay: true,
            use_sendfile: true,
            mlsd_shows_links: false,
            busy_poll: Duration::from_micros(100),
            encoding: NameEncoding::UTF_8,
            legacy_encoding: NameEncoding::for_label("windows-1252")
                .expect("the standard has windows-1252, which can encode"),
            log_prefix: "{remote_ip}:{remote_port}-[{username}]".to_owned(),
            host_names: Vec::new(),
            hash_limit: 0,
        }
    }
}
