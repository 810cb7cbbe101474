//! The pieces in which a listing is made: each on the loop within a moment, or on a thread.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::Lane;
use ftpdlib_session::{ListFormat, Refusal};

use super::{ListingStream, SORTED_IN_PLACE, Source};
use crate::jobs::Account;

/// Entries shown without a look at the size of the piece: some hundred microseconds.
const ENTRIES: usize = 128;

/// Most bytes of a listing of names that are made in one go.
const NAMES_PIECE: usize = 64 << 10;

/// Bytes of a large listing that are made in one go on a thread: changing threads for each piece of
/// work would take longer than the piece.
const LARGE_PIECE: usize = 256 << 10;

/// How long pieces of work on the loop follow each other in a turn if they show nothing yet, or
/// only names: about as long as a piece that shows entries takes. Unit tests, whose code is slow,
/// must not depend on the machine's speed.
const GO_ON_TIME: Duration = match cfg!(test) {
    true => Duration::from_millis(1),
    false => Duration::from_micros(100),
};

impl ListingStream {
    /// Appends the next lines to `out`; or none, while it collects and sorts the names. Stops after
    /// about this `time`. Returns `false` once no entry is left. May block.
    pub(crate) fn next_piece(
        &mut self,
        time: Duration,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let began = Instant::now();
        let is_over = || began.elapsed() >= time;
        if self.is_long() {
            return self.sort(&is_over).map(|()| true);
        }
        let (enough, time) = if self.is_large {
            (LARGE_PIECE, time)
        } else if matches!(self.format, ListFormat::Names) {
            (NAMES_PIECE, GO_ON_TIME)
        } else {
            // Stops once entries are shown, and their names not only collected.
            (1, GO_ON_TIME)
        };
        loop {
            let more = self.fill(ENTRIES, &is_over, out)?;
            let is_full = out.len() >= enough || began.elapsed() >= time;
            if !more || is_full || self.is_long() {
                return Ok(more);
            }
        }
    }

    /// The lane on which the next piece is to be made if that does not block, and the client that
    /// has its turns there; `None` for the loop.
    pub(crate) fn lane<'a>(&self, account: &'a Account) -> Option<(&'a Lane, Option<IpAddr>)> {
        if self.is_large {
            return Some((account.large_lane(), None));
        }
        let sorting = || (&account.service().lanes.sorting, Some(account.network()));
        self.is_long().then(sorting)
    }

    /// Whether so many names were read that a thread should sort them.
    pub(super) fn is_long(&self) -> bool {
        matches!(&self.source, Source::Gathering(gathering)
            if gathering.entries.count() > SORTED_IN_PLACE)
    }

    /// Collects names until `is_over`, and sorts them after the last one. Takes long.
    pub(super) fn sort(&mut self, is_over: &dyn Fn() -> bool) -> Result<(), Refusal> {
        let mut nothing = Vec::new();
        while matches!(self.source, Source::Gathering(_)) {
            self.fill(SORTED_IN_PLACE, is_over, &mut nothing)?;
            if is_over() {
                break;
            }
        }
        Ok(())
    }
}
