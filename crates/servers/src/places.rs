//! Which listeners a list of addresses needs: `[::]` takes in the clients of `0.0.0.0` too, and the
//! system gives no port to both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address to bind, or bound.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// If it is `[::]`, whether clients over IPv4 are another listener's.
    pub(crate) only_v6: bool,
}

/// What has to be bound so that a server listens on `wanted`, where it does on `present` already.
///
/// `[::]` beside `0.0.0.0` with its port is for IPv6 alone, in whatever order they come. Where `[::]`
/// takes in all clients since before, `0.0.0.0` is bound already, as it were.
pub(crate) fn missing(wanted: &[SocketAddr], present: &[Place]) -> Vec<Place> {
    let is_present = |address| present.iter().any(|place| place.address == address);
    let is_missing = |address: SocketAddr| {
        let for_all = other_family(address)
            .filter(|_| address.is_ipv4())
            .map(|v6| Place {
                address: v6,
                only_v6: false,
            });
        !is_present(address) && for_all.is_none_or(|place| !present.contains(&place))
    };
    let is_taken = |v4| wanted.contains(&v4) || is_present(v4);
    let place = |address| Place {
        address,
        only_v6: is_only_v6(address, is_taken),
    };
    let missing = wanted
        .iter()
        .copied()
        .filter(|&address| is_missing(address));
    missing.map(place).collect()
}

/// Whether `address` has to be bound for IPv6 alone: it is `[::]`, and `0.0.0.0` with its port is
/// another listener's, as `is_taken` says.
pub(crate) fn is_only_v6(address: SocketAddr, is_taken: impl FnOnce(SocketAddr) -> bool) -> bool {
    address.is_ipv6() && other_family(address).is_some_and(is_taken)
}

/// Whether a listener on `address` is of use where `wanted` are: also one on `0.0.0.0` where `[::]` is
/// wanted. It takes in the clients over IPv4, and need not make room for one that does so too.
pub(crate) fn is_of_use(address: SocketAddr, wanted: &[SocketAddr]) -> bool {
    let v6 = other_family(address).filter(|_| address.is_ipv4());
    wanted.contains(&address) || v6.is_some_and(|v6| wanted.contains(&v6))
}

/// All addresses of the other family, if this is all of one. With port 0 each has a port of its own.
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

    /// What is wanted and present, and what is to be bound. A `!` marks what is for IPv6 alone.
    #[track_caller]
    fn check(wanted: &str, present: &str, bound: &str) {
        let place = |text: &str| Place {
            address: text.trim_end_matches('!').parse().unwrap(),
            only_v6: text.ends_with('!'),
        };
        let places = |texts: &str| texts.split_whitespace().map(place).collect::<Vec<_>>();
        let wanted: Vec<_> = wanted
            .split_whitespace()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(missing(&wanted, &places(present)), places(bound));
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
            assert_eq!(is_of_use(address(one), &wanted), stays, "{one} {wanted:?}");
        }
    }
}
