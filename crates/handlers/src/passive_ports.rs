//! Which ports passive data connections listen on.

use std::fmt;

/// The ports of the `passive_ports` setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PassivePorts {
    /// The kernel chooses.
    Any,
    /// These, without duplicates.
    Listed(Box<[u16]>),
}

impl PassivePorts {
    pub(crate) fn of(ports: impl IntoIterator<Item = u16>) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().filter(|&port| port != 0).collect();
        ports.sort_unstable();
        ports.dedup();
        Self::Listed(ports.into_boxed_slice())
    }

    /// The ports to try, each once, in an order that an observer cannot foretell; port 0 asks the
    /// kernel.
    pub(crate) fn in_random_order(&self) -> impl Iterator<Item = u16> + '_ {
        let ports: &[u16] = match self {
            Self::Any => &[0],
            Self::Listed(ports) => ports,
        };
        let count = ports.len().max(1);
        let random = ftpdlib_sys::random_number() as usize;
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

/// As pyftpdlib's start line has them: `60000->65535`.
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
    fn the_kernel_is_asked_once_without_a_list() {
        assert_eq!(PassivePorts::Any.in_random_order().collect::<Vec<_>>(), [0]);
    }
}
