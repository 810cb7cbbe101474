//! Which ports passive data connections listen on.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

/// The ports of the `passive_ports` setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PassivePorts {
    /// Any ephemeral port. The kernel chooses one only if the first few guesses are taken: it skips
    /// ports whose last connection ended less than a minute ago, so after some thousand small files
    /// in a minute its search takes longer than a transfer.
    Any,
    /// These ports, without duplicates.
    Listed(Box<[u16]>),
}

impl PassivePorts {
    pub(crate) fn of(ports: impl IntoIterator<Item = u16>) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().filter(|&port| port != 0).collect();
        ports.sort_unstable();
        ports.dedup();
        Self::Listed(ports.into_boxed_slice())
    }

    /// The ports to try, in an unpredictable order. Port 0 lets the kernel choose.
    pub(crate) fn in_random_order(&self) -> impl Iterator<Item = u16> + '_ {
        let (ports, guesses): (&[u16], _) = match self {
            Self::Any => (&[0], guesses()),
            Self::Listed(ports) => (ports, [None; GUESSES]),
        };
        let guesses = guesses.into_iter().flatten();
        guesses.chain(Self::each_once(ports))
    }

    fn each_once(ports: &[u16]) -> impl Iterator<Item = u16> + '_ {
        let count = ports.len().max(1);
        // A single port needs no order.
        let random = match count {
            1 => 0,
            _ => ftpdlib_sys::random_number() as usize,
        };
        // A step that shares no divisor with the count visits every index exactly once.
        let step = (random % count..)
            .find(|&step| gcd(step, count) == 1)
            .unwrap_or(1);
        let first = (random >> 32) % count;
        (0..ports.len()).map(move |turn| ports[(first + turn * step) % count])
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Listed(ports) if ports.is_empty())
    }
}

/// How many ports are guessed before the kernel chooses one.
const GUESSES: usize = 4;

/// Some ephemeral ports; none if their range is unknown.
fn guesses() -> [Option<u16>; GUESSES] {
    static RANGE: OnceLock<Option<RangeInclusive<u16>>> = OnceLock::new();
    let Some(range) = RANGE.get_or_init(ftpdlib_sys::ephemeral_ports) else {
        return [None; GUESSES];
    };
    let count = u64::from(range.end() - range.start()) + 1;
    let random = ftpdlib_sys::random_number();
    std::array::from_fn(|turn| {
        let offset = (random >> (16 * turn)) % 65_536 * count / 65_536;
        u16::try_from(u64::from(*range.start()) + offset).ok()
    })
}

/// Shows the ports as pyftpdlib's start line does: `60000->65535`.
impl fmt::Display for PassivePorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(ports) => match (ports.first(), ports.last()) {
                (Some(first), Some(last)) => write!(f, "{first}->{last}"),
                _ => f.write_str("none"),
            },
            Self::Any => f.write_str("none"),
        }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_tried_exactly_once() {
        for count in [1_u16, 2, 3, 10, 97, 100] {
            let ports = PassivePorts::of(40_000..40_000 + count);
            let mut tried: Vec<u16> = ports.in_random_order().collect();
            tried.sort_unstable();
            assert_eq!(tried, (40_000..40_000 + count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn duplicates_and_port_zero_are_dropped() {
        assert_eq!(
            PassivePorts::of([7, 0, 7]),
            PassivePorts::Listed(Box::new([7]))
        );
        assert!(PassivePorts::of([0]).is_empty());
    }

    #[test]
    fn the_kernel_is_asked_last_without_a_list() {
        let tried: Vec<u16> = PassivePorts::Any.in_random_order().collect();
        assert_eq!(
            tried.iter().position(|&port| port == 0),
            Some(tried.len() - 1)
        );
        if let Some(range) = ftpdlib_sys::ephemeral_ports() {
            let guesses = &tried[..GUESSES];
            assert!(guesses.iter().all(|port| range.contains(port)), "{tried:?}");
        }
    }
}
