//! The data transfer process: moves the bytes of one transfer, a bounded piece per turn.

mod produce;
mod receive;
mod send_file;
mod throttle;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Context, Interest, Notifier, Socket, SourceId};
use ftpdlib_proto::{ReplyCode, TransferEnd, TransferType};
use ftpdlib_session::{Direction, Refusal, Transfer};
use mio::net::TcpStream;

use crate::Service;
use crate::jobs::{Account, Opened, Payload};
use crate::rates::{SharedRate, Way};
use produce::Produce;
use receive::Receive;
use send_file::SendFile;
pub(crate) use throttle::Throttle;

/// Most bytes that one transfer moves in one turn of the loop.
const TURN_BYTES: usize = 1 << 20;

/// What a pump came to in a turn.
pub(crate) enum Step {
    /// Nothing more can be moved before the data connection is ready for this.
    Wait(Interest),
    /// The turn's share was moved; there may be more.
    Yield,
    /// The rate allows nothing more before this.
    Pause(Instant),
    /// A job is running; the pump is to run again when it has ended.
    Working,
    /// It is over.
    Ended(TransferEnd, Option<Refusal>),
}

/// What the pumps need of their connection.
pub(crate) struct PumpContext<'a, 'l> {
    pub(crate) cx: &'a mut Context<'l>,
    pub(crate) service: &'a Service,
    pub(crate) notifier: &'a Notifier,
    /// Replies waiting to be sent: where a listing goes that has no data connection.
    pub(crate) replies: &'a mut Vec<u8>,
}

/// One transfer.
pub(crate) struct Pump {
    stream: Option<Socket<TcpStream>>,
    account: Arc<Account>,
    work: Work,
    meter: Meter,
    /// No progress for this long ends the transfer.
    timeout: Option<Duration>,
    /// The rate allows nothing before this.
    resume_at: Option<Instant>,
    /// Told to stop; a job that runs is all it waits for.
    stopping: bool,
    /// The control connection is lost: only what had arrived by then is still taken, up to this
    /// many bytes in all.
    take_until: Option<u64>,
}

/// How the bytes get from one end to the other.
enum Work {
    SendFile(SendFile),
    Produce(Produce),
    Receive(Receive),
}

/// Counts what was moved, and allows what may be.
pub(crate) struct Meter {
    bytes: u64,
    progress: Instant,
    throttle: Throttle,
    /// The rate that all transfers of the user share, if there is one.
    shared: Option<Arc<SharedRate>>,
    /// What of that is left to this transfer in this turn; the rest is for the others.
    share: usize,
    budget: usize,
}

impl Meter {
    /// Begins a turn.
    fn begin_turn(&mut self, now: Instant) {
        self.budget = TURN_BYTES;
        let shared = self.shared.as_ref();
        self.share = shared.map_or(usize::MAX, |shared| shared.allowance(now));
    }

    /// Most bytes that may be moved now; `Err` with what to do if none may.
    fn allowance(&mut self, now: Instant) -> Result<usize, Step> {
        if self.budget == 0 {
            return Err(Step::Yield);
        }
        let shared = self.shared.as_ref();
        match self.throttle.allowance(now) {
            0 => Err(Step::Pause(self.throttle.resume_at(now))),
            _ if self.share == 0 => Err(Step::Pause(
                shared.map_or(now, |shared| shared.resume_at(now)),
            )),
            own => Ok(own.min(self.share).min(self.budget)),
        }
    }

    /// Counts work that takes as long as moving `bytes` would; `Err` with what to do if the turn has
    /// no time left for it.
    fn work(&mut self, bytes: usize) -> Result<(), Step> {
        if self.budget == 0 {
            return Err(Step::Yield);
        }
        self.budget = self.budget.saturating_sub(bytes);
        Ok(())
    }

    fn moved(&mut self, bytes: usize, now: Instant) {
        self.bytes += bytes as u64;
        self.budget = self.budget.saturating_sub(bytes);
        self.progress = now;
        self.throttle.spend(bytes);
        if let Some(shared) = &self.shared {
            shared.spend(bytes);
            self.share = self.share.saturating_sub(bytes);
        }
    }
}

