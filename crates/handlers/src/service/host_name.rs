//! A host name whose address is looked up while the server runs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::Lane;
use ftpdlib_sys::SharedWords;

use super::one_at_a_time::OneAtATime;

/// A host name and its address, looked up from time to time.
///
/// All processes of a server share what one of them finds, including those that are forked later: a
/// parent process has no thread for look-ups.
pub(crate) struct HostName {
    name: String,
    words: SharedWords,
    made: Instant,
    looking: OneAtATime,
    lane: Lane,
}

/// The lower half is the address; a bit above it says whether it is known.
const ADDRESS: usize = 0;

/// When the next look-up may begin, in milliseconds since this was created. A process that begins a
/// look-up first moves this into the future, so that no other process begins one.
const NEXT: usize = 1;

/// How long a found address is not looked up again: another process has just done so.
const FRESH: Duration = Duration::from_secs(30);

/// How long other processes leave a look-up to the one that has begun it, if an address is known.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same if no address is known: the process may have ended, and until another one finds the
/// address, clients are told one that they cannot reach.
const LITTLE_PATIENCE: Duration = Duration::from_secs(5);

/// The time between two look-ups of a name without an address: a machine that starts may not reach
/// its name server yet.
const RETRY: Duration = Duration::from_secs(15);

/// The time between two look-ups of a name whose address is known: the shortest usual lifetime of
/// DNS records.
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
            looking: OneAtATime::default(),
            lane,
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The latest address.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        let known = self.words[ADDRESS].load(Ordering::Acquire);
        (known > u64::from(u32::MAX)).then(|| Ipv4Addr::from_bits(known as u32))
    }

    /// Looks up the name at once, which may take long, unless an address is known, is being looked
    /// up, or has just been looked up in vain.
    pub(crate) fn find(&self) {
        if self.address().is_none() && self.claim() {
            self.resolve();
        }
    }

    /// After what time to look up the name again.
    pub(crate) fn interval(&self) -> Duration {
        self.address().map_or(RETRY, |_| INTERVAL)
    }

    /// Has a thread look up the name, unless one does already or has just done so.
    pub(crate) fn look_up(self: &Arc<Self>) {
        let Some(turn) = self.looking.begin() else {
            return;
        };
        if !self.claim() {
            return;
        }
        let host = Arc::clone(self);
        let resolve = move || {
            let _turn = turn;
            host.resolve();
        };
        if let Err(error) = self.lane.submit(resolve) {
            log::error!("no thread to look up {}: {error}", self.name);
        }
    }

    fn resolve(&self) {
        let found = self.ask();
        if let Some(address) = found {
            self.learn(address);
        }
        // Sooner than this process's next look-up, whose time counts from the beginning of this
        // one.
        let next = self.now() + millis(found.map_or(LITTLE_PATIENCE, |_| FRESH));
        self.words[NEXT].store(next, Ordering::Release);
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
        // The order of addresses changes from answer to answer; the choice should not.
        let same = self.address().filter(|known| found.contains(known));
        same.or_else(|| found.first().copied())
    }

    /// Whether this process should look up the name now. Only one does at a time: if the name
    /// server does not answer, the others need not wait for it.
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
    fn names_are_looked_up() {
        let pool = ftpdlib_ioloop::Pool::new();
        let host = HostName::new("localhost".into(), pool.lane("test", 1)).unwrap();
        assert_eq!(host.address(), None);
        host.look_up();
        assert!(pool.shutdown(Duration::from_secs(60)));
        assert_eq!(host.address(), Some(Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn nobody_waits_for_a_name_that_is_known_or_was_just_asked_for() {
        let pool = ftpdlib_ioloop::Pool::new();
        let host = |name: &str| HostName::new(name.into(), pool.lane("test", 1)).unwrap();
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
        let host = |name: &str| HostName::new(name.into(), pool.lane("test", 1)).unwrap();
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
        let host = HostName::new("localhost".into(), pool.lane("test", 1)).unwrap();
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
        let host = HostName::new("localhost".into(), pool.lane("test", 1)).unwrap();
        // As another process does whose answer has still to come.
        assert!(host.claim());
        host.find();
        host.look_up();
        assert!(pool.shutdown(Duration::from_secs(60)));
        assert_eq!(host.address(), None);
    }
}
