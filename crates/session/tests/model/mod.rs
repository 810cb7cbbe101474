//! A driver that answers effects as a tape of bytes decides, and checks that the session keeps its
//! promises. Shared by the property tests and the fuzz targets.

mod answers;
mod ledger;
mod tape;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ftpdlib_proto::{ArgumentRule, TransferEnd};
use ftpdlib_session::{
    AdminEvent, ControlEvent, DataEvent, Effect, Job, Over, RegisteredCommand, Session,
    SessionConfig, TlsRules,
};
use ledger::{Ledger, Payload};
use tape::Tape;

/// Plays a tape, on which every byte decides what happens next, until everything is closed.
pub(crate) fn play(tape: &[u8]) {
    let mut model = Model::new(tape);
    if model.tape.choose(4) != 0 {
        model.log_in();
    }
    while !model.tape.is_empty() && !model.ledger.closed {
        model.step();
    }
    model.hang_up();
}

/// Hands over the lines of a text; everything else succeeds if it can.
pub(crate) fn read(text: &[u8]) {
    let mut model = Model::new(&[]);
    model.log_in();
    for line in text.split(|&byte| byte == b'\n') {
        while !model.session.wants_input() && !model.ledger.closed {
            model.oblige();
        }
        model.line(line);
        if line.len() % 2 == 0 {
            model.oblige();
        }
    }
    model.hang_up();
}

/// What a session may ask for only one at a time.
enum Asked {
    /// The login of this user.
    LogIn(String),
    Job(Job),
}

/// What the session has asked for and has not been given.
#[derive(Default)]
struct Outstanding {
    job: Option<Asked>,
    work: Option<Work>,
    listen: bool,
    connect: bool,
    secure: bool,
    transfer: Option<(Over, Option<TransferEnd>)>,
}

impl Outstanding {
    fn ask(&mut self, job: Asked) {
        assert!(self.job.is_none(), "two jobs at a time");
        assert!(self.work.is_none(), "a job beside work");
        self.job = Some(job);
    }
}

/// A digest or a copy.
struct Work {
    job: Job,
    cancelled: bool,
}

struct Model<'a> {
    session: Session<Payload>,
    now: Instant,
    tape: Tape<'a>,
    ledger: Ledger,
    outstanding: Outstanding,
    /// Whether a passive port is open.
    listening: bool,
    /// Whether a data connection is established.
    connected: bool,
    /// Whether a connection was accepted, and neither kept nor rejected yet.
    at_the_door: bool,
}

const PEER: &str = "192.0.2.7:50000";
const STRANGER: &str = "198.51.100.9:50001";

impl<'a> Model<'a> {
    fn new(tape: &'a [u8]) -> Self {
        let now = Instant::now();
        let mut tape = Tape::new(tape);
        let tls = match tape.choose(4) {
            0 | 1 => None,
            rules => Some(TlsRules {
                implicit: rules == 3,
                ..TlsRules::default()
            }),
        };
        let config = Arc::new(SessionConfig {
            tls,
            commands: vec![RegisteredCommand {
                name: "OWN".to_owned(),
                login_required: false,
                perm: None,
                argument: ArgumentRule::Optional,
                help: "Syntax: OWN".to_owned(),
                feature: None,
            }],
            ..SessionConfig::default()
        });
        let mut model = Self {
            session: Session::new(config, address(PEER), address("192.0.2.1:21"), now),
            now,
            tape,
            ledger: Ledger::default(),
            outstanding: Outstanding::default(),
            listening: false,
            connected: false,
            at_the_door: false,
        };
        model.ledger.owed = 1;
        model.take_effects();
        model
    }