impl Pump {
    /// A pump for `transfer` over `stream`; a listing without one goes to the replies. `rates` are
    /// those set for the session, uploads first.
    pub(crate) fn new(
        transfer: Transfer<Payload>,
        stream: Option<Socket<TcpStream>>,
        service: &Service,
        rates: Option<(u64, u64)>,
        now: Instant,
    ) -> Self {
        let Transfer {
            payload: Payload { account, opened },
            direction,
            transfer_type,
            ..
        } = transfer;
        let dtp = &service.dtp;
        let (rate, of_user, way) = match direction {
            Direction::Receive => (dtp.read_limit, account.login().read_limit, Way::Upload),
            Direction::Send => (dtp.write_limit, account.login().write_limit, Way::Download),
            Direction::Control => (0, None, Way::Download),
        };
        // A user's own limit stands in for the server's.
        let rate = if of_user.is_some() { 0 } else { rate };
        let shared = of_user.filter(|&rate| rate != 0).map(|rate| {
            service
                .user_rates
                .of(&account.login().username, way, rate, now)
        });
        let work = match opened {
            Opened::Read(file) => {
                let plain = transfer_type == TransferType::Image;
                if plain && service.use_sendfile && account.lane().is_none() {
                    match SendFile::new(file) {
                        Ok(send_file) => Work::SendFile(send_file),
                        Err(file) => Work::Produce(Produce::file(file, transfer_type, dtp)),
                    }
                } else {
                    Work::Produce(Produce::file(file, transfer_type, dtp))
                }
            }
            Opened::List(listing) => Work::Produce(Produce::listing(listing)),
            Opened::Write(file) => Work::Receive(Receive::new(file, transfer_type, dtp)),
        };
        let throttle = Throttle::new(rate, now);
        let mut pump = Self {
            stream,
            account,
            work,
            meter: Meter {
                bytes: 0,
                progress: now,
                throttle,
                shared,
                share: 0,
                budget: 0,
            },
            timeout: dtp.timeout,
            resume_at: None,
            stopping: false,
            take_until: None,
        };
        if let Some(rates) = rates {
            pump.set_rates(rates);
        }
        pump
    }

    /// Keeps to other rates from now on, uploads first.
    pub(crate) fn set_rates(&mut self, (upload, download): (u64, u64)) {
        let rate = match self.work {
            Work::Receive(_) => upload,
            Work::SendFile(_) | Work::Produce(_) => download,
        };
        self.meter.throttle.set_rate(rate);
    }

    /// Moves what can be moved in a turn.
    pub(crate) fn run(&mut self, pcx: &mut PumpContext<'_, '_>) -> Step {
        self.meter.begin_turn(pcx.cx.now());
        self.resume_at = None;
        let step = loop {
            let (account, meter) = (&self.account, &mut self.meter);
            let step = match (&mut self.work, &self.stream) {
                (Work::SendFile(work), Some(stream)) => work.run(stream, meter, pcx),
                (Work::Produce(work), Some(stream)) => work.run(stream, account, meter, pcx),
                (Work::Produce(work), None) => work.run_to_replies(account, meter, pcx),
                (Work::Receive(work), Some(stream)) => work.run(stream, account, meter, pcx),
                (Work::SendFile(_) | Work::Receive(_), None) => {
                    Step::Ended(TransferEnd::LocalError, None)
                }
            };
            // A file system without sendfile: go on from where it stopped, by copying.
            match &mut self.work {
                Work::SendFile(work) if work.is_unsupported() => {
                    let Some(file) = work.take_file() else {
                        break step;
                    };
                    let dtp = &pcx.service.dtp;
                    self.work = Work::Produce(Produce::file(file, TransferType::Image, dtp));
                }
                _ => break step,
            }
        };
        let waits = matches!(step, Step::Wait(_) | Step::Pause(_));
        if !self.stopping
            && let Some(most) = self.take_until
            && (waits || self.meter.bytes >= most)
            && !matches!(step, Step::Ended(..))
        {
            return self.stop(TransferEnd::ControlLost, pcx);
        }
        self.after(step, pcx.cx)
    }

    /// Stops as `end` says; the answer is an end, or a job that leads to one.
    pub(crate) fn abort(&mut self, end: TransferEnd, pcx: &mut PumpContext<'_, '_>) -> Step {
        if end == TransferEnd::ControlLost
            && let Some(step) = self.take_what_arrived(pcx)
        {
            return step;
        }
        self.stop(end, pcx)
    }

