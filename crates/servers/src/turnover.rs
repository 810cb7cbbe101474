//! How fast clients come and go.

use std::time::{Duration, Instant};

/// How long clients are watched before anything is concluded from it.
const PERIOD: Duration = Duration::from_millis(100);

/// Percent of one processor that have to be idle for it to count as one.
const IDLE: u128 = 75;

/// Watches the clients of the accepting loop, and tells how many of them do not count because they
/// will soon be gone.
///
/// To pass on a client that logs in and leaves costs more than it gains where no processor of the
/// machine is idle. With clients that stay it is the other way about: what they are going to do is
/// not known yet, and they had better be spread.
pub(crate) struct Turnover {
    since: Instant,
    /// Idle time of all processors at the beginning of the period, where it is known.
    idle: Option<Duration>,
    /// Clients at the beginning of the period.
    clients: usize,
    /// Clients that came since.
    came: usize,
    leaving: usize,
}

impl Turnover {
    /// Begins with no clients, where the processors had nothing to do for as long as `idle`.
    pub(crate) const fn new(now: Instant, idle: Option<Duration>) -> Self {
        Self {
            since: now,
            idle,
            clients: 0,
            came: 0,
            leaving: 0,
        }
    }

    /// How many of `clients` are taken to leave within a period. Where the period is over, the next
    /// one begins, with a look at how long the processors were `idle` so far.
    pub(crate) fn leaving(
        &mut self,
        clients: usize,
        now: Instant,
        idle: impl FnOnce() -> Option<Duration>,
    ) -> usize {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= PERIOD {
            let idle = idle();
            let left = (self.clients + self.came).saturating_sub(clients);
            self.leaving = if has_idle_processor(self.idle, idle, elapsed) {
                0
            } else {
                scale(left, elapsed)
            };
            (self.since, self.idle, self.clients, self.came) = (now, idle, clients, 0);
        }
        self.leaving
    }

    /// Counts a client that comes to the accepting loop.
    pub(crate) const fn note_arrival(&mut self) {
        self.came += 1;
    }
}

/// Whether another loop would have a processor to itself, by the idle times before and after
/// `elapsed`. So it is where nothing is known.
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

/// What is `count` within `elapsed`, within a period.
fn scale(count: usize, elapsed: Duration) -> usize {
    let count = count as u128 * PERIOD.as_nanos() / elapsed.as_nanos();
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_leave_do_not_count_where_no_processor_is_idle() {
        let ms = Duration::from_millis;
        // Clients that came, those that are left, the period, and what of it processors were idle.
        let rows = [
            (0, 0, ms(100), ms(0), 0),
            (400, 16, ms(100), ms(20), 384),
            (400, 16, ms(200), ms(40), 192),
            (400, 400, ms(100), ms(20), 0),
            (400, 16, ms(100), ms(74), 384),
            (400, 16, ms(100), ms(75), 0),
            (400, 16, ms(100), ms(190), 0),
            // Too short to tell.
            (400, 16, ms(99), ms(1), 0),
            // Nobody came for long.
            (400, 0, ms(1_000_000), ms(40), 0),
        ];
        let start = Instant::now();
        for (came, left, period, idle, expected) in rows {
            let mut turnover = Turnover::new(start, Some(ms(7)));
            for _ in 0..came {
                turnover.note_arrival();
            }
            let leaving = turnover.leaving(left, start + period, || Some(ms(7) + idle));
            assert_eq!(leaving, expected, "{came} {left} {period:?} {idle:?}");
        }
    }

    #[test]
    fn each_period_is_seen_by_itself() {
        let idle = || Some(Duration::ZERO);
        let mut turnover = Turnover::new(Instant::now(), idle());
        let mut now = turnover.since;
        for (came, clients, leaving) in [(100, 20, 80), (30, 20, 30), (0, 20, 0), (5, 10, 15)] {
            for _ in 0..came {
                turnover.note_arrival();
            }
            now += PERIOD;
            assert_eq!(turnover.leaving(clients, now, idle), leaving);
            // Until the next one, that is it.
            assert_eq!(turnover.leaving(0, now, || unreachable!()), leaving);
        }
    }

    #[test]
    fn where_nothing_is_known_of_processors_all_clients_count() {
        let start = Instant::now();
        let mut turnover = Turnover::new(start, None);
        turnover.note_arrival();
        assert_eq!(turnover.leaving(0, start + PERIOD, || None), 0);
    }
}
