//! Which listeners to bind for a list of addresses: `[::]` also accepts the clients of `0.0.0.0`,
//! and the system does not give the same port to both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address that is bound, or to be bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BindAddress {
    pub(crate) address: SocketAddr,
    /// For `[::]`: whether another listener accepts its IPv4 clients.
    pub(crate) only_v6: bool,
}

/// Where a listener is bound.
#[derive(Clone, Copy)]
pub(super) struct BoundTo {
    /// The address that this process requested, or the one that passed the listener on; `None` if a
    /// bound socket was given.
    pub(super) requested: Option<SocketAddr>,
    /// The actual address. It differs from the requested one if the system chose the port.
    pub(super) address: SocketAddr,
    pub(super) only_v6: bool,
}

impl BoundTo {
    /// What the listener was bound for.
    pub(super) fn bind_address(self) -> BindAddress {
        BindAddress {
            address: self.requested.unwrap_or(self.address),
            only_v6: self.only_v6,
        }
    }

    /// What is present of the wanted `addresses` with this listener: its actual address, or the
    /// requested one if only that is among them.
    pub(super) fn present_for(self, addresses: &[SocketAddr]) -> BindAddress {
        let is_wanted = serves_any(self.address, addresses);
        let requested = self.requested.filter(|_| !is_wanted);
        Self { requested, ..self }.bind_address()
    }

    /// Whether the listener stays if `addresses` are wanted: because of its requested or its actual
    /// address. Sockets that were given always stay.
    pub(super) fn stays(self, addresses: &[SocketAddr]) -> bool {
        self.requested.is_none_or(|requested| {
            serves_any(requested, addresses) || serves_any(self.address, addresses)
        })
    }
}

/// Returns what has to be bound for a server to listen on `wanted` if it already listens on
/// `present`.
///
/// If `0.0.0.0` has the same port, in whichever order they are listed, `[::]` is bound for IPv6
/// alone. If a listener on `[::]` already accepts IPv4 clients, `0.0.0.0` need not be bound.
pub(super) fn missing(wanted: &[SocketAddr], present: &[BindAddress]) -> Vec<BindAddress> {
    let is_present = |address| present.iter().any(|bind| bind.address == address);
    let is_missing = |address: SocketAddr| {
        let for_all = other_family(address)
            .filter(|_| address.is_ipv4())
            .map(|v6| BindAddress {
                address: v6,
                only_v6: false,
            });
        !is_present(address) && for_all.is_none_or(|bind| !present.contains(&bind))
    };
    let is_taken = |v4| wanted.contains(&v4) || is_present(v4);
    let bind = |address| BindAddress {
        address,
        only_v6: is_only_v6(address, is_taken),
    };
    let mut missing: Vec<SocketAddr> = Vec::new();
    for &address in wanted {
        // With port 0, each gets a port of its own.
        let is_listed_twice = address.port() != 0 && missing.contains(&address);
        if is_missing(address) && !is_listed_twice {
            missing.push(address);
        }
    }
    missing.into_iter().map(bind).collect()
}

/// Whether `address` has to be bound for IPv6 only: it is `[::]`, and another listener has
/// `0.0.0.0` with its port, according to `is_taken`.
pub(crate) fn is_only_v6(address: SocketAddr, is_taken: impl FnOnce(SocketAddr) -> bool) -> bool {
    address.is_ipv6() && other_family(address).is_some_and(is_taken)
}

/// Whether a listener on `address` serves one of the `wanted` addresses. A listener on `0.0.0.0`
/// does so if `[::]` is wanted: it accepts the IPv4 clients, so it need not be replaced.
fn serves_any(address: SocketAddr, wanted: &[SocketAddr]) -> bool {
    let v6 = other_family(address).filter(|_| address.is_ipv4());
    wanted.contains(&address) || v6.is_some_and(|v6| wanted.contains(&v6))
}

/// The unspecified address of the other family with the same port, if `address` is unspecified.
/// With port 0 there is none, since each family gets a port of its own.
fn other_family(address: SocketAddr) -> Option<SocketAddr> {
    let other = match address.ip() {
        ip if !ip.is_unspecified() || address.port() == 0 => return None,
        IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED.into(),
    };
    Some(SocketAddr::new(other, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which of the addresses are bound. A `!` marks an address for IPv6 only.
    #[track_caller]
    fn check(wanted: &str, present: &str, bound: &str) {
        let bind = |text: &str| BindAddress {
            address: text.trim_end_matches('!').parse().unwrap(),
            only_v6: text.ends_with('!'),
        };
        let binds = |texts: &str| texts.split_whitespace().map(bind).collect::<Vec<_>>();
        let wanted: Vec<_> = wanted
            .split_whitespace()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(missing(&wanted, &binds(present)), binds(bound));
    }

    #[test]
    fn all_of_ipv6_beside_all_of_ipv4_could_not_be_bound() {
        check("0.0.0.0:1 [::]:1", "", "0.0.0.0:1 [::]:1!");
        check("[::]:1 0.0.0.0:1", "", "[::]:1! 0.0.0.0:1");
        check("[::]:1", "", "[::]:1");
        check("[::]:1 0.0.0.0:2", "", "[::]:1 0.0.0.0:2");
        check("[::]:1 127.0.0.1:1", "", "[::]:1 127.0.0.1:1");
        check("[::]:0 0.0.0.0:0", "", "[::]:0 0.0.0.0:0");
    }

    #[test]
    fn a_reload_binds_what_no_listener_has() {
        check("0.0.0.0:1 [::]:1", "0.0.0.0:1", "[::]:1!");
        check("[::]:1", "0.0.0.0:1", "[::]:1!");
        check("0.0.0.0:1 [::]:1", "[::]:1", "");
        check("[::]:1", "0.0.0.0:1 [::]:1!", "");
        check("0.0.0.0:1", "[::]:1!", "0.0.0.0:1");
        check("0.0.0.0:1", "0.0.0.0:1 [::]:1!", "");
        check("0.0.0.0:1 [::]:2", "[::]:2", "0.0.0.0:1");
        check("[::]:0", "0.0.0.0:0", "[::]:0");
    }

    #[test]
    fn an_address_that_was_listed_twice_was_said_to_be_in_use() {
        check("127.0.0.1:1 127.0.0.1:1", "", "127.0.0.1:1");
        check("127.0.0.1:0 127.0.0.1:0", "", "127.0.0.1:0 127.0.0.1:0");
    }

    #[test]
    fn a_listener_stays_while_its_clients_are_wanted() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (one, wanted, stays) in [
            ("0.0.0.0:1", "0.0.0.0:1", true),
            ("0.0.0.0:1", "[::]:1", true),
            ("[::]:1", "0.0.0.0:1", false),
            ("0.0.0.0:1", "[::]:2", false),
            ("127.0.0.1:1", "[::]:1", false),
            ("0.0.0.0:0", "[::]:0", false),
        ] {
            let wanted = [address(wanted)];
            assert_eq!(serves_any(address(one), &wanted), stays, "{one} {wanted:?}");
        }
    }
}
