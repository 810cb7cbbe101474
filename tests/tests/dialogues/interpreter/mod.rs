//! Runs a dialogue through a `Session` and a driver made of memory.

mod client;
mod jobs;
mod tree;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{DataConnection, lossy};
use ftpdlib_proto::{Line, LineDecoder, NameEncoding, Reply, TransferEnd};
use ftpdlib_session::{
    AdminEvent, ControlEvent, DataEvent, Effect, Job, Over, Session, SessionConfig,
};
use ftpdlib_tests::dialogue::{Dialogue, Setting, Step};
use jobs::{Payload, User};
use tree::Tree;

/// Runs a dialogue.
///
/// # Errors
///
/// The line that went wrong, and how.
pub(crate) fn run(dialogue: &Dialogue) -> Result<(), String> {
    let mut runner = Runner::new(dialogue)?;
    for (line, step) in &dialogue.steps {
        runner.step(step).map_err(|why| format!("{line}: {why}"))?;
    }
    if runner.replies.is_empty() {
        Ok(())
    } else {
        Err(format!(" unread at the end: {}", runner.unread()))
    }
}

/// Both ends of the control connection, and everything behind the server's.
struct Runner {
    session: Session<Payload>,
    now: Instant,
    decoder: LineDecoder,
    /// What the client has sent and the session has not taken yet.
    sent: VecDeque<u8>,
    /// How many of these bytes are lines that the session was told ahead of their turn.
    told: usize,
    /// Lines the client has not read yet.
    replies: VecDeque<Vec<u8>>,
    skipping: bool,
    closed: bool,
    tree: Tree,
    user: Option<User>,
    /// A job that waits to be done, while jobs take long.
    held: Option<Effect<Payload>>,
    jobs_are_held: bool,
    data: DataConnection,
}

