//! Limits on connections, shared by all sessions of a server.

mod listener_share;
mod shared_counts;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use thiserror::Error;

pub use listener_share::ListenerShare;
use shared_counts::SharedCounts;

/// Counts control and data connections against `max_cons` and `max_cons_per_ip`: those of this
/// process, or of several processes if they are [shared](Self::share).
#[derive(Debug, Default)]
pub struct Limits {
    local: LocalCounts,
    shared: OnceLock<SharedCounts>,
}

/// The limit that has refused a connection.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("{}", self.text())]
#[non_exhaustive]
pub enum LimitReached {
    /// `max_cons`.
    Total,
    /// `max_cons_per_ip`.
    PerIp,
}

impl LimitReached {
    /// The text for the client, without the reply code; the error shows it too.
    pub fn text(self) -> &'static str {
        match self {
            Self::Total => "Too many connections. Service temporarily unavailable.",
            Self::PerIp => "Too many connections from the same IP address.",
        }
    }
}

/// Counts a connection until it is dropped.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    /// `None` while the client is not known.
    ip: Option<IpAddr>,
    /// Another process counts the connection on.
    handed_over: bool,
}

impl Permit {
    /// Counts the connection, which was [acquired without an address](Limits::acquire_unnamed), for
    /// `ip` from now on.
    ///
    /// # Errors
    ///
    /// The limit that is reached. The connection is not counted any more then.
    pub fn name(mut self, ip: IpAddr) -> Result<Self, LimitReached> {
        match self.limits.shared.get() {
            None => self.limits.local.rename(self.ip, ip)?,
            Some(shared) => shared.rename(self.ip, ip)?,
        }
        self.ip = Some(ip);
        Ok(self)
    }

    /// Leaves the connection to the child process in whose table it was counted: it counts there
    /// until that process gives it up.
    pub fn hand_over(mut self) {
        // The child has a copy, which it drops; to count it out here would take the connection out
        // of the child's table.
        self.handed_over = true;
    }
}

impl Limits {
    /// Creates limits for the connections of this process; 0 for no limit.
    pub fn new(max_cons: usize, max_cons_per_ip: usize) -> Self {
        let limits = Self::default();
        limits.set(max_cons, max_cons_per_ip);
        limits
    }

