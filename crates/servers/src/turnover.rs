//! How fast clients come and go.

use std::time::{Duration, Instant};

/// How long clients are watched before anything is concluded from it.
const PERIOD: Duration = Duration::from_millis(100);

/// Percent of one processor that have to be idle for it to count as idle.
const IDLE: u128 = 75;

/// Fewer clients than this in a period are not worth a look at the processors.
const FEW: usize = 10;

/// Every client is taken to stay.
const ALL: (usize, usize) = (1, 1);

/// Watches the clients of the accepting loop, and tells how many of them count because they will stay.
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
    /// Of so many clients, so many are taken to stay.
    stay: (usize, usize),
}

impl Turnover {
    /// Begins with no clients.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            since: now,
            idle: None,
            clients: 0,
            came: 0,
            stay: ALL,
        }
    }

    /// How many of `clients` are taken to stay for longer than a period. Where the period is over, the
    /// next one begins, with a look at how long the processors were `idle` so far.
    pub(crate) fn staying(
        &mut self,
        clients: usize,
        now: Instant,
        idle: impl FnOnce() -> Option<Duration>,
    ) -> usize {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= PERIOD {
            let seen = self.clients + self.came;
            let left = seen.saturating_sub(clients);
            let idle = if left < FEW { None } else { idle() };
            self.stay = if elapsed > 2 * PERIOD || has_idle_processor(self.idle, idle, elapsed) {
                ALL
            } else {
                (seen, seen - left)
            };
            (self.since, self.idle, self.clients, self.came) = (now, idle, clients, 0);
        }
        let (of, stay) = self.stay;
        clients * stay / of
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

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// What is seen in a period that begins with `clients`, after one in which many left.
    fn staying(
        clients: usize,
        came: usize,
        left: usize,
        period: Duration,
        idle: Duration,
    ) -> usize {
        let start = Instant::now();
        let mut turnover = Turnover::new(start);
        turnover.came = clients + 1000;
        let known = Some(ms(7));
        turnover.staying(clients, start + PERIOD, || known);
        for _ in 0..came {
            turnover.note_arrival();
        }
        let now = start + PERIOD + period;
        turnover.staying(clients + came - left, now, || Some(ms(7) + idle))
    }

    #[test]
    fn those_who_leave_do_not_count_where_no_processor_is_idle() {
        // Clients at first, those that came and that left, the period, what of it processors were
        // idle, and how many count.
        let rows = [
            (16, 400, 400, ms(100), ms(20), 0),
            (0, 400, 384, ms(100), ms(20), 0),
            (16, 400, 400, ms(200), ms(20), 0),
            (516, 400, 400, ms(100), ms(20), 290),
            (516, 10, 10, ms(100), ms(20), 506),
            (516, 10, 9, ms(100), ms(20), 517),
            (16, 400, 0, ms(100), ms(20), 416),
            (16, 400, 400, ms(100), ms(74), 0),
            (16, 400, 400, ms(100), ms(75), 16),
            (16, 400, 400, ms(100), ms(190), 16),
            // Nobody came for long.
            (16, 400, 400, ms(201), ms(20), 16),
        ];
        for (clients, came, left, period, idle, expected) in rows {
            let staying = staying(clients, came, left, period, idle);
            assert_eq!(
                staying, expected,
                "{clients} {came} {left} {period:?} {idle:?}"
            );
        }
    }

    #[test]
    fn within_a_period_nothing_is_concluded() {
        let start = Instant::now();
        let mut turnover = Turnover::new(start);
        for _ in 0..400 {
            turnover.note_arrival();
        }
        let now = start + PERIOD - ms(1);
        assert_eq!(turnover.staying(16, now, || unreachable!()), 16);
    }

    #[test]
    fn where_nothing_is_known_of_processors_all_clients_count() {
        let mut turnover = Turnover::new(Instant::now());
        for period in 1..4 {
            turnover.came = 400;
            let now = turnover.since + PERIOD;
            assert_eq!(turnover.staying(16, now, || None), 16, "{period}");
        }
    }
}