impl Runner {
    fn new(dialogue: &Dialogue) -> Result<Self, String> {
        let mut config = SessionConfig::default();
        let mut addresses = ("127.0.0.1:50000", "127.0.0.1:21");
        let mut tree = Tree::default();
        for (_, step) in &dialogue.steps {
            match step {
                Step::Set(setting) => set(&mut config, setting)?,
                Step::Ipv6 => addresses = ("[::1]:50000", "[::1]:21"),
                Step::File { path, content } => tree.add_file(path, content),
                Step::Directory(path) => tree.add_directory(path),
                _ => {}
            }
        }
        let now = Instant::now();
        let (peer, local) = (address(addresses.0), address(addresses.1));
        let mut runner = Self {
            session: Session::new(Arc::new(config), peer, local, now),
            now,
            decoder: LineDecoder::default(),
            sent: VecDeque::new(),
            told: 0,
            replies: VecDeque::new(),
            skipping: false,
            closed: false,
            tree,
            user: None,
            held: None,
            jobs_are_held: false,
            data: DataConnection::new(peer),
        };
        runner.turn();
        Ok(runner)
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Client(line) => {
                self.sent.extend(self.data.fill_in(line)?);
                self.sent.extend(b"\r\n");
            }
            Step::Server(expected) => self.expect(expected)?,
            Step::Skip => self.skipping = true,
            Step::Data(step) => self.data.take(step)?,
            Step::HangUp => self.session.handle_control(ControlEvent::Closed, self.now),
            Step::Closed if !self.closed => return Err("not closed".to_owned()),
            Step::Closed | Step::Quiet if !self.replies.is_empty() => {
                return Err(format!("unexpected: {}", self.unread()));
            }
            Step::Content { path, content } => self.tree.check(path, Some(content))?,
            Step::Absent(path) => self.tree.check(path, None)?,
            Step::Advance(time) => self.advance(*time),
            Step::HoldJobs => self.jobs_are_held = true,
            Step::ReleaseJobs => {
                self.jobs_are_held = false;
                if let Some(effect) = self.held.take() {
                    self.carry_out(effect);
                }
            }
            Step::Stall => self.data.abort(TransferEnd::Stalled),
            Step::Drain => self.session.handle_admin(AdminEvent::Drain, self.now),
            Step::Kick(text) => {
                let event = AdminEvent::Kick(text.clone().leak());
                self.session.handle_admin(event, self.now);
            }
            Step::Closed
            | Step::Quiet
            | Step::File { .. }
            | Step::Directory(_)
            | Step::Set(_)
            | Step::Ipv6 => {}
        }
        self.turn();
        self.data.complaint()
    }

    /// Reads lines of the server up to one that begins as expected; only one, unless skipping.
    fn expect(&mut self, expected: &[u8]) -> Result<(), String> {
        let skipping = std::mem::take(&mut self.skipping);
        loop {
            let Some(line) = self.replies.pop_front() else {
                return Err(format!("nothing came, expected {}", lossy(expected)));
            };
            if line.starts_with(expected) {
                self.data.hear(&line);
                return Ok(());
            }
            if !skipping {
                let (got, expected) = (lossy(&line), lossy(expected));
                return Err(format!("got {got:?}, expected {expected:?}"));
            }
        }
    }

    fn unread(&self) -> String {
        let lines: Vec<_> = self.replies.iter().map(|line| lossy(line)).collect();
        lines.join(" / ")
    }

    /// Lets time pass, deadline by deadline.
    fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.session.poll_timeout().filter(|at| *at <= until) {
            self.now = deadline;
            self.session.handle_timeout(deadline);
            self.turn();
        }
        self.now = until;
    }

    /// Carries everything out that can be, until nothing changes any more.
    fn turn(&mut self) {
        loop {
            while let Some(effect) = self.session.poll_effect() {
                self.carry_out(effect);
            }
            if let Some(event) = self.data.poll_event() {
                if let Some((path, content)) = self.data.take_stored() {
                    self.tree.store(&path, content);
                }
                self.session.handle_data_event(event, self.now);
            } else if !self.hand_over_line() {
                return;
            }
        }
    }

    fn hand_over_line(&mut self) -> bool {
        if self.session.holds_line() && self.look_ahead() {
            return true;
        }
        if !self.session.wants_input() || self.sent.is_empty() {
            return false;
        }
        let is_utf8 = self.session.encoding() == NameEncoding::UTF_8;
        self.decoder.read_letters(!is_utf8);
        let mut rest: &[u8] = self.sent.make_contiguous();
        let before = rest.len();
        let event = match self.decoder.next(&mut rest) {
            Some(Line::Complete(line)) => Some(ControlEvent::Line(line)),
            Some(Line::TooLong) => Some(ControlEvent::LineTooLong),
            None => None,
        };
        let taken = before - rest.len();
        if let Some(event) = event {
            if let Some(bytes) = self.data.progress() {
                let event = DataEvent::Progress { bytes };
                self.session.handle_data_event(event, self.now);
            }
            self.session.handle_control(event, self.now);
        }
        self.sent.drain(..taken);
        self.told = self.told.saturating_sub(taken);
        true
    }

    /// Tells the session of the lines behind the one that it holds, until that has its turn.
    fn look_ahead(&mut self) -> bool {
        let mut decoder = self.decoder.clone();
        let sent = self.sent.make_contiguous();
        let mut rest = &sent[self.told..];
        while let Some(line) = decoder.next(&mut rest) {
            self.told = sent.len() - rest.len();
            if let Line::Complete(line) = line {
                self.session
                    .handle_control(ControlEvent::Ahead(line), self.now);
            }
            if !self.session.holds_line() {
                return true;
            }
        }
        false
    }

    fn carry_out(&mut self, effect: Effect<Payload>) {
        match effect {
            Effect::Reply(reply) | Effect::TransferReply(reply) => self.send(&reply),
            Effect::LogIn { .. } | Effect::Job(_) | Effect::StartWork(_) if self.jobs_are_held => {
                self.held = Some(effect);
            }
            Effect::LogIn { username, password } => {
                let password = password.as_ref().map_or("", |password| &password.0);
                let outcome = jobs::log_in(&mut self.user, username, password);
                self.session.handle_job(outcome, self.now);
            }
            Effect::Job(job) | Effect::StartWork(job) => self.work(job),
            Effect::CancelWork => {
                if self.held.take().is_some() {
                    self.session.handle_job(jobs::cancelled(), self.now);
                }
            }
            Effect::StartTransfer(transfer) if transfer.over == Over::Control => {
                let content = transfer.payload.into_content();
                for line in content.split_inclusive(|&byte| byte == b'\n') {
                    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
                    self.replies.push_back([b" ", line].concat());
                }
                let event = DataEvent::Ended {
                    end: TransferEnd::Complete,
                    bytes: content.len() as u64,
                    refusal: None,
                };
                self.session.handle_data_event(event, self.now);
            }
            Effect::StartTransfer(transfer) => self.data.start(transfer),
            Effect::AbortTransfer(end) => self.data.abort(end),
            Effect::Listen => self.data.server_listens(),
            Effect::AcceptData => self.data.answer_door(true),
            Effect::RejectData => self.data.answer_door(false),
            Effect::Connect(target) => self.data.server_connects(target),
            Effect::CloseData => self.data.server_closes(),
            Effect::BeginAnswer | Effect::Discard(_) | Effect::Event(_) => {}
            Effect::ForgetLogin => self.user = None,
            Effect::Close => self.closed = true,
            other => panic!("the runner does not know {other:?}"),
        }
    }

    fn send(&mut self, reply: &Reply) {
        let mut wire = Vec::new();
        reply.encode(self.session.encoding(), &mut wire);
        for line in wire.split_inclusive(|&byte| byte == b'\n') {
            let line = line.strip_suffix(b"\r\n").expect("a reply has whole lines");
            self.replies.push_back(line.to_vec());
        }
    }

    fn work(&mut self, job: Job) {
        let outcome = jobs::work(&mut self.tree, &mut self.user, job);
        self.session.handle_job(outcome, self.now);
    }
}

fn set(config: &mut SessionConfig, setting: &Setting) -> Result<(), String> {
    let Setting { name, value } = setting;
    let seconds = || value.parse().map(Duration::from_secs).map_err(|_| value);
    let time = |seconds: Duration| (!seconds.is_zero()).then_some(seconds);
    let wrong = |value: &String| format!(" {name}: no such value {value}");
    match name.as_str() {
        "banner" => config.banner = value.replace("\\n", "\n"),
        "timeout" => config.timeout = time(seconds().map_err(wrong)?),
        "passive_timeout" => config.passive_timeout = time(seconds().map_err(wrong)?),
        "auth_failed_timeout" => config.auth_failed_timeout = seconds().map_err(wrong)?,
        "max_login_attempts" => {
            config.max_login_attempts = value.parse().map_err(|_| wrong(value))?;
        }
        "host_names" => config.host_names = value.split(' ').map(str::to_owned).collect(),
        "encoding" => {
            config.encoding = NameEncoding::for_label(value).map_err(|_| wrong(value))?;
        }
        "permit_foreign_addresses" => config.permit_foreign_addresses = value == "true",
        "permit_privileged_ports" => config.permit_privileged_ports = value == "true",
        "masquerade_address" => {
            config.masquerade_address = Some(value.parse().map_err(|_| wrong(value))?);
        }
        _ => return Err(format!(" no such setting: {name}")),
    }
    Ok(())
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address of this file")
}
