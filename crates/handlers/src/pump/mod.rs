//! The data transfer process: moves the bytes of one transfer, a bounded piece per turn.

mod debts;
mod meter;
mod produce;
mod receive;
mod send_file;
mod splice;
mod turn;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Direction, Interest, SourceId, Transport};
use ftpdlib_proto::{TransferDirection, TransferEnd, TransferType};
use ftpdlib_session::{Over, Refusal, Transfer};

use crate::data_connection::{DataConnection, handshake_timed_out};
use crate::jobs::{Account, Opened, Payload};
use crate::service::Rates;
use crate::throttle::Throttle;
pub(crate) use debts::Debts;
pub(crate) use meter::Meter;
use meter::TURN_BYTES;
use produce::Produce;
use receive::Receive;
pub(crate) use turn::{PumpContext, REPLIES_WAITING};
use turn::{Turn, is_lost};

/// Most bytes of an upload taken after its control connection was lost: what sockets can hold fits
/// in it.
const LAST_BYTES: u64 = 8 << 20;

/// What a pump came to in a turn.
pub(crate) enum Step {
    /// Nothing more can be moved before the data connection is ready for this;
    /// [`Interest::NONE`], for a listing to the replies: before those are sent.
    Wait(Interest),
    /// The turn's share was moved; there may be more.
    Yield,
    /// The rate allows nothing more before this.
    Pause(Instant),
    /// A job is running; the pump is to run again when it has ended.
    Working,
    /// The client of an upload has sent all; [`Pump::finish_upload`] goes on.
    AllReceived,
    /// It is over.
    Ended(TransferEnd, Option<Refusal>),
}

/// One transfer.
pub(crate) struct Pump {
    account: Arc<Account>,
    route: Route,
    meter: Meter,
    /// No progress for this long ends the transfer.
    timeout: Option<Duration>,
    /// The same before the first byte, while TLS is agreed on.
    handshake_timeout: Option<Duration>,
    /// The rate allows nothing before this.
    resume_at: Option<Instant>,
    /// The system was asked to send full segments only.
    asked_to_fill: bool,
    /// What the client of a download that seems to stand still had acknowledged at the last look.
    last_look: Option<Look>,
    /// The system has taken every byte of a download; only the end of the stream is left to send.
    all_sent: bool,
    /// Told to stop.
    stopping: bool,
    /// An upload whose control connection was lost takes what has arrived already, and at most so
    /// many bytes in all.
    last: Option<u64>,
    /// The client is to read the reply to its beginning before that to its end is sent.
    pub(crate) separates_replies: bool,
}

/// A look at what a download's client has acknowledged.
#[derive(Clone, Copy)]
struct Look {
    /// When there was progress last, as far as was known then.
    progress: Instant,
    /// Bytes since the data connection was made, where the system tells.
    acknowledged: Option<u64>,
}

/// Where the bytes come from, and where they go.
enum Route {
    /// A download or a listing, over a data connection.
    Send(DataConnection, Produce),
    /// A listing that goes to the replies: it has no data connection.
    Reply(Produce),
    /// An upload.
    Receive(DataConnection, Receive),
}

impl Route {
    /// Gives the payload back if it needs a data connection, and there is none.
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

    /// The data connection, if it has one.
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

    /// Whether the data connection, if there is one, is as secure as it is to be.
    fn is_established(&self) -> bool {
        self.stream().is_none_or(|stream| stream.is_established())
    }
}

impl Pump {
    /// A pump for `transfer` over `connection`; a listing for the control connection has none, and
    /// goes to the replies.
    ///
    /// # Errors
    ///
    /// What was opened is given back where there has to be a data connection and is none.
    pub(crate) fn new(
        transfer: Transfer<Payload>,
        connection: Option<DataConnection>,
        now: Instant,
    ) -> Result<Self, Payload> {
        let account = Arc::clone(&transfer.payload.account);
        let (direction, over) = (transfer.direction, transfer.over);
        // Clients that read 226 together with 150 and then wait for it: some resume, others (lynx)
        // fetch text. Listings are images.
        let is_text = transfer.transfer_type == TransferType::Ascii;
        let sends = direction == TransferDirection::Download;
        let separates_replies = sends && (transfer.after_rest || is_text);
        let route = Route::new(transfer, connection)?;
        let meter = new_meter(&account, direction, over, now);
        let service = account.service();
        Ok(Self {
            timeout: service.dtp.timeout,
            handshake_timeout: service
                .session
                .tls
                .and_then(|rules| rules.handshake_timeout),
            account,
            route,
            meter,
            resume_at: None,
            asked_to_fill: false,
            last_look: None,
            all_sent: false,
            stopping: false,
            last: None,
            separates_replies,
        })
    }

