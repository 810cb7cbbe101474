//! The data transfer process: moves the bytes of one transfer, a bounded piece in each turn.

mod debts;
mod meter;
mod produce;
mod receive;
mod send_file;
mod splice;
mod stall;
mod turn;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_ioloop::{Direction, Interest, SourceId, Transport};
use ftpdlib_proto::{TransferDirection, TransferEnd};
use ftpdlib_session::{Over, Refusal, Transfer};

use crate::data_connection::{DataConnection, handshake_timed_out};
use crate::jobs::{Account, Opened, Payload};
use crate::rate::Rate;
use crate::service::Rates;
use crate::throttle::Throttle;
pub(crate) use debts::Debts;
pub(crate) use meter::Meter;
use meter::TURN_BYTES;
use produce::Produce;
use receive::Receive;
use stall::Look;
pub(crate) use turn::{PumpContext, REPLIES_WAITING};
use turn::{Turn, is_lost};

/// Most bytes taken of an upload after its control connection was lost: more than sockets hold.
const LAST_BYTES: u64 = 8 << 20;

/// The outcome of one turn of a pump.
pub(crate) enum Step {
    /// Nothing more can be moved before the data connection is ready for this. For a listing sent
    /// as a reply, [`Interest::NONE`]: it waits until the replies are sent.
    Wait(Interest),
    /// The share of this turn was moved, and there may be more.
    Yield,
    /// The rate allows nothing more before this time.
    Pause(Instant),
    /// A job is running. The pump must run again when it has ended.
    Working,
    /// All data of an upload has come. [`Pump::finish_upload`] continues.
    AllReceived,
    /// The transfer is over.
    Ended(TransferEnd, Option<Refusal>),
}

impl Step {
    /// The end of a transfer that has failed on this side.
    pub(crate) fn failed(refusal: Refusal) -> Self {
        Self::Ended(TransferEnd::LocalError, Some(refusal))
    }
}

/// One transfer.
pub(crate) struct Pump {
    account: Arc<Account>,
    route: Route,
    meter: Meter,
    /// The time before which the rate allows nothing.
    resume_at: Option<Instant>,
    /// Whether the system was asked to send only full segments.
    asked_to_fill: bool,
    /// What the client had acknowledged when a download seemed to stand still.
    last_look: Option<Look>,
    /// Whether the system has taken every byte of a download, so that only the end of the stream is
    /// left to send.
    all_sent: bool,
    /// Whether the transfer was told to stop.
    stopping: bool,
    /// Set for an upload whose control connection was lost: it takes what has arrived already, up
    /// to this many bytes in all.
    last: Option<u64>,
}

/// Where the bytes come from and go to.
enum Route {
    /// A download or a listing, over a data connection.
    Send(DataConnection, Produce),
    /// A listing sent as a reply, without a data connection.
    Reply(Produce),
    /// An upload.
    Receive(DataConnection, Receive),
}

impl Route {
    /// Returns the payload as the error if it needs a data connection and there is none.
    fn new(
        transfer: Transfer<Payload>,
        connection: Option<DataConnection>,
    ) -> Result<Self, Payload> {
        let Transfer {
            payload: Payload { account, opened },
            direction: _,
            over,
            transfer_type,
            after_rest: _,
        } = transfer;
        let service = account.service();
        let Some(mut connection) = connection else {
            return match opened {
                Opened::List(listing) if over == Over::Control => {
                    Ok(Self::Reply(Produce::listing(listing)))
                }
                opened => Err(Payload { account, opened }),
            };
        };
        let dtp = &service.dtp;
        let stream = &mut connection.stream;
        let in_kernel =
            service.use_sendfile && account.lane().is_none() && stream.plain().is_some();
        let produce = match opened {
            Opened::Write(file) => {
                stream.note_only_reads();
                let receive = Receive::new(&account, file, transfer_type, in_kernel, dtp);
                return Ok(Self::Receive(connection, receive));
            }
            Opened::Read(file) => Produce::file(file, transfer_type, in_kernel, dtp),
            Opened::List(listing) => Produce::listing(listing),
        };
        stream.note_only_writes();
        Ok(Self::Send(connection, produce))
    }

    /// The data connection, if there is one.
    fn stream(&self) -> Option<&dyn Transport> {
        match self {
            Self::Send(to, _) | Self::Receive(to, _) => Some(&*to.stream),
            Self::Reply(_) => None,
        }
    }

