//! Client churn: how fast clients connect and leave.

use std::time::{Duration, Instant};

/// How long to count clients before drawing a conclusion: five times the resolution of the system's
/// idle times.
const PERIOD: Duration = Duration::from_millis(50);

/// The idle time of all processors together, in percent of one processor's time, from which one of
/// them counts as idle.
const IDLE: u128 = 75;

/// The share if all clients are assumed to stay.
const ALL: (usize, usize) = (1, 1);

/// Measures the churn of clients on the accepting loop, and estimates how many of them will stay.
///
/// If no processor of the machine is idle, and the client leaves soon, passing it to another loop
/// costs more than it gains. Clients that stay should be spread over the loops, since what they
/// will do is unknown.
pub(crate) struct ClientChurn {
    since: Instant,
    /// Idle time of all processors at the beginning of the period, if known.
    idle: Option<Duration>,
    /// Clients at the beginning of the period.
    clients: usize,
    /// Clients accepted since then.
    accepted: usize,
    /// The share of clients assumed to stay: a denominator, never 0, and a numerator.
    stay: (usize, usize),
}

impl ClientChurn {
    /// Starts with no clients.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            since: now,
            idle: None,
            clients: 0,
            accepted: 0,
            stay: ALL,
        }
    }

    /// Returns how many of `clients` are assumed to stay for longer than a period. If the period is
    /// over, starts the next one, for which `idle` returns the processors' idle time so far.
    pub(crate) fn staying(
        &mut self,
        clients: usize,
        now: Instant,
        idle: impl FnOnce() -> Option<Duration>,
    ) -> usize {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= PERIOD {
            let seen = self.clients + self.accepted;
            let left = seen.saturating_sub(clients);
            let idle = idle();
            let is_known = seen > 0 && elapsed <= 2 * PERIOD;
            self.stay = if is_known && !has_idle_processor(self.idle, idle, elapsed) {
                (seen, seen - left)
            } else {
                ALL
            };
            (self.since, self.idle, self.clients, self.accepted) = (now, idle, clients, 0);
        }
        let (of, stay) = self.stay;
        clients * stay / of
    }

    /// Counts a client that stays with the accepting loop.
    pub(crate) const fn note_accepted(&mut self) {
        self.accepted += 1;
    }
}

/// Whether another loop would have a processor to itself, judging by the idle times before and
/// after `elapsed`. `true` if they are unknown.
fn has_idle_processor(
    before: Option<Duration>,
    after: Option<Duration>,
    elapsed: Duration,
) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return true;
    };
    after.saturating_sub(before).as_nanos() * 100 >= elapsed.as_nanos() * IDLE
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// The estimate after a period that begins with `clients`, in which some came and some left.
    fn staying(
        clients: usize,
        accepted: usize,
        left: usize,
        period: Duration,
        idle: Duration,
    ) -> usize {
        let start = Instant::now();
        let mut churn = ClientChurn::new(start);
        churn.staying(clients, start + PERIOD, || Some(ms(7)));
        for _ in 0..accepted {
            churn.note_accepted();
        }
        let now = start + PERIOD + period;
        churn.staying(clients + accepted - left, now, || Some(ms(7) + idle))
    }

    #[test]
    fn those_who_leave_do_not_count_where_no_processor_is_idle() {
        // Clients at the start, clients accepted, clients that left, the period, the processors'
        // idle time in it, and the clients assumed to stay.
        let rows = [
            (16, 400, 400, ms(50), ms(10), 0),
            (0, 400, 384, ms(50), ms(10), 0),
            (16, 400, 400, ms(100), ms(10), 0),
            (516, 400, 400, ms(50), ms(10), 290),
            (516, 10, 10, ms(50), ms(10), 506),
            (516, 10, 9, ms(50), ms(10), 508),
            (16, 400, 0, ms(50), ms(10), 416),
            (16, 400, 400, ms(50), ms(37), 0),
            (16, 400, 400, ms(50), ms(38), 16),
            (16, 400, 400, ms(50), ms(90), 16),
            // Without clients, there is no share of them.
            (0, 0, 0, ms(50), ms(10), 0),
            // The period is too long: no client has come for a while.
            (16, 400, 400, ms(101), ms(10), 16),
        ];
        for (clients, accepted, left, period, idle, expected) in rows {
            let staying = staying(clients, accepted, left, period, idle);
            assert_eq!(
                staying, expected,
                "{clients} {accepted} {left} {period:?} {idle:?}"
            );
        }
    }

    #[test]
    fn within_a_period_nothing_is_concluded() {
        let start = Instant::now();
        let mut churn = ClientChurn::new(start);
        for _ in 0..400 {
            churn.note_accepted();
        }
        let now = start + PERIOD - ms(1);
        assert_eq!(churn.staying(16, now, || unreachable!()), 16);
    }

    #[test]
    fn where_nothing_is_known_of_processors_all_clients_count() {
        let mut churn = ClientChurn::new(Instant::now());
        for period in 1..4 {
            churn.accepted = 400;
            let now = churn.since + PERIOD;
            assert_eq!(churn.staying(16, now, || None), 16, "{period}");
        }
    }
}