    /// Keeps to other rates from now on.
    pub(crate) fn set_rates(&mut self, rates: Rates) {
        let rate = match self.route {
            Route::Receive(..) => rates.upload,
            Route::Send(..) | Route::Reply(_) => rates.download,
        };
        self.meter.set_rate(rate);
    }

    /// Has what the session's last transfer has moved too early count for this one.
    pub(crate) fn take_over_debt(&mut self, debts: &Debts, now: Instant) {
        let direction = self.direction();
        if let Some(own) = self.meter.own_rate()
            && let Some(until) = debts.owed(direction)
        {
            own.go_on(until, now);
        }
    }

    /// Leaves what this one has moved too early to the session's next transfer.
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

    /// Begins: moves what can be moved now. Most clients send only after the preliminary reply, so
    /// an upload waits for an event.
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
        self.resume_at = None;
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

    /// Finishes an upload of which all has come; it is not complete if the client `aborts` it.
    pub(crate) fn finish_upload(&mut self, aborts: bool, pcx: &mut PumpContext<'_, '_>) -> Step {
        if let (true, Route::Receive(_, receive)) = (aborts, &mut self.route) {
            receive.note_abor();
        }
        self.run(pcx)
    }

    /// Lets nothing move before the data connection is as secure as it is to be; `Some` while it is
    /// not.
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
                // Other handshakes may come first: what has arrived is looked at in the next turn.
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

