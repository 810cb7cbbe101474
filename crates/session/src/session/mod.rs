//! The protocol interpreter: its state, its inputs and its outputs.

mod attributes;
mod data_channel;
mod data_ports;
mod ending;
mod files;
mod gate;
mod held;
mod information;
mod login;
mod parameters;
mod pending;
mod registered;
mod running;
mod security;
mod timers;
mod transfer;
mod work;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::{NameEncoding, Perm, Reply, TransferEnd, Verb, VirtualPath};

use crate::{
    Action, AdminEvent, ControlEvent, DataEvent, Effect, Job, JobOutcome, SessionConfig,
    SessionEvent,
};
use data_channel::DataChannel;
use ending::Ending;
use files::Selected;
use login::Login;
use parameters::Parameters;
use pending::{Pending, Purpose};
use security::Security;

/// The protocol state of one client. `P` is an opened file or listing, opaque here.
///
/// The [crate's documentation](crate) says what a driver has to do.
///
/// # Examples
///
/// See the [crate's documentation](crate#examples).
#[derive(Debug)]
pub struct Session<P> {
    config: Arc<SessionConfig>,
    /// The client's end of the control connection; never an IPv4-mapped address.
    peer: SocketAddr,
    /// The address of our end; never an IPv4-mapped one.
    local: IpAddr,
    /// Address given in 227 instead of `local`.
    masquerade: Option<Ipv4Addr>,
    effects: VecDeque<Effect<P>>,
    pending: Pending,
    data: DataChannel<P>,
    /// Whether the last transfer broke off by itself, and no ABOR or new login has come since.
    has_broken_off: bool,
    /// Whether an ABOR seen ahead of its turn has taken effect: what it stopped was answered 426,
    /// and the ABOR itself will be answered 226 in its turn.
    aborted_ahead: bool,
    ending: Ending,
    login: Login,
    failed_logins: u32,
    /// Whether a download was refused and its data connection kept for another one.
    kept_for_download: bool,
    /// Number of consecutive lines that were no commands.
    unknown_commands: u32,
    working_directory: VirtualPath,
    parameters: Parameters,
    security: Security,
    /// What RNFR or CPFR named, if it was the previous command, not counting NOOP.
    selected: Option<Selected>,
    /// When the idle time began.
    active_at: Instant,
}

impl<P> Session<P> {
    /// Creates a session with its greeting queued; with implicit TLS, the greeting follows the
    /// handshake.
    ///
    /// `peer` and `local` are the ends of the control connection. IPv4-mapped IPv6 addresses count
    /// as IPv4.
    pub fn new(
        config: Arc<SessionConfig>,
        peer: SocketAddr,
        local: SocketAddr,
        now: Instant,
    ) -> Self {
        let greeting = Reply::paragraph(220, &config.banner);
        Self::with_greeting(config, peer, local, now, greeting)
    }

    /// Creates a session as [`new`](Self::new) does, but with its own `greeting` instead of the
    /// configured one. A greeting of 421 ends the session.
    pub fn with_greeting(
        config: Arc<SessionConfig>,
        mut peer: SocketAddr,
        local: SocketAddr,
        now: Instant,
        greeting: Reply,
    ) -> Self {
        // The scope of a link-local address is kept.
        peer.set_ip(peer.ip().to_canonical());
        let mut session = Self {
            peer,
            local: local.ip().to_canonical(),
            masquerade: config.masquerade_address,
            effects: VecDeque::new(),
            pending: Pending::Nothing,
            data: DataChannel::Closed,
            has_broken_off: false,
            aborted_ahead: false,
            ending: Ending::Open,
            login: Login::Out,
            failed_logins: 0,
            kept_for_download: false,
            unknown_commands: 0,
            working_directory: VirtualPath::root(),
            parameters: Parameters::new(&config),
            security: Security::default(),
            selected: None,
            active_at: now,
            config,
        };
        session.begin(greeting, now);
        session.close_if_over();
        session
    }

