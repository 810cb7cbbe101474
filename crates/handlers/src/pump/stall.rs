//! What becomes of a transfer that makes no progress.

use std::os::fd::AsFd;
use std::time::Instant;

use ftpdlib_proto::TransferEnd;
use ftpdlib_session::Refusal;

use super::{Pump, PumpContext, Route, Step, turn};
use crate::data_connection::DataConnection;

/// A look at what the client of a download has acknowledged.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// The time of the last progress that was known then.
    progress: Instant,
    /// Bytes acknowledged on the data connection so far, if the system reports them.
    acknowledged: Option<u64>,
}

impl Pump {
    /// Whether there was no progress for too long.
    ///
    /// If the system takes nothing more of a download, that alone proves nothing: it may hold
    /// megabytes, for which a slow client needs minutes. It is a stall if the client has
    /// acknowledged none of them.
    pub(crate) fn is_stalled(&mut self, now: Instant) -> bool {
        if self.resume_at.is_some() {
            return false;
        }
        let is_late = self.stalled_at().is_some_and(|at| at <= now);
        if is_late || self.first_look_at().is_some_and(|at| at <= now) {
            return !self.look(now) && is_late;
        }
        false
    }

    /// Ends a transfer that has made no progress for too long. Its client is gone, unless a thread
    /// still waits for the disk.
    ///
    /// For a listing sent as a reply the session ends too: there is no other way to show that lines
    /// are missing.
    pub(crate) fn give_up(&mut self, pcx: &mut PumpContext<'_, '_>) -> Step {
        let by_disk = match &self.route {
            Route::Send(_, produce) => produce.is_on_thread(),
            Route::Reply(_) => false,
            Route::Receive(_, receive) => receive.is_on_thread(),
        };
        if !by_disk {
            return self.stop(TransferEnd::Stalled, pcx);
        }
        turn::warn(&self.account, "the filesystem did not answer in time");
        Step::failed(Refusal::local_error())
    }

    /// Looks at what the client has acknowledged. Returns whether that is more than at the last
    /// look since the last progress. If it is, this counts as progress too.
    fn look(&mut self, now: Instant) -> bool {
        let acknowledged = self.acknowledged();
        let progress = self.meter.progress();
        let last = self.last_look.filter(|look| look.progress == progress);
        let before = last.and_then(|look| look.acknowledged);
        let is_more = before.is_some() && acknowledged > before;
        if is_more {
            self.meter.advanced(now);
        }
        let progress = self.meter.progress();
        self.last_look = Some(Look {
            progress,
            acknowledged,
        });
        is_more
    }

    /// When to look at the pump again without an event of its connection.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.resume_at
            .or_else(|| self.first_look_at())
            .or_else(|| self.stalled_at())
    }

    /// When to look for the first time after the last progress. Later looks are compared with this
    /// one, so it comes long before them: a slow client acknowledges rarely, and then much at once.
    fn first_look_at(&self) -> Option<Instant> {
        let progress = self.meter.progress();
        let is_new = self.last_look.is_none_or(|look| look.progress != progress);
        let Route::Send(DataConnection { stream, .. }, _) = &self.route else {
            return None;
        };
        let timeout = self.account.service().dtp.timeout;
        let timeout = timeout.filter(|_| is_new && stream.is_established())?;
        Some(progress + timeout / 10)
    }

    /// When it counts as stalled if there is no progress before.
    fn stalled_at(&self) -> Option<Instant> {
        let service = self.account.service();
        let timeout = if self.route.is_established() || self.is_finishing() {
            service.dtp.timeout
        } else {
            service.session.handshake_timeout()
        };
        // No deadline if the time cannot be represented.
        timeout.and_then(|timeout| self.meter.progress().checked_add(timeout))
    }

    /// How many bytes the client of a download has acknowledged, if the system reports it. The
    /// number of unacknowledged bytes would not do: what TLS has held back refills the queue.
    pub(super) fn acknowledged(&self) -> Option<u64> {
        let Route::Send(DataConnection { stream, .. }, _) = &self.route else {
            return None;
        };
        ftpdlib_sys::acknowledged(stream.socket().get_ref().as_fd()).ok()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use ftpdlib_ioloop::IoLoop;
    use ftpdlib_session::Over;

    use super::super::tests::names;
    use super::super::turn::REPLIES_WAITING;
    use super::*;
    use crate::DtpHandler;

    #[test]
    fn a_listing_whose_replies_nobody_reads_never_stalled() {
        let dtp = DtpHandler::default().timeout(Duration::from_secs(60));
        let mut listing = names(1, true, dtp);
        listing.over = Over::Control;
        let (stalled, told) = mpsc::channel();
        let mut events = IoLoop::new().unwrap();
        events.call_later(Duration::ZERO, move |cx| {
            let now = cx.now();
            let began = now - Duration::from_secs(120);
            let mut pump = Pump::new(listing, None, began).ok().unwrap();
            let replies = &mut vec![b' '; REPLIES_WAITING + 1];
            let step = pump.run(&mut PumpContext { cx, replies });
            let waits = matches!(step, Step::Wait(_));
            stalled.send((waits, pump.is_stalled(now))).unwrap();
        });
        events.run().unwrap();
        assert_eq!(told.try_recv(), Ok((true, true)));
    }
}