    /// Stops, whatever has arrived.
    fn stop(&mut self, end: TransferEnd, pcx: &mut PumpContext<'_, '_>) -> Step {
        self.stopping = true;
        let step = match &mut self.work {
            Work::SendFile(_) | Work::Produce(_) => Step::Ended(end, None),
            Work::Receive(work) => work.abort(end, &self.account, pcx),
        };
        self.after(step, pcx.cx)
    }

    /// An upload whose last byte and end have arrived is complete, even if the client has closed
    /// its control connection right after.
    fn take_what_arrived(&mut self, pcx: &mut PumpContext<'_, '_>) -> Option<Step> {
        /// More than a socket holds.
        const ARRIVED: u64 = 64 << 20;
        self.take_until = Some(self.meter.bytes + ARRIVED);
        while matches!(self.work, Work::Receive(_)) {
            match self.run(pcx) {
                Step::Yield => {}
                step => return Some(step),
            }
        }
        None
    }

    fn after(&mut self, step: Step, cx: &mut Context<'_>) -> Step {
        let interest = match &step {
            Step::Wait(interest) => *interest,
            Step::Yield => match self.work {
                Work::SendFile(_) | Work::Produce(_) => Interest::WRITE,
                Work::Receive(_) => Interest::READ,
            },
            Step::Pause(at) => {
                self.resume_at = Some(*at);
                Interest::NONE
            }
            Step::Working | Step::Ended(..) => Interest::NONE,
        };
        if let Some(stream) = &self.stream {
            cx.set_interest(stream.id(), interest);
        }
        step
    }

    /// Takes the data connection away, to close it.
    pub(crate) fn take_stream(&mut self) -> Option<Socket<TcpStream>> {
        self.stream.take()
    }

    /// Whether a client waits for the end of the stream that only closing it gives.
    pub(crate) fn sends(&self) -> bool {
        !matches!(self.work, Work::Receive(_))
    }

    /// Bytes moved on the data connection.
    pub(crate) fn bytes(&self) -> u64 {
        self.meter.bytes
    }

    pub(crate) fn stream_id(&self) -> Option<SourceId> {
        self.stream.as_ref().map(Socket::id)
    }

    /// Whether the lines go to the control connection.
    pub(crate) fn is_to_replies(&self) -> bool {
        self.stream.is_none()
    }

    /// When the pump wants to be looked at, whatever happens on its connection.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.resume_at
            .or_else(|| self.stalled_at())
            .filter(|_| !self.stopping)
    }

    /// Whether there was no progress for too long.
    pub(crate) fn is_stalled(&self, now: Instant) -> bool {
        !self.stopping && self.resume_at.is_none() && self.stalled_at().is_some_and(|at| at <= now)
    }

    /// Whether the rate allows to go on after a pause.
    pub(crate) fn may_resume(&self, now: Instant) -> bool {
        self.resume_at.is_some_and(|at| at <= now)
    }

    fn stalled_at(&self) -> Option<Instant> {
        self.timeout.map(|timeout| self.meter.progress + timeout)
    }
}

/// The refusal for a job that panicked.
fn panicked() -> Refusal {
    Refusal {
        code: ReplyCode::new(451),
        text: "Requested action aborted: local error in processing.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::UserRates;

    #[test]
    fn the_first_transfer_of_a_user_leaves_some_of_the_rate_to_the_second() {
        let (rates, start) = (UserRates::default(), Instant::now());
        let mut meters = [(); 2].map(|()| Meter {
            bytes: 0,
            progress: start,
            throttle: Throttle::new(0, start),
            shared: Some(rates.of("alice", Way::Download, 1 << 20, start)),
            share: 0,
            budget: 0,
        });
        for turn in 1..200 {
            let now = start + turn * Duration::from_millis(50);
            for meter in &mut meters {
                meter.begin_turn(now);
                while let Ok(bytes) = meter.allowance(now) {
                    meter.moved(bytes, now);
                }
            }
        }
        let [first, second] = meters.map(|meter| meter.bytes);
        assert!(second > first / 4, "{first} and {second} bytes");
        assert!(first + second > 9 << 20, "{first} and {second} bytes");
    }
}
