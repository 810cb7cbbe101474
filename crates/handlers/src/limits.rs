//! Limits on connections, shared by all sessions of a server.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts control and data connections against `max_cons` and `max_cons_per_ip`.
#[derive(Debug, Default)]
pub struct Limits {
    max_cons: AtomicUsize,
    max_cons_per_ip: AtomicUsize,
    total: AtomicUsize,
    per_ip: Mutex<HashMap<IpAddr, usize>>,
}

/// Which limit refused a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LimitReached {
    /// `max_cons`.
    Total,
    /// `max_cons_per_ip`.
    PerIp,
}

impl LimitReached {
    /// What the client is told, without the reply code.
    pub fn text(self) -> &'static str {
        match self {
            Self::Total => "Too many connections. Service temporarily unavailable.",
            Self::PerIp => "Too many connections from the same IP address.",
        }
    }
}

/// A connection that counts as long as this value lives.
#[derive(Debug)]
pub struct Permit {
    limits: Arc<Limits>,
    ip: IpAddr,
}

impl Limits {
    /// Limits with 0 for none.
    pub fn new(max_cons: usize, max_cons_per_ip: usize) -> Self {
        let limits = Self::default();
        limits.set(max_cons, max_cons_per_ip);
        limits
    }

    /// Changes the limits; connections over a new one stay.
    pub fn set(&self, max_cons: usize, max_cons_per_ip: usize) {
        self.max_cons.store(max_cons, Ordering::Relaxed);
        self.max_cons_per_ip
            .store(max_cons_per_ip, Ordering::Relaxed);
    }

    /// Counts one more connection of `ip` (canonical: an IPv4-mapped address as IPv4).
    ///
    /// # Errors
    ///
    /// The limit that is reached; nothing is counted then.
    pub fn acquire(self: &Arc<Self>, ip: IpAddr) -> Result<Permit, LimitReached> {
        let max_cons = self.max_cons.load(Ordering::Relaxed);
        let max_cons_per_ip = self.max_cons_per_ip.load(Ordering::Relaxed);
        let mut per_ip = self.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
        if max_cons != 0 && self.count() >= max_cons {
            return Err(LimitReached::Total);
        }
        let of_ip = per_ip.entry(ip).or_insert(0);
        if max_cons_per_ip != 0 && *of_ip >= max_cons_per_ip {
            return Err(LimitReached::PerIp);
        }
        *of_ip += 1;
        self.total.fetch_add(1, Ordering::Relaxed);
        Ok(Permit {
            limits: Arc::clone(self),
            ip,
        })
    }

    /// Connections counted now.
    pub fn count(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut per_ip = self
            .limits
            .per_ip
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(of_ip) = per_ip.get_mut(&self.ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                per_ip.remove(&self.ip);
            }
        }
        self.limits.total.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn the_total_is_kept() {
        let limits = Arc::new(Limits::new(2, 0));
        let first = limits.acquire(A).unwrap();
        let _second = limits.acquire(B).unwrap();
        assert_eq!(limits.acquire(A).unwrap_err(), LimitReached::Total);
        drop(first);
        assert!(limits.acquire(A).is_ok());
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let limits = Arc::new(Limits::new(0, 1));
        let first = limits.acquire(A).unwrap();
        assert_eq!(limits.acquire(A).unwrap_err(), LimitReached::PerIp);
        assert!(limits.acquire(B).is_ok());
        drop(first);
        assert_eq!(limits.count(), 0);
        assert!(limits.acquire(A).is_ok());
    }
}