    /// Takes an event of the control connection.
    ///
    /// A line that comes while [`wants_input`](Self::wants_input) is false is dropped unanswered.
    pub fn handle_control(&mut self, event: ControlEvent<'_>, now: Instant) {
        if let ControlEvent::Line(_) | ControlEvent::LineTooLong | ControlEvent::Vetoed { .. } =
            event
        {
            if !self.wants_input() {
                return;
            }
            self.active_at = now;
        }
        match event {
            ControlEvent::Closed => self.control_lost(now),
            ControlEvent::Secured { certificate } => self.secured(certificate, now),
            ControlEvent::Ahead(line) => self.look_ahead(line, now),
            ControlEvent::Line(line) => self.answer_line(line, now),
            ControlEvent::LineTooLong => self.answer_long_line(),
            ControlEvent::Vetoed { line, reply } => self.answer_vetoed(line, reply.clone(), now),
        }
        self.close_if_over();
    }

    /// Takes the outcome of the last job requested. After [`Effect::Close`] it is dropped, along
    /// with what the job opened.
    pub fn handle_job(&mut self, outcome: JobOutcome<P>, now: Instant) {
        if self.ending.is_closed() {
            return;
        }
        self.active_at = now;
        self.job_ended(outcome, now);
        self.await_transfer(now);
        self.close_if_over();
    }

    /// Notes that the job that was requested will not run: its client left before it began, so
    /// there is nothing to log or to tell observers.
    pub fn handle_withdrawn_job(&mut self) {
        if let Pending::Job(_) = self.pending {
            self.pending = Pending::Nothing;
        }
        self.close_if_over();
    }

    /// Takes what happened on the data side.
    pub fn handle_data_event(&mut self, event: DataEvent, now: Instant) {
        if self.ending.is_closed() {
            return;
        }
        match event {
            DataEvent::Listening { port } => self.listening(port, now),
            DataEvent::ListenFailed(refusal) => self.listen_failed(refusal),
            DataEvent::Accepted { peer } => self.accepted(peer, now),
            DataEvent::Connected => self.connected(now),
            DataEvent::Failed => self.data_failed(now),
            DataEvent::Progress { bytes } => self.progressed(bytes),
            DataEvent::Ended {
                end,
                bytes,
                refusal,
            } => {
                self.transfer_ended(end, bytes, refusal, now);
                self.await_transfer(now);
            }
        }
        self.close_if_over();
    }

    /// Takes a request of the operator, or of a limit.
    pub fn handle_admin(&mut self, event: AdminEvent, now: Instant) {
        match event {
            AdminEvent::Drain => self.drain(),
            AdminEvent::Kick(text) => self.kick(text, now),
            AdminEvent::Masquerade(address) => self.masquerade = address,
        }
        self.close_if_over();
    }