    /// Applies the limits to this process and the children that it forks afterwards, taken
    /// together. Must be called before the first connection; later calls do nothing.
    ///
    /// Each process counts in a table of its own, [entered](Self::enter) before its first
    /// connection: one of `tables`, each with room for connections of `addresses` different
    /// addresses. The table of a dead child must be [cleared](Self::clear).
    ///
    /// # Errors
    ///
    /// There is no memory to share, or no lock for several processes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::{IpAddr, Ipv4Addr};
    /// use std::sync::Arc;
    ///
    /// use ftpdlib_handlers::Limits;
    ///
    /// let limits = Arc::new(Limits::new(100, 0));
    /// limits.share(4, 100)?;
    /// limits.enter(3);
    /// let permit = limits.acquire(IpAddr::V4(Ipv4Addr::LOCALHOST));
    /// assert_eq!(limits.count(), 1);
    /// # std::mem::drop(permit);
    /// # assert_eq!(limits.count(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn share(&self, tables: usize, addresses: usize) -> io::Result<()> {
        if self.shared.get().is_some() {
            return Ok(());
        }
        let shared = SharedCounts::new(tables, addresses)?;
        let (max_cons, max_cons_per_ip) = self.local.limits();
        shared.set(max_cons, max_cons_per_ip);
        // Another thread may have been first.
        let _ = self.shared.set(shared);
        Ok(())
    }

    /// Changes the limits. Connections above a new limit stay.
    pub fn set(&self, max_cons: usize, max_cons_per_ip: usize) {
        match self.shared.get() {
            None => self.local.set(max_cons, max_cons_per_ip),
            Some(shared) => shared.set(max_cons, max_cons_per_ip),
        }
    }

    /// Counts another connection of `ip`, which must be canonical: an IPv4-mapped address as IPv4.
    ///
    /// # Errors
    ///
    /// The limit that is reached. Nothing is counted then.
    pub fn acquire(self: &Arc<Self>, ip: IpAddr) -> Result<Permit, LimitReached> {
        self.acquire_for(Some(ip))
    }

    /// Counts another connection whose client is not known yet: towards `max_cons` only, until it
    /// is [named](Permit::name).
    ///
    /// # Errors
    ///
    /// The limit that is reached. Nothing is counted then.
    pub fn acquire_unnamed(self: &Arc<Self>) -> Result<Permit, LimitReached> {
        self.acquire_for(None)
    }

    fn acquire_for(self: &Arc<Self>, ip: Option<IpAddr>) -> Result<Permit, LimitReached> {
        match self.shared.get() {
            None => self.local.acquire(ip)?,
            Some(shared) => shared.acquire(ip)?,
        }
        Ok(Permit {
            limits: Arc::clone(self),
            ip,
            handed_over: false,
        })
    }

    /// Makes this process count in `table` from now on, if the limits are shared.
    ///
    /// A table belongs to one process at a time.
    pub fn enter(&self, table: usize) {
        if let Some(shared) = self.shared.get() {
            shared.enter(table);
        }
    }

    /// Clears `table`, whose process is dead.
    pub fn clear(&self, table: usize) {
        if let Some(shared) = self.shared.get() {
            shared.clear(table);
        }
    }

    /// Notes that this process accepts the clients of a listener together with others, until the
    /// returned value is dropped. `None` if the limits are not shared, so that there are no others.
    pub fn share_listener(self: &Arc<Self>) -> Option<ListenerShare> {
        self.shared.get()?.add_listener();
        Some(ListenerShare::new(Arc::clone(self)))
    }

    /// How many connections are counted, in all processes.
    pub fn count(&self) -> usize {
        match self.shared.get() {
            None => self.local.count(),
            Some(shared) => shared.count(),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.handed_over {
            return;
        }
        match self.limits.shared.get() {
            None => self.limits.local.release(self.ip),
            Some(shared) => shared.release(self.ip),
        }
    }
}

/// The counts of one process.
#[derive(Debug, Default)]
struct LocalCounts {
    max_cons: AtomicUsize,
    max_cons_per_ip: AtomicUsize,
    total: AtomicUsize,
    /// `None` for clients that are not known yet.
    per_ip: Mutex<HashMap<Option<IpAddr>, usize>>,
}

impl LocalCounts {
    fn set(&self, max_cons: usize, max_cons_per_ip: usize) {
        self.max_cons.store(max_cons, Ordering::Relaxed);
        self.max_cons_per_ip
            .store(max_cons_per_ip, Ordering::Relaxed);
    }

    fn limits(&self) -> (usize, usize) {
        (
            self.max_cons.load(Ordering::Relaxed),
            self.max_cons_per_ip.load(Ordering::Relaxed),
        )
    }

