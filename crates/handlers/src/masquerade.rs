//! The address told in replies to `PASV`.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ftpdlib_ioloop::Lane;
use ftpdlib_sys::SharedWords;

use crate::SettingsError;

/// The public address of a server behind NAT, for
/// [`FtpHandler::masquerade_address`](crate::FtpHandler::masquerade_address).
///
/// Complete: an address is known, has to be looked up, or there is none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum MasqueradeAddress {
    /// The real address is told.
    #[default]
    None,
    /// This one is.
    Address(Ipv4Addr),
    /// The one that this host name has at the time.
    Name(String),
}

impl From<Ipv4Addr> for MasqueradeAddress {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address)
    }
}

impl From<Option<Ipv4Addr>> for MasqueradeAddress {
    fn from(address: Option<Ipv4Addr>) -> Self {
        address.map_or(Self::None, Self::Address)
    }
}

/// An address, or else a name; none if empty.
impl From<&str> for MasqueradeAddress {
    fn from(text: &str) -> Self {
        match text.parse() {
            Ok(address) => Self::Address(address),
            Err(_) if text.is_empty() => Self::None,
            Err(_) => Self::Name(text.to_owned()),
        }
    }
}

impl fmt::Display for MasqueradeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl MasqueradeAddress {
    /// Whether a name has the form of one. Four numbers with a mistake in them have not: they must
    /// not go out as a question to a name server.
    pub fn is_plausible(&self) -> bool {
        let Self::Name(name) = self else {
            return true;
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        name.len() <= 253 && name.bytes().all(known) && !name.bytes().all(is_number)
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.is_plausible() {
            return Ok(());
        }
        let reason = format!("{self} is neither an IPv4 address nor a host name");
        Err(SettingsError::new("masquerade_address", reason))
    }

    /// The address, where it need not be looked up.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::None | Self::Name(_) => None,
        }
    }
}

/// A host name and its address, looked up from time to time.
///
/// What one process finds is known to all that serve, and to those that are forked later: a parent
/// has no thread to ask with, and a process that is there for one client no time.
pub(crate) struct HostName {
    name: String,
    words: SharedWords,
    made: Instant,
    looking: AtomicBool,
    lane: Lane,
}

/// The address, and above the lower half whether there is one.
const ADDRESS: usize = 0;

/// When a look-up has last come to an end, in milliseconds since the name was made; 0 before.
const LOOKED_UP: usize = 1;

/// An address this new is not asked for again: another process has just done so.
const FRESH: Duration = Duration::from_secs(30);

/// Nobody waits for an answer where another one has not come for this long.
const RETRY: Duration = Duration::from_secs(60);

impl HostName {
    /// # Errors
    ///
    /// The system's: there is no memory.
    pub(crate) fn new(name: String, lane: Lane) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            name,
            words: SharedWords::new(2)?,
            made: Instant::now(),
            looking: AtomicBool::new(false),
            lane,
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The address found last.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        let known = self.words[ADDRESS].load(Ordering::Acquire);
        (known > u64::from(u32::MAX)).then(|| Ipv4Addr::from_bits(known as u32))
    }

    /// Looks the name up here and now, which may take long, unless an address is known or has just
    /// been asked for in vain.
    pub(crate) fn find(&self) {
        if self.address().is_none() && !self.was_looked_up(RETRY) {
            self.resolve();
        }
    }

    /// Has a thread look the name up, unless one does already.
    pub(crate) fn look_up(self: &Arc<Self>) {
        if self.address().is_some() && self.was_looked_up(FRESH)
            || self.looking.swap(true, Ordering::AcqRel)
        {
            return;
        }
        let host = Arc::clone(self);
        if let Err(error) = self.lane.submit(move || host.resolve()) {
            log::error!("no thread to look up {}: {error}", self.name);
            self.looking.store(false, Ordering::Release);
        }
    }

    fn resolve(&self) {
        let before = self.address();
        match (self.name.as_str(), 0).to_socket_addrs() {
            Ok(addresses) => {
                let v4 = addresses.filter_map(|address| match address {
                    SocketAddr::V4(address) => Some(*address.ip()),
                    SocketAddr::V6(_) => None,
                });
                let found: Vec<_> = v4.collect();
                // The order changes from answer to answer; the address need not.
                let same = before.filter(|known| found.contains(known));
                match same.or_else(|| found.first().copied()) {
                    Some(address) => self.learn(address),
                    None => log::warn!("masquerade address {}: no IPv4 address", self.name),
                }
            }
            Err(error) => log::warn!("masquerade address {}: {error}", self.name),
        }
        let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.words[LOOKED_UP].store(now.max(1), Ordering::Release);
        self.looking.store(false, Ordering::Release);
    }

    /// Whether that has been done within this time, by whatever process.
    fn was_looked_up(&self, within: Duration) -> bool {
        match self.words[LOOKED_UP].load(Ordering::Acquire) {
            0 => false,
            time => self.made.elapsed() < Duration::from_millis(time) + within,
        }
    }

    fn learn(&self, address: Ipv4Addr) {
        if self.address() != Some(address) {
            log::info!("masquerade (NAT) address {} is {address}", self.name);
        }
        let known = (1 << 32) | u64::from(address.to_bits());
        self.words[ADDRESS].store(known, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_an_address_or_a_name() {
        let known = Ipv4Addr::new(203, 0, 113, 5);
        assert_eq!(MasqueradeAddress::from("203.0.113.5"), known.into());
        assert_eq!(MasqueradeAddress::from(""), MasqueradeAddress::None);
        assert!(MasqueradeAddress::from("ftp.example.org").check().is_ok());
        for wrong in ["203.0.113", "a b", "é.example"] {
            assert!(MasqueradeAddress::from(wrong).check().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_looked_up() {
        let pool = ftpdlib_ioloop::Pool::new();
        let host = HostName::new("localhost".into(), pool.lane(1)).unwrap();
        assert_eq!(host.address(), None);
        host.look_up();
        assert!(pool.shutdown(Duration::from_secs(60)));
        assert_eq!(host.address(), Some(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn nobody_waits_for_a_name_that_is_known_or_was_just_asked_for() {
        let pool = ftpdlib_ioloop::Pool::new();
        let host = |name: &str| HostName::new(name.into(), pool.lane(1)).unwrap();
        let (known, unknown) = (host("localhost"), host("a..b"));
        for host in [&known, &unknown] {
            assert!(!host.was_looked_up(RETRY));
            host.find();
            assert!(host.was_looked_up(RETRY));
        }
        assert_eq!(known.address(), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(unknown.address(), None);
    }
}
