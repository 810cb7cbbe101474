//! Waits for room in a pipe or a socket, for a limited time.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

/// The time for which the total waiting time is limited, beginning with the first wait.
const SPAN: Duration = Duration::from_secs(10);

/// How often it checks for room.
const LOOK: Duration = Duration::from_millis(2);

/// The waiting time that is left for lines. The time that one line waits is lost to the next:
/// otherwise a slow reader would make each line wait.
#[derive(Debug)]
pub(crate) struct Patience {
    /// The most waiting time within a [`SPAN`].
    most: Duration,
    left: Duration,
    /// When the full waiting time is available again.
    renewed: Option<Instant>,
}

impl Patience {
    /// Allows all lines together to wait for `most` within ten seconds.
    pub(crate) fn new(most: Duration) -> Self {
        Self {
            most,
            left: Duration::ZERO,
            renewed: None,
        }
    }

    /// Writes some of `bytes` as soon as there is room.
    ///
    /// # Errors
    ///
    /// The error of `out`; `WouldBlock` if there was no room within the waiting time left.
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

    /// Whether to wait for another [`LOOK`].
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
            // A line every ten milliseconds, each of which finds room after its first wait.
            let lines = (0..500).map(|number| start + from + LOOK * 5 * number);
            lines.filter(|&now| patience.may_wait(now)).count()
        };
        assert_eq!(waits(Duration::ZERO), most);
        assert_eq!(waits(SPAN / 2), 0);
        assert_eq!(waits(SPAN), most);
    }
}
