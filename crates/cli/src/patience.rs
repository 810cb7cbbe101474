//! Waiting for room in a pipe or a socket, but not for long.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// The time in which lines wait no longer than they may all together, from the first wait on.
const SPAN: Duration = Duration::from_secs(10);

/// How often it checks for room.
const LOOK: Duration = Duration::from_millis(2);

/// How much longer lines may wait. What one waited is missing for the next: a reader that is slow,
/// but reads, would have each of them wait.
#[derive(Debug)]
pub(crate) struct Patience {
    /// The most in a [`SPAN`].
    most: Duration,
    left: Duration,
    /// When it is as long again.
    renewed: Option<Instant>,
}

impl Patience {
    /// Lines wait for `most` in ten seconds, all together.
    pub(crate) fn new(most: Duration) -> Self {
        Self {
            most,
            left: Duration::ZERO,
            renewed: None,
        }
    }

    /// Writes some of `bytes`, as soon as there is room.
    ///
    /// # Errors
    ///
    /// The error of `out`; `WouldBlock` if there was no room for as long as there is patience.
    pub(crate) fn write(&mut self, mut out: impl Write, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match out.write(bytes) {
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock
                        && self.may_wait(Instant::now()) =>
                {
                    thread::sleep(LOOK);
                }
                result => return result,
            }
        }
    }

    /// Whether to wait once more for a [`LOOK`].
    fn may_wait(&mut self, now: Instant) -> bool {
        if self.renewed.is_none_or(|at| at <= now) {
            (self.left, self.renewed) = (self.most, Some(now + SPAN));
        }
        let left = self.left.checked_sub(LOOK);
        self.left = left.unwrap_or_default();
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_waited_for_a_reader_that_made_some_room_each_time() {
        let (patience, start) = (Duration::from_millis(200), Instant::now());
        let most = usize::try_from(patience.as_millis() / LOOK.as_millis()).unwrap();
        let mut patience = Patience::new(patience);
        let mut waits = |from: Duration| {
            // A line every ten milliseconds that has room after its first wait.
            let lines = (0..500).map(|number| start + from + LOOK * 5 * number);
            lines.filter(|&now| patience.may_wait(now)).count()
        };
        assert_eq!(waits(Duration::ZERO), most);
        assert_eq!(waits(SPAN / 2), 0);
        assert_eq!(waits(SPAN), most);
    }
}