    /// Acts on the deadlines that have passed at `now`. An early call does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.act_on_timeouts(now);
        self.close_if_over();
    }

    /// Restarts the idle time, and the time that a data connection waits for its command: the
    /// client is not idle, but waits for something that the session does not know of. Has no effect
    /// on a session that [is ending](Self::is_ending).
    pub fn stay_active(&mut self, now: Instant) {
        if !self.is_ending() {
            self.active_at = now;
            self.await_transfer(now);
        }
    }

    /// Returns the next thing to do, or `None` if there is nothing until the next event.
    pub fn poll_effect(&mut self) -> Option<Effect<P>> {
        let effect = self.effects.pop_front();
        if self.effects.is_empty() {
            // An idle session owns no queue.
            self.effects = VecDeque::new();
        }
        effect
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, or `None` while nothing can time out.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_deadline()
    }

    /// Whether the next line may be handed over.
    ///
    /// False while an answer has to come first: to a job, a passive port, the beginning of TLS, the
    /// end of an aborted transfer or of a listing on the control connection, the delay after a
    /// failed login; and false after QUIT. True during a transfer. True also during work, and while
    /// an active data connection is being made, until a command comes that has to wait for the end
    /// of the work or for the 150.
    pub fn wants_input(&self) -> bool {
        self.pending.takes_commands() && self.ending.takes_commands() && !self.data.is_holding()
    }

    /// Whether a line is held until work ends or an active data connection is made. The driver then
    /// looks for an ABOR behind it: see [`ControlEvent::Ahead`].
    pub fn holds_line(&self) -> bool {
        let holds = if let Pending::Work(work) = &self.pending {
            work.holds_line()
        } else {
            self.data.is_holding()
        };
        holds && self.ending.takes_commands()
    }

    /// Whether a line is an ABOR that will be processed in its turn.
    pub fn is_abor(&self, line: &[u8]) -> bool {
        self.ending.takes_commands() && self.is_bare(line, &[Verb::Abor])
    }

    /// Whether a line is served during a transfer, so that a line behind it may be, too.
    pub fn is_served_meanwhile(&self, line: &[u8]) -> bool {
        self.is_bare(line, &held::SERVED_MEANWHILE)
    }

    /// Whether no more lines will be wanted: QUIT came, or the client has had its last reply. What
    /// it still sends is ignored.
    pub fn is_ending(&self) -> bool {
        !self.ending.takes_commands()
    }

    /// The encoding of names on the control connection now.
    pub fn encoding(&self) -> NameEncoding {
        self.parameters.encoding
    }

    /// Whether the control connection is under TLS.
    pub fn is_secure(&self) -> bool {
        self.security.is_secure()
    }

    /// Whether a data connection made now has to be under TLS (PROT P). This does not change
    /// between a transfer command and the end of its transfer.
    pub fn protects_data(&self) -> bool {
        self.security.protects_data()
    }

    /// The name of the user who is logged in.
    pub fn username(&self) -> Option<&str> {
        self.login.username()
    }

    /// The working directory; the root before login.
    pub fn working_directory(&self) -> &VirtualPath {
        &self.working_directory
    }

    /// Whether a transfer is in progress or about to begin: its file is being opened, or it waits
    /// for its data connection.
    pub fn is_transferring(&self) -> bool {
        self.data.is_occupied() || self.pending.is_transfer()
    }

    /// Whether there is an established data connection that no transfer uses yet, even if the file
    /// of one is being opened.
    pub fn is_data_unused(&self) -> bool {
        matches!(self.data, DataChannel::Open { .. })
    }

    /// Whether the file of an upload is being opened.
    pub fn is_opening_upload(&self) -> bool {
        self.pending.is_upload()
    }

    /// Whether the client has sent QUIT and waits for the end of what is in progress. It may then
    /// close its side, which is no lost connection; unless it has yet to connect for a transfer, as
    /// a client that closes will no longer do so.
    pub fn waits_after_quit(&self) -> bool {
        self.ending == Ending::Quitting && !matches!(self.data, DataChannel::Listening { .. })
    }

    /// Whether the last reply, the one to QUIT, has been given: the client expects nothing more.
    pub fn said_goodbye(&self) -> bool {
        self.ending == Ending::Closed { said_goodbye: true }
    }

    /// Whether a command that looks at files or changes them has yet to be answered, or the listing
    /// of STAT has yet to end. As after QUIT, a client may close its side and still wait for this
    /// reply.
    pub fn owes_reply(&self) -> bool {
        self.pending.is_of_files()
    }

    /// Whether a digest or a copy is in progress.
    pub fn is_working(&self) -> bool {
        matches!(self.pending, Pending::Work(_))
    }

    /// Queues a reply, unless the client must not get any more.
    fn reply(&mut self, reply: Reply) {
        if self.ending.may_reply() {
            self.effects.push_back(Effect::Reply(reply));
        }
    }

    /// Queues the final reply to a transfer command, which need not be the latest command.
    fn transfer_reply(&mut self, reply: Reply) {
        if self.ending.may_reply() {
            self.effects.push_back(Effect::TransferReply(reply));
        }
    }

    /// Tells the driver that the following replies answer the latest line.
    fn begin_answer(&mut self) {
        self.effects.push_back(Effect::BeginAnswer);
    }

    /// Queues an event for logs and observers.
    fn tell(&mut self, event: SessionEvent) {
        self.effects.push_back(Effect::Event(event));
    }

    /// Asks for a job with the permission that `verb` needs; `purpose` says what to do with its
    /// answer.
    fn ask(&mut self, verb: Verb, action: Action, purpose: Purpose) {
        self.ask_with(verb.info().perm, action, purpose);
    }

    /// Asks for a job with a permission that the verb table does not name.
    fn ask_with(&mut self, perm: Option<Perm>, action: Action, purpose: Purpose) {
        self.pending = Pending::Job(Box::new(purpose));
        self.effects.push_back(Effect::Job(Job { perm, action }));
    }

    /// Stops the transfer in progress, once.
    fn abort_transfer(&mut self, end: TransferEnd) {
        let ((DataChannel::Transferring(running), _) | (_, Pending::StatListing(running))) =
            (&mut self.data, &mut self.pending)
        else {
            return;
        };
        if !running.stopping {
            running.stopping = true;
            self.effects.push_back(Effect::AbortTransfer(end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        let size = size_of::<Session<Box<()>>>();
        assert!(size < 700, "{size} bytes");
    }
}