    fn stream_mut(&mut self) -> Option<&mut dyn Transport> {
        match self {
            Self::Send(to, _) | Self::Receive(to, _) => Some(&mut *to.stream),
            Self::Reply(_) => None,
        }
    }

    /// Whether the data connection, if there is one, has completed its handshake.
    fn is_established(&self) -> bool {
        self.stream().is_none_or(|stream| stream.is_established())
    }
}

impl Pump {
    /// Creates a pump for `transfer` over `connection`. A listing without one is sent as a reply.
    ///
    /// # Errors
    ///
    /// Returns what was opened if it needs a data connection and there is none.
    pub(crate) fn new(
        transfer: Transfer<Payload>,
        connection: Option<DataConnection>,
        now: Instant,
    ) -> Result<Self, Payload> {
        let account = Arc::clone(&transfer.payload.account);
        let (direction, over) = (transfer.direction, transfer.over);
        let route = Route::new(transfer, connection)?;
        let meter = new_meter(&account, direction, over, now);
        Ok(Self {
            account,
            route,
            meter,
            resume_at: None,
            asked_to_fill: false,
            last_look: None,
            all_sent: false,
            stopping: false,
            last: None,
        })
    }

    /// Changes the rates.
    pub(crate) fn set_rates(&mut self, rates: Rates) {
        let rate = match self.route {
            Route::Receive(..) => rates.upload,
            Route::Send(..) | Route::Reply(_) => rates.download,
        };
        self.meter.set_rate(rate);
    }

    /// Counts what the session's last transfer has moved ahead of its rate.
    pub(crate) fn take_over_debt(&mut self, debts: &Debts, now: Instant) {
        let direction = self.direction();
        if let Some(own) = self.meter.own_rate()
            && let Some(until) = debts.owed(direction)
        {
            own.go_on(until, now);
        }
    }

    /// Leaves what this transfer has moved ahead of its rate to the session's next one.
    pub(crate) fn leave_debt(&mut self, debts: &mut Debts, now: Instant) {
        self.meter.leave_debt(self.direction(), debts, now);
    }

    fn direction(&self) -> TransferDirection {
        if self.sends() {
            TransferDirection::Download
        } else {
            TransferDirection::Upload
        }
    }

    /// Begins the transfer, and moves what can be moved now. An upload waits for an event, since
    /// most clients send only after the preliminary reply.
    pub(crate) fn begin(&mut self, pcx: &mut PumpContext<'_, '_>) -> Step {
        match &self.route {
            Route::Receive(from, _) if from.stream.plain().is_some() => {
                self.after(Step::Wait(Interest::READ), pcx)
            }
            Route::Send(..) | Route::Reply(_) | Route::Receive(..) => self.run(pcx),
        }
    }

    /// Moves what can be moved in a turn.
    pub(crate) fn run(&mut self, pcx: &mut PumpContext<'_, '_>) -> Step {
        self.meter.begin(pcx.cx.now());
        if self.resume_at.take().is_some() {
            // It was not the client that made nothing of the pause.
            self.meter.advanced(pcx.cx.now());
        }
        if !self.is_finishing()
            && let Some(step) = self.establish(pcx)
        {
            if self.last.is_some_and(|last| self.is_last(&step, last)) {
                return self.stop(TransferEnd::ControlLost, pcx);
            }
            return step;
        }
        self.fill_segments();
        let turn = &mut Turn {
            account: &self.account,
            meter: &mut self.meter,
            pcx,
        };
        let step = match &mut self.route {
            Route::Send(to, produce) => produce.run(&mut *to.stream, turn),
            Route::Reply(produce) => produce.run_to_replies(turn),
            Route::Receive(from, receive) => receive.run(&mut *from.stream, turn),
        };
        let step = self.end_sending(step, pcx);
        if self.last.is_some_and(|last| self.is_last(&step, last)) {
            return self.stop(TransferEnd::ControlLost, pcx);
        }
        self.after(step, pcx)
    }

    /// Finishes an upload whose data has all come. It is not complete if the client `aborts` it.
    pub(crate) fn finish_upload(&mut self, aborts: bool, pcx: &mut PumpContext<'_, '_>) -> Step {
        if let (true, Route::Receive(_, receive)) = (aborts, &mut self.route) {
            receive.note_abor();
        }
        self.run(pcx)
    }