    /// Makes one thing happen.
    fn step(&mut self) {
        match self.tape.choose(16) {
            0..=5 => {
                let line = self.tape.line();
                self.line(&line);
            }
            6 | 7 => self.oblige(),
            8 => self.answer_job(),
            9 => self.answer_data(),
            10 => self.end_transfer(),
            11 => {
                let seconds = [0, 1, 3, 29, 30, 300][self.tape.choose(6)];
                self.advance(Duration::from_secs(seconds));
            }
            12 => {
                let deadline = self.session.poll_timeout();
                let wait = deadline.map(|at| at.saturating_duration_since(self.now));
                self.advance(wait.unwrap_or_default());
            }
            13 => self.surprise(),
            14 if self.tape.choose(8) == 0 => self.admin(),
            15 if self.tape.choose(8) == 0 => self.control(ControlEvent::Closed),
            _ => {
                if self.session.wants_input() {
                    self.ledger.owed += 1;
                    match self.tape.choose(6) {
                        0 => self.veto(b"421"),
                        1 => self.veto(b""),
                        _ => self.control(ControlEvent::LineTooLong),
                    }
                }
            }
        }
    }

    fn veto(&mut self, asked: &[u8]) {
        let line = &self.tape.line();
        let reply = &answers::own_reply(asked);
        self.control(ControlEvent::Vetoed { line, reply });
    }

    fn log_in(&mut self) {
        if self.outstanding.secure {
            self.oblige();
        }
        self.line(b"USER alice");
        self.line(b"PASS secret");
        self.oblige();
        assert_eq!(self.session.username(), Some("alice"));
    }

    /// Hands over a line, if one is wanted.
    fn line(&mut self, line: &[u8]) {
        if !self.session.wants_input() {
            return;
        }
        self.ledger.owed += 1;
        let (transfers, private) = (self.session.is_transferring(), self.session.protects_data());
        let in_progress = transfers || self.session.is_working();
        self.ledger.aborting |= line.eq_ignore_ascii_case(b"ABOR") && in_progress;
        self.control(ControlEvent::Line(line));
        if transfers && self.session.is_transferring() {
            assert_eq!(self.session.protects_data(), private, "another protection");
        }
    }

    fn control(&mut self, event: ControlEvent<'_>) {
        if let ControlEvent::Closed = event {
            self.ledger.gone = true;
        }
        self.session.handle_control(event, self.now);
        self.take_effects();
    }

    fn admin(&mut self) {
        let event = match self.tape.choose(2) {
            0 => AdminEvent::Drain,
            _ => AdminEvent::Kick("Go away."),
        };
        self.session.handle_admin(event, self.now);
        self.take_effects();
    }