    fn per_ip(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, usize>> {
        self.per_ip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire(&self, ip: Option<IpAddr>) -> Result<(), LimitReached> {
        let (max_cons, max_cons_per_ip) = self.limits();
        let mut per_ip = self.per_ip();
        if max_cons != 0 && self.count() >= max_cons {
            return Err(LimitReached::Total);
        }
        add(&mut per_ip, ip, max_cons_per_ip)?;
        self.total.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Counts a connection of `from` as one of `to`.
    fn rename(&self, from: Option<IpAddr>, to: IpAddr) -> Result<(), LimitReached> {
        let (_, max_cons_per_ip) = self.limits();
        let mut per_ip = self.per_ip();
        add(&mut per_ip, Some(to), max_cons_per_ip)?;
        subtract(&mut per_ip, from);
        Ok(())
    }

    fn release(&self, ip: Option<IpAddr>) {
        let mut per_ip = self.per_ip();
        subtract(&mut per_ip, ip);
        self.total.fetch_sub(1, Ordering::Relaxed);
    }

    fn count(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

/// Counts another connection of `ip`, unless it has `most` already.
fn add(
    per_ip: &mut HashMap<Option<IpAddr>, usize>,
    ip: Option<IpAddr>,
    most: usize,
) -> Result<(), LimitReached> {
    let of_ip = per_ip.entry(ip).or_insert(0);
    if most != 0 && ip.is_some() && *of_ip >= most {
        return Err(LimitReached::PerIp);
    }
    *of_ip += 1;
    Ok(())
}

/// Gives back one connection of `ip`.
fn subtract(per_ip: &mut HashMap<Option<IpAddr>, usize>, ip: Option<IpAddr>) {
    if let Some(of_ip) = per_ip.get_mut(&ip) {
        *of_ip -= 1;
        if *of_ip == 0 {
            per_ip.remove(&ip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    /// Limits of each kind: local and shared.
    fn both(max_cons: usize, max_cons_per_ip: usize) -> [Arc<Limits>; 2] {
        let [local, shared] = [(); 2].map(|()| Limits::new(max_cons, max_cons_per_ip));
        shared.share(3, 8).unwrap();
        shared.enter(1);
        [local, shared].map(Arc::new)
    }

    #[test]
    fn the_total_is_kept() {
        for limits in both(2, 0) {
            let first = limits.acquire(A).unwrap();
            let _second = limits.acquire(B).unwrap();
            assert_eq!(limits.acquire(A).unwrap_err(), LimitReached::Total);
            drop(first);
            assert!(limits.acquire(A).is_ok());
        }
    }

    #[test]
    fn a_limit_that_was_reached_was_no_error_that_could_be_told() {
        for reached in [LimitReached::Total, LimitReached::PerIp] {
            let error: Box<dyn std::error::Error> = reached.into();
            assert_eq!(error.to_string(), reached.text());
        }
    }

    #[test]
    fn limits_of_servers_that_were_gone_were_kept_for_connections_of_children() {
        for limits in both(0, 0) {
            limits.acquire(A).unwrap().hand_over();
            // It counts on, and is all that is left of the permit.
            assert_eq!(limits.count(), 1);
            assert_eq!(Arc::strong_count(&limits), 1);
        }
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        for limits in both(0, 1) {
            let first = limits.acquire(A).unwrap();
            assert_eq!(limits.acquire(A).unwrap_err(), LimitReached::PerIp);
            assert!(limits.acquire(B).is_ok());
            drop(first);
            assert_eq!(limits.count(), 0);
            assert!(limits.acquire(A).is_ok());
        }
    }

    #[test]
    fn connections_that_nobody_knew_yet_counted_towards_no_limit() {
        for limits in both(3, 1) {
            let [first, second] = [(); 2].map(|()| limits.acquire_unnamed().unwrap());
            let _other = limits.acquire(A).unwrap();
            assert_eq!(limits.acquire_unnamed().unwrap_err(), LimitReached::Total);
            assert_eq!(first.name(A).unwrap_err(), LimitReached::PerIp);
            assert_eq!(limits.count(), 2);
            // Now that it has a name, all places may be taken.
            let _third = limits.acquire_unnamed().unwrap();
            let named = second.name(B).unwrap();
            assert_eq!(limits.count(), 3);
            drop(named);
            assert_eq!(limits.count(), 2);
            assert!(limits.acquire(B).is_ok());
        }
    }

    #[test]
    fn limits_change_for_the_next_connection() {
        for limits in both(1, 0) {
            let _first = limits.acquire(A).unwrap();
            limits.set(3, 2);
            let _second = limits.acquire(A).unwrap();
            assert_eq!(limits.acquire(A).unwrap_err(), LimitReached::PerIp);
            let _third = limits.acquire(B).unwrap();
            assert_eq!(limits.acquire(B).unwrap_err(), LimitReached::Total);
        }
    }
}