    /// Makes the handshake of the data connection. Returns `Some` until it is complete: nothing is
    /// moved before.
    fn establish(&mut self, pcx: &mut PumpContext<'_, '_>) -> Option<Step> {
        let stream = self.route.stream_mut()?;
        let was_established = stream.is_established();
        match stream.establish(pcx.cx) {
            Ok(()) => {
                if !was_established {
                    self.meter.advanced(pcx.cx.now());
                }
                if let Some(notice) = stream.take_notice() {
                    turn::info(&self.account, notice);
                }
                None
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Other handshakes may come first. What has arrived is looked at in the next turn.
                let has_input = pcx.cx.is_ready(stream.id(), Direction::Read);
                let is_put_off = has_input && stream.is_flushed();
                let step = match is_put_off {
                    true => Step::Yield,
                    false => Step::Wait(Interest::NONE),
                };
                Some(self.after(step, pcx))
            }
            Err(error) => {
                turn::warn(&self.account, error);
                Some(self.abort(TransferEnd::Unsecured, pcx))
            }
        }
    }

    /// Has a download that filled its first turn continue in full segments; but not if it may wait
    /// in the middle of a segment, for its rate or for a thread, since the segment would wait with
    /// it.
    fn fill_segments(&mut self) {
        let goes_on = self.sends() && self.meter.bytes() >= TURN_BYTES as u64;
        if self.asked_to_fill || !goes_on {
            return;
        }
        self.asked_to_fill = true;
        if self.meter.is_limited() || self.account.lane().is_some() {
            return;
        }
        if let Some(Err(error)) = self.route.stream().map(|stream| stream.fill_segments()) {
            // Slower, but still right.
            log::debug!("full segments: {error}");
        }
    }

    /// Ends the sending side after the last byte of a download.
    fn end_sending(&mut self, step: Step, pcx: &mut PumpContext<'_, '_>) -> Step {
        let Route::Send(DataConnection { stream, .. }, _) = &mut self.route else {
            return step;
        };
        if !matches!(step, Step::Ended(TransferEnd::Complete, None)) {
            return step;
        }
        // Everything was sent before, or leaves with the end.
        self.all_sent |= stream.is_flushed();
        let finished = stream.finish(pcx.cx);
        self.all_sent |= stream.is_flushed();
        match finished {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Step::Wait(Interest::WRITE),
            Err(error) if !self.all_sent => {
                Step::Ended(turn::end_by(&error, &**stream, &self.account), None)
            }
            // The system has taken every byte, and may have delivered them: a client that knows the
            // size may close after the last one, without waiting for the end.
            Ok(()) | Err(_) => step,
        }
    }

    /// Stops the transfer with this `end`. The step returned is an end, or leads to one.
    ///
    /// An upload whose last byte and end have arrived is complete even if the client closes its
    /// control connection right after. So this loss stops an upload only when it first has to wait,
    /// also if it waits for its rate.
    pub(crate) fn abort(&mut self, end: TransferEnd, pcx: &mut PumpContext<'_, '_>) -> Step {
        if end == TransferEnd::ControlLost && matches!(self.route, Route::Receive(..)) {
            self.last = Some(self.meter.bytes() + LAST_BYTES);
            return self.run(pcx);
        }
        self.stop(end, pcx)
    }

    fn stop(&mut self, end: TransferEnd, pcx: &mut PumpContext<'_, '_>) -> Step {
        if !self.stopping {
            // The disk has as long for what is left as it has for a piece.
            self.stopping = true;
            self.resume_at = None;
            self.meter.advanced(pcx.cx.now());
        }
        let is_secure = self.route.is_established();
        let end = match end {
            TransferEnd::Stalled if !is_secure => {
                turn::warn(&self.account, handshake_timed_out());
                TransferEnd::Unsecured
            }
            end => end,
        };
        let turn = &mut Turn {
            account: &self.account,
            meter: &mut self.meter,
            pcx,
        };
        let step = match &mut self.route {
            Route::Send(..) | Route::Reply(_) => Step::Ended(end, None),
            Route::Receive(_, receive) => receive.abort(end, is_secure, turn),
        };
        self.after(step, pcx)
    }