    /// Lets time pass; the session's next deadline must then be later.
    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.session.handle_timeout(self.now);
        let deadline = self.session.poll_timeout();
        assert!(deadline.is_none_or(|deadline| deadline > self.now));
        self.take_effects();
    }

    /// Gives the outstanding answer that makes things go on.
    fn oblige(&mut self) {
        if let Some(job) = self.outstanding.job.take() {
            let answer = answers::right(&job, &mut self.ledger);
            self.job(Ok(answer));
        } else if self.outstanding.secure {
            self.outstanding.secure = false;
            let event = ControlEvent::Secured { certificate: true };
            self.session.handle_control(event, self.now);
            self.take_effects();
        } else if let Some(work) = self.outstanding.work.take() {
            self.end_work(&work);
        } else if self.outstanding.listen {
            self.outstanding.listen = false;
            self.listening = true;
            self.data(DataEvent::Listening { port: 50_001 });
        } else if self.outstanding.connect {
            self.outstanding.connect = false;
            self.connected = true;
            self.data(DataEvent::Connected);
        } else if self.outstanding.transfer.is_some() {
            self.end_transfer();
        } else if self.listening {
            self.accept(PEER);
        } else {
            let deadline = self.session.poll_timeout();
            let wait = deadline.map(|at| at.saturating_duration_since(self.now));
            self.advance(wait.unwrap_or_default());
        }
    }

    fn answer_job(&mut self) {
        let Some(job) = self.outstanding.job.take() else {
            if let Some(work) = self.outstanding.work.take() {
                self.end_work(&work);
            }
            return;
        };
        let outcome = match self.tape.choose(4) {
            0 => Err(answers::refusal()),
            1 => Ok(answers::any(&mut self.tape, &mut self.ledger)),
            _ => Ok(answers::right(&job, &mut self.ledger)),
        };
        self.job(outcome);
    }

    fn end_work(&mut self, work: &Work) {
        let outcome = match self.tape.choose(4) {
            1 => Err(answers::refusal()),
            2 => Ok(answers::any(&mut self.tape, &mut self.ledger)),
            _ if work.cancelled => Err(answers::refusal()),
            _ => Ok(answers::of_action(&work.job.action, &mut self.ledger)),
        };
        self.job(outcome);
    }

    fn job(&mut self, outcome: ftpdlib_session::JobOutcome<Payload>) {
        self.session.handle_job(outcome, self.now);
        self.take_effects();
    }

    fn answer_data(&mut self) {
        if self.outstanding.listen {
            self.outstanding.listen = false;
            self.data(DataEvent::ListenFailed(answers::refusal()));
        } else if self.outstanding.connect {
            self.outstanding.connect = false;
            self.data(DataEvent::Failed);
        } else if self.listening {
            let peer = [PEER, STRANGER][self.tape.choose(2)];
            self.accept(peer);
        } else if self.connected && self.outstanding.transfer.is_none() {
            self.connected = false;
            self.data(DataEvent::Failed);
        }
    }

    fn accept(&mut self, peer: &str) {
        let peer = address(peer);
        self.at_the_door = true;
        self.data(DataEvent::Accepted { peer });
        assert!(!self.at_the_door, "a connection was left at the door");
    }

    fn end_transfer(&mut self) {
        let Some((over, abort)) = self.outstanding.transfer.take() else {
            return;
        };
        let end = match self.tape.choose(4) {
            0 => TransferEnd::Complete,
            _ => abort.unwrap_or_else(|| self.tape.end()),
        };
        if over == Over::Data {
            self.connected = false;
        }
        let refusal = (self.tape.choose(4) == 1).then(answers::refusal);
        let bytes = 5;
        self.data(DataEvent::Ended {
            end,
            bytes,
            refusal,
        });
    }

    /// Sends an event that answers no effect, or comes too late.
    fn surprise(&mut self) {
        match self.tape.choose(7) {
            0 if !self.outstanding.listen => self.data(DataEvent::Listening { port: 7 }),
            1 if !self.outstanding.connect => self.data(DataEvent::Connected),
            2 if self.outstanding.transfer.is_none() => {
                let end = TransferEnd::Complete;
                let (bytes, refusal) = (0, None);
                self.data(DataEvent::Ended {
                    end,
                    bytes,
                    refusal,
                });
            }
            3 if self.outstanding.job.is_none() && self.outstanding.work.is_none() => {
                let answer = answers::any(&mut self.tape, &mut self.ledger);
                self.job(Ok(answer));
            }
            4 => self.data(DataEvent::Progress { bytes: 3 }),
            5 if self.session.holds_line() => {
                self.control(ControlEvent::Ahead(b"ABOR"));
                assert!(!self.session.holds_line());
            }
            _ => {
                let owed = self.ledger.owed;
                if !self.session.wants_input() {
                    self.control(ControlEvent::Line(b"NOOP"));
                }
                assert_eq!(self.ledger.owed, owed, "an unwanted line was answered");
            }
        }
    }

    fn data(&mut self, event: DataEvent) {
        self.session.handle_data_event(event, self.now);
        self.take_effects();
    }

    /// Closes the client's connection; everything that is still open has to end, and the session
    /// with it.
    fn hang_up(&mut self) {
        if !self.ledger.closed {
            self.control(ControlEvent::Closed);
        }
        for _ in 0..4 {
            let outstanding = &self.outstanding;
            let something = outstanding.work.is_some() || outstanding.transfer.is_some();
            if outstanding.job.is_some() || something {
                self.oblige();
            }
        }
        assert!(self.ledger.closed, "the session never ended");
        self.surprise();
    }

    fn take_effects(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            assert!(!self.ledger.closed, "{effect:?} after Close");
            self.carry_out(effect);
        }
        if self.ledger.closed {
            assert!(!self.session.wants_input());
            assert_eq!(self.session.poll_timeout(), None);
        }
        if self.outstanding.job.is_some() || self.outstanding.listen || self.outstanding.secure {
            assert!(!self.session.wants_input());
        }
        if self.session.wants_input() {
            let in_progress = self.session.is_transferring() || self.session.is_working();
            let owed = u32::from(in_progress);
            assert_eq!(self.ledger.owed, owed, "final replies missing or too many");
        }
    }

    fn carry_out(&mut self, effect: Effect<Payload>) {
        let outstanding = &mut self.outstanding;
        match effect {
            Effect::Reply(reply) | Effect::TransferReply(reply) => self.ledger.reply(&reply),
            Effect::LogIn { username, .. } => outstanding.ask(Asked::LogIn(username)),
            Effect::Job(job) => outstanding.ask(Asked::Job(job)),
            Effect::Secure => {
                assert!(
                    !outstanding.secure && !self.session.is_secure(),
                    "TLS twice"
                );
                outstanding.secure = true;
            }
            Effect::StartWork(job) => {
                assert!(outstanding.job.is_none() && outstanding.work.is_none());
                assert!(outstanding.transfer.is_none(), "work beside a transfer");
                let cancelled = false;
                outstanding.work = Some(Work { job, cancelled });
            }
            Effect::CancelWork => {
                let work = outstanding.work.as_mut().expect("work to cancel");
                assert!(!work.cancelled, "cancelled twice");
                work.cancelled = true;
            }
            Effect::Listen => {
                assert!(!outstanding.listen && !self.listening && !self.connected);
                outstanding.listen = true;
            }
            Effect::AcceptData => {
                assert!(self.at_the_door && self.listening);
                (self.at_the_door, self.listening, self.connected) = (false, false, true);
            }
            Effect::RejectData => {
                assert!(self.at_the_door);
                self.at_the_door = false;
            }
            Effect::Connect(target) => {
                assert_eq!(target.ip(), address(PEER).ip());
                assert!(!outstanding.connect && !self.listening && !self.connected);
                outstanding.connect = true;
            }
            Effect::StartTransfer(transfer) => {
                self.ledger.give_back(&transfer.payload);
                assert!(outstanding.transfer.is_none(), "two transfers at a time");
                assert!(self.connected || transfer.over == Over::Control);
                outstanding.transfer = Some((transfer.over, None));
            }
            Effect::AbortTransfer(end) => {
                let (_, abort) = outstanding.transfer.as_mut().expect("a transfer to abort");
                assert_eq!(abort.replace(end), None, "aborted twice");
            }
            Effect::Discard(payload) => self.ledger.give_back(&payload),
            Effect::CloseData => {
                let over_data = |(over, _): &(_, _)| *over == Over::Data;
                assert!(!outstanding.transfer.as_ref().is_some_and(over_data));
                (self.listening, self.connected) = (false, false);
                (outstanding.listen, outstanding.connect) = (false, false);
            }
            Effect::BeginAnswer | Effect::ForgetLogin | Effect::Event(_) => {}
            Effect::Close => {
                assert!(outstanding.transfer.is_none());
                // These did not end in time. The ledger checks that no reply to them is owed.
                (outstanding.job, outstanding.work) = (None, None);
                assert!(!self.listening && !self.connected && !outstanding.connect);
                // A client that does not finish a handshake cannot be told anything.
                self.ledger.gone |= outstanding.secure;
                self.ledger.close();
            }
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address of this file")
}