    /// Has a download that filled its first turn go on in full segments. Not one that may have to
    /// wait in the middle of a segment, for its rate or for a thread: what is in it would wait,
    /// too.
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
            // It is slower then, and no less right.
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
        // All was sent before, or goes with the end.
        self.all_sent |= stream.is_flushed();
        let finished = stream.finish(pcx.cx);
        self.all_sent |= stream.is_flushed();
        match finished {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Step::Wait(Interest::WRITE),
            Err(error) if !self.all_sent => {
                Step::Ended(turn::end_by(&error, &**stream, &self.account), None)
            }
            // The system has taken every byte. It may still deliver them, or has: a client that
            // knows the size may close at the last one, without waiting for the end.
            Ok(()) | Err(_) => step,
        }
    }

    /// Stops as `end` says; the answer is an end, or what leads to one.
    ///
    /// An upload whose last byte and end have arrived is complete, even if the client has closed
    /// its control connection right after: such a loss stops it at the first wait only, be it for
    /// its rate.
    pub(crate) fn abort(&mut self, end: TransferEnd, pcx: &mut PumpContext<'_, '_>) -> Step {
        if end == TransferEnd::ControlLost && matches!(self.route, Route::Receive(..)) {
            self.last = Some(self.meter.bytes() + LAST_BYTES);
            return self.run(pcx);
        }
        self.stop(end, pcx)
    }

    fn stop(&mut self, end: TransferEnd, pcx: &mut PumpContext<'_, '_>) -> Step {
        if !self.stopping {
            // What is left to do is the disk's, which has as long for it as for a piece.
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

    /// Whether only a job is waited for, and the data connection, in whatever state, does not
    /// matter any more.
    fn is_finishing(&self) -> bool {
        self.stopping || matches!(&self.route, Route::Receive(_, receive) if receive.is_finishing())
    }

    /// Whether an upload whose control connection was lost is to stop after `step`.
    fn is_last(&self, step: &Step, last: u64) -> bool {
        match step {
            Step::Wait(_) | Step::Pause(_) => true,
            // Where writing may block, there is a job after every piece, and no other end of a
            // turn.
            Step::Yield | Step::Working => self.meter.bytes() >= last,
            Step::AllReceived | Step::Ended(..) => false,
        }
    }

    /// Tells the loop what is waited for after `step`; ends the transfer if the loop cannot watch
    /// that.
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
            pcx.cx.set_interest(stream.id(), interest);
        }
        step
    }

    /// The data connection, to close it, and what was moved on it.
    pub(crate) fn into_connection(self) -> Option<(DataConnection, Meter)> {
        match self.route {
            Route::Send(it, _) | Route::Receive(it, _) => Some((it, self.meter)),
            Route::Reply(_) => None,
        }
    }

    /// Whether it sends. The client then takes the end of the stream for the end of the data.
    pub(crate) fn sends(&self) -> bool {
        !matches!(self.route, Route::Receive(..))
    }

    /// Bytes moved on the data connection.
    pub(crate) fn bytes(&self) -> u64 {
        self.meter.bytes()
    }

    pub(crate) fn stream_id(&self) -> Option<SourceId> {
        self.route.stream().map(|stream| stream.id())
    }

    /// Whether the lines go to the control connection.
    pub(crate) fn is_to_replies(&self) -> bool {
        matches!(self.route, Route::Reply(_))
    }

    /// When the pump wants to be looked at, whatever happens on its connection.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.resume_at
            .or_else(|| self.look_at())
            .or_else(|| self.stalled_at())
    }

    /// Whether there was no progress for too long.
    ///
    /// That the system takes no more of a download does not say so: it may hold megabytes, which a
    /// slow client takes minutes for. That the client has acknowledged nothing of them does.
    pub(crate) fn is_stalled(&mut self, now: Instant) -> bool {
        if self.resume_at.is_some() {
            return false;
        }
        let is_late = self.stalled_at().is_some_and(|at| at <= now);
        if is_late || self.look_at().is_some_and(|at| at <= now) {
            return !self.look(now) && is_late;
        }
        false
    }

    /// Looks at what is acknowledged; whether that is more than at the last look since there was
    /// progress, which is progress, too.
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

    /// What the client of a download has acknowledged, where the system tells. What it has not
    /// would not do: what TLS held back takes the place of what was acknowledged.
    fn acknowledged(&self) -> Option<u64> {
        let Route::Send(DataConnection { stream, .. }, _) = &self.route else {
            return None;
        };
        ftpdlib_sys::acknowledged(stream.socket().get_ref().as_fd()).ok()
    }

    /// Ends a transfer that has made no progress for too long: its client is gone, unless it is the
    /// disk that a thread still waits for, with the file.
    ///
    /// Lines of a reply have no other way to tell that they are not all: there the session ends,
    /// too.
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
        Step::Ended(TransferEnd::LocalError, Some(Refusal::local_error()))
    }

    /// Whether the rate allows to go on after a pause.
    pub(crate) fn may_resume(&self, now: Instant) -> bool {
        self.resume_at.is_some_and(|at| at <= now)
    }

    /// When to look for the first time since the last progress. Later looks are compared with that
    /// one, so it comes long before the next: a client that reads slowly acknowledges rarely, and
    /// then much at once.
    fn look_at(&self) -> Option<Instant> {
        let progress = self.meter.progress();
        let is_new = self.last_look.is_none_or(|look| look.progress != progress);
        let Route::Send(DataConnection { stream, .. }, _) = &self.route else {
            return None;
        };
        let timeout = self.timeout.filter(|_| is_new && stream.is_established())?;
        Some(progress + timeout / 10)
    }

    fn stalled_at(&self) -> Option<Instant> {
        let timeout = if self.route.is_established() || self.is_finishing() {
            self.timeout
        } else {
            self.handshake_timeout
        };
        // Never, where the time cannot be represented.
        timeout.and_then(|timeout| self.meter.progress().checked_add(timeout))
    }
}

/// The meter of a transfer that begins `now`: for the server's rate, or for the user's own, which
/// stands in for it and is shared by all transfers of that user's sessions that have the same.
fn new_meter(account: &Account, direction: TransferDirection, over: Over, now: Instant) -> Meter {
    let (service, login) = (account.service(), account.login());
    let dtp = &service.dtp;
    let (rate, of_user) = match (over, direction) {
        (Over::Control, _) => (0, None),
        (Over::Data, TransferDirection::Upload) => (dtp.read_limit, login.read_limit),
        (Over::Data, TransferDirection::Download) => (dtp.write_limit, login.write_limit),
    };
    let rate = if of_user.is_some() { 0 } else { rate };
    let shared = of_user.filter(|&rate| rate != 0).map(|rate| {
        let username = &login.username;
        service.user_rates.share(username, direction, rate, now)
    });
    Meter::new(Throttle::new(rate, now), shared, now)
}

/// What is told where a file ends before the size it had when it was opened.
fn became_shorter() -> Refusal {
    Refusal::new(451, "File became shorter while it was sent.")
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
