//! The address told in replies to `PASV`.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
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

impl From<String> for MasqueradeAddress {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

/// One of IPv6 is refused when the settings are checked: `PASV` has no form for it.
impl From<IpAddr> for MasqueradeAddress {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Address(address),
            IpAddr::V6(address) => Self::Name(address.to_string()),
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
    /// Whether an address may be that of one host, and whether a name has the form of one. A
    /// mistyped IPv4 address has not: no name server is to be asked for it.
    pub fn is_plausible(&self) -> bool {
        let name = match self {
            Self::None => return true,
            Self::Address(address) => {
                return !(address.is_unspecified()
                    || address.is_multicast()
                    || address.is_broadcast());
            }
            Self::Name(name) => name,
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        name.len() <= 253 && name.bytes().all(known) && !name.bytes().all(is_number)
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.is_plausible() {
            return Ok(());
        }
        let reason = format!("{self} is neither the IPv4 address of a host nor a name of one");
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
/// has no thread to ask with.
pub(crate) struct HostName {
    name: String,
    words: SharedWords,
    made: Instant,
    looking: AtomicBool,
    lane: Lane,
}

/// The lower half is the address; a bit above it says whether there is one.
const ADDRESS: usize = 0;

/// When the next look-up may begin, in milliseconds since the name was made. Whoever begins one
/// first moves this into the future, so that no other process begins one too.
const NEXT: usize = 1;

/// An address that was found is not looked up again for this long: another process has just done
/// so.
const FRESH: Duration = Duration::from_secs(30);

/// How long other processes leave a look-up to the one that began it, where an address is known.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same where none is known: that process may have ended, and until another finds the address,
/// clients are told one that they cannot reach.
const LITTLE_PATIENCE: Duration = Duration::from_secs(5);

/// Time between two look-ups of a name that has no address: a machine that starts may not have its
/// name server yet.
const RETRY: Duration = Duration::from_secs(15);

/// Time between two look-ups of a name whose address is known: that of a name server's shortest
/// usual answers.
const INTERVAL: Duration = Duration::from_secs(60);

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

    /// Looks the name up here and now, which may take long, unless an address is known, is being
    /// asked for, or has just been asked for in vain.
    pub(crate) fn find(&self) {
        if self.address().is_none() && self.claim() {
            self.resolve();
        }
    }

    /// After what time it is to be looked up again.
    pub(crate) fn interval(&self) -> Duration {
        self.address().map_or(RETRY, |_| INTERVAL)
    }

    /// Has a thread look the name up, unless one does already or has just done so.
    pub(crate) fn look_up(self: &Arc<Self>) {
        if self.looking.swap(true, Ordering::AcqRel) {
            return;
        }
        if !self.claim() {
            self.looking.store(false, Ordering::Release);
            return;
        }
        let host = Arc::clone(self);
        if let Err(error) = self.lane.submit(move || host.resolve()) {
            log::error!("no thread to look up {}: {error}", self.name);
            self.looking.store(false, Ordering::Release);
        }
    }

    fn resolve(&self) {
        let found = self.ask();
        if let Some(address) = found {
            self.learn(address);
        }
        // Sooner than the next one of this process, whose time counts from the beginning of this.
        let next = self.now() + millis(found.map_or(LITTLE_PATIENCE, |_| FRESH));
        self.words[NEXT].store(next, Ordering::Release);
        self.looking.store(false, Ordering::Release);
    }

    fn ask(&self) -> Option<Ipv4Addr> {
        let addresses = (self.name.as_str(), 0)
            .to_socket_addrs()
            .inspect_err(|error| log::warn!("masquerade address {}: {error}", self.name))
            .ok()?;
        let v4 = addresses.filter_map(|address| match address {
            SocketAddr::V4(address) => Some(*address.ip()),
            SocketAddr::V6(_) => None,
        });
        let found: Vec<_> = v4.collect();
        if found.is_empty() {
            log::warn!("masquerade address {}: no IPv4 address", self.name);
        }
        // The order changes from answer to answer; the address need not.
        let same = self.address().filter(|known| found.contains(known));
        same.or_else(|| found.first().copied())
    }

    /// Whether this process is to look the name up now. One at a time is enough: the name server
    /// may not answer, and not all are to wait for it.
    fn claim(&self) -> bool {
        let word = &self.words[NEXT];
        let (next, now) = (word.load(Ordering::Acquire), self.now());
        let patience = self.address().map_or(LITTLE_PATIENCE, |_| PATIENCE);
        let until = now + millis(patience);
        next <= now
            && word
                .compare_exchange(next, until, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }

    fn now(&self) -> u64 {
        millis(self.made.elapsed())
    }

    fn learn(&self, address: Ipv4Addr) {
        if self.address() != Some(address) {
            log::info!("masquerade (NAT) address {} is {address}", self.name);
        }
        let known = (1 << 32) | u64::from(address.to_bits());
        self.words[ADDRESS].store(known, Ordering::Release);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_an_address_or_a_name() {
        let known = Ipv4Addr::new(203, 0, 113, 5);
        assert_eq!(MasqueradeAddress::from("203.0.113.5"), known.into());
        assert_eq!(
            MasqueradeAddress::from(String::from("203.0.113.5")),
            known.into()
        );
        assert_eq!(MasqueradeAddress::from(IpAddr::from(known)), known.into());
        let v6 = MasqueradeAddress::from(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
        assert!(v6.check().is_err());
        assert_eq!(MasqueradeAddress::from(""), MasqueradeAddress::None);
        assert!(MasqueradeAddress::from("ftp.example.org").check().is_ok());
        for wrong in [
            "203.0.113",
            "a b",
            "é.example",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
        ] {
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
            host.find();
            assert!(!host.claim());
        }
        assert_eq!(known.address(), Some(Ipv4Addr::LOCALHOST));
        assert_eq!(unknown.address(), None);
    }

    #[test]
    fn a_name_that_had_no_address_was_not_asked_for_again_for_a_minute() {
        let pool = ftpdlib_ioloop::Pool::new();
        let host = |name: &str| HostName::new(name.into(), pool.lane(1)).unwrap();
        let (known, unknown) = (host("localhost"), host("a..b"));
        for (host, time) in [(&known, FRESH), (&unknown, LITTLE_PATIENCE)] {
            let before = host.now();
            host.find();
            let next = host.words[NEXT].load(Ordering::Acquire);
            let expected = before + millis(time)..=host.now() + millis(time);
            assert!(expected.contains(&next), "{}", host.name);
            assert!(time < host.interval(), "{}", host.name);
        }
        assert_eq!((known.interval(), unknown.interval()), (INTERVAL, RETRY));
    }

    #[test]
    fn nobody_else_asked_for_a_minute_after_a_process_ended_that_had_begun_to() {
        let pool = ftpdlib_ioloop::Pool::new();
        let host = HostName::new("localhost".into(), pool.lane(1)).unwrap();
        let next = || host.words[NEXT].load(Ordering::Acquire);
        // As another process does whose answer never comes.
        let before = host.now();
        assert!(host.claim());
        let expected = before + millis(LITTLE_PATIENCE)..=host.now() + millis(LITTLE_PATIENCE);
        assert!(expected.contains(&next()));
        // An address that is known holds meanwhile.
        host.learn(Ipv4Addr::LOCALHOST);
        host.words[NEXT].store(0, Ordering::Release);
        let before = host.now();
        assert!(host.claim());
        assert!(next() >= before + millis(PATIENCE));
    }

    #[test]
    fn every_client_waited_for_a_name_server_that_did_not_answer() {
        let pool = ftpdlib_ioloop::Pool::new();
        let host = HostName::new("localhost".into(), pool.lane(1)).unwrap();
        // As another process does whose answer has still to come.
        assert!(host.claim());
        host.find();
        host.look_up();
        assert!(pool.shutdown(Duration::from_secs(60)));
        assert_eq!(host.address(), None);
    }
}