    /// Whether the transfer waits only for a job, whatever the state of the data connection.
    fn is_finishing(&self) -> bool {
        self.stopping || matches!(&self.route, Route::Receive(_, receive) if receive.is_finishing())
    }

    /// Whether an upload whose control connection was lost must stop after `step`.
    fn is_last(&self, step: &Step, last: u64) -> bool {
        match step {
            Step::Wait(_) | Step::Pause(_) => true,
            // If writing may block, a turn ends with a job after every piece, not with `Yield`.
            Step::Yield | Step::Working => self.meter.bytes() >= last,
            Step::AllReceived | Step::Ended(..) => false,
        }
    }

    /// Tells the loop what to wait for after `step`. Ends the transfer if the loop cannot.
    fn after(&mut self, step: Step, pcx: &mut PumpContext<'_, '_>) -> Step {
        let interest = match &step {
            Step::Wait(interest) => *interest,
            Step::Yield => match self.route {
                Route::Send(..) | Route::Reply(_) => Interest::WRITE,
                Route::Receive(..) => Interest::READ,
            },
            Step::Pause(at) => {
                self.resume_at = Some(*at);
                Interest::NONE
            }
            Step::Working | Step::AllReceived | Step::Ended(..) => Interest::NONE,
        };
        let finishing = self.is_finishing();
        if let Some(stream) = self.route.stream_mut() {
            let interest = if finishing {
                Interest::NONE
            } else {
                stream.interest(interest)
            };
            if !finishing
                && !matches!(step, Step::AllReceived | Step::Ended(..))
                && let Err(error) = stream.finish_registration(pcx.cx)
            {
                turn::warn(&self.account, error);
                return self.stop(TransferEnd::LocalError, pcx);
            }
            pcx.cx.set_bulk(stream.id(), self.meter.has_used_much());
            pcx.cx.set_interest(stream.id(), interest);
        }
        step
    }

    /// The data connection, to close it, and its meter.
    pub(crate) fn into_connection(self) -> Option<(DataConnection, Meter)> {
        match self.route {
            Route::Send(it, _) | Route::Receive(it, _) => Some((it, self.meter)),
            Route::Reply(_) => None,
        }
    }

    /// Whether this is a download or a listing: the end of the stream ends its data.
    pub(crate) fn sends(&self) -> bool {
        !matches!(self.route, Route::Receive(..))
    }

    /// How many bytes were moved on the data connection.
    pub(crate) fn bytes(&self) -> u64 {
        self.meter.bytes()
    }

    pub(crate) fn stream_id(&self) -> Option<SourceId> {
        self.route.stream().map(|stream| stream.id())
    }

    /// Whether this is a listing sent as a reply that goes on when there is room for more replies:
    /// no thread works on it.
    pub(crate) fn adds_to_replies(&self) -> bool {
        matches!(&self.route, Route::Reply(produce) if !produce.is_on_thread())
    }

    /// Whether the transfer used much of its last turn.
    pub(crate) fn has_used_much(&self) -> bool {
        self.meter.has_used_much()
    }

    /// Whether a pause for the rate is over.
    pub(crate) fn may_resume(&self, now: Instant) -> bool {
        self.resume_at.is_some_and(|at| at <= now)
    }
}

/// The meter of a transfer that begins `now`. It keeps to the server's rate, or instead to the
/// user's, which is shared by all transfers of that user's sessions that have the same rate.
fn new_meter(account: &Account, direction: TransferDirection, over: Over, now: Instant) -> Meter {
    let (service, login) = (account.service(), account.login());
    let dtp = &service.dtp;
    let (rate, of_user) = match (over, direction) {
        (Over::Control, _) => (0, None),
        (Over::Data, TransferDirection::Upload) => (dtp.read_limit, login.read_limit),
        (Over::Data, TransferDirection::Download) => (dtp.write_limit, login.write_limit),
    };
    let rate = if of_user.is_some() { 0 } else { rate };
    let shared = of_user.and_then(Rate::limited).map(|rate| {
        let username = &login.username;
        service.user_rates.share(username, direction, rate, now)
    });
    Meter::new(Throttle::new(rate, now), shared, now)
}

/// The refusal for a file that has become shorter than it was when it was opened.
fn became_shorter() -> Refusal {
    Refusal::new(451, "File became shorter while it was sent.")
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
