//! One client: a handler of the loop that owns the session, the control connection and the data
//! side.

mod closing;
mod control;
mod data;
mod effects;
mod input;
mod job;
mod lines;
mod log_lines;
mod secrets;
mod secure;
mod timer;
mod transfer;
mod watch;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use ftpdlib_ioloop::{Context, Direction, Flow, Handler, Interest, Ready, SourceId, TimerId};
use ftpdlib_proto::{Reply, TransferEnd};
use ftpdlib_session::{AdminEvent, Session};
use mio::net::TcpStream;

use crate::client::Client;
use crate::data::{DataSide, Linger, PassivePort};
use crate::jobs::{Account, Payload};
use crate::log_prefix::Prefix;
use crate::owners_code;
use crate::pump::{Debts, Pump};
use crate::service::Phase;
use crate::{Permit, ProxiedClient, Service};
use control::Control;
use job::RunningJob;
use lines::{LineBudget, hand_over};
use log_lines::CommandLog;
use secure::Security;
use transfer::Begun;
use watch::Watch;

/// Serves one client (pyftpdlib: an instance of `FTPHandler`).
///
/// A server creates one for every client that it accepts, and adds it to a loop.
pub struct Connection {
    client: Arc<Client>,
    session: Session<Payload>,
    socket: ControlSocket,
    data: DataSide,
    pump: Option<Box<Pump>>,
    /// By how much recent transfers were ahead of their rates.
    debts: Debts,
    /// The data connection of the last download, or of a failed upload, until the client has closed
    /// its side.
    linger: Option<Box<Linger>>,
    /// TLS on the control connection.
    security: Security,
    account: Option<Arc<Account>>,
    /// The latest transfer, until the session reports its end.
    begun: Option<Begun>,
    job: Option<RunningJob>,
    timer: Option<(TimerId, Instant)>,
    /// Set after the last reply: when to stop waiting for the client to close.
    closing: Option<Instant>,
    /// The session's number.
    id: u64,
    /// `None` if the server has no observers.
    watch: Option<Box<Watch>>,
    command_log: CommandLog,
    /// The masquerade address that was told to the session last.
    masquerade: Option<Ipv4Addr>,
    /// The server's phase that was told to the session last.
    phase: Phase,
    line_budget: LineBudget,
    /// Counts the connection against the limits.
    #[expect(dead_code, reason = "held, not read")]
    permit: Permit,
}

/// The client's socket, before and after it is registered with the loop.
enum ControlSocket {
    Accepted(TcpStream),
    Open(Box<Control>),
    Lost,
}

impl Connection {
    /// Creates a connection for a client that was accepted from `peer` and counted by `permit`.
    ///
    /// # Errors
    ///
    /// The socket has no local address any more: the client is gone.
    pub fn new(
        service: &Arc<Service>,
        stream: TcpStream,
        peer: SocketAddr,
        permit: Permit,
    ) -> io::Result<Self> {
        let local = stream.local_addr()?;
        let client = ProxiedClient { peer, local };
        Self::for_client(service, stream, client, None, permit)
    }

    /// Creates a connection as [`new`](Self::new) does, for the client that a proxy's header names.
    ///
    /// # Errors
    ///
    /// The socket has no local address any more: the proxy is gone.
    pub fn proxied(
        service: &Arc<Service>,
        stream: TcpStream,
        client: ProxiedClient,
        permit: Permit,
    ) -> io::Result<Self> {
        let own = Box::new(canonical(stream.local_addr()?));
        Self::for_client(service, stream, client, Some(own), permit)
    }

    /// The service, the socket and the client's address, as long as no loop has the socket: nothing
    /// was sent yet.
    pub fn unserved(&self) -> Option<(&Service, &TcpStream, SocketAddr)> {
        match &self.socket {
            ControlSocket::Accepted(stream) => {
                Some((&self.client.service, stream, self.client.peer))
            }
            ControlSocket::Open(_) | ControlSocket::Lost => None,
        }
    }

    /// Creates a connection for `client`; `own` is this server's address if the client has
    /// connected to another one, a proxy's.
    fn for_client(
        service: &Arc<Service>,
        stream: TcpStream,
        client: ProxiedClient,
        own: Option<Box<SocketAddr>>,
        permit: Permit,
    ) -> io::Result<Self> {
        let client = Client {
            service: Arc::clone(service),
            peer: canonical(client.peer),
            local: canonical(client.local),
            own,
        };
        let (peer, local) = (client.peer, client.local);
        if service.tcp_no_delay {
            stream.set_nodelay(true)?;
        }
        // The data mark of a Telnet Synch is urgent data. Inline, the decoder sees and drops it.
        socket2::SockRef::from(&stream).set_out_of_band_inline(true)?;
        let (config, now) = (Arc::clone(&service.session), Instant::now());
        let session = match &service.greeting {
            Some(greeting) => {
                let made = || Reply::paragraph(220, &greeting(peer, local));
                let made = owners_code::call(client.prefix(None), "the banner", made);
                let greeting = made.unwrap_or_else(|| Reply::new(421, "Service not available."));
                Session::with_greeting(config, peer, local, now, greeting)
            }
            None => Session::new(config, peer, local, now),
        };
        Ok(Self {
            client: Arc::new(client),
            session,
            socket: ControlSocket::Accepted(stream),
            data: DataSide::Idle,
            pump: None,
            debts: Debts::default(),
            linger: None,
            security: Security::Clear,
            account: None,
            begun: None,
            job: None,
            timer: None,
            closing: None,
            id: 0,
            watch: None,
            command_log: CommandLog::default(),
            masquerade: None,
            phase: Phase::Serving,
            line_budget: LineBudget::default(),
            permit,
        })
    }

    /// Serves the control connection.
    fn control_ready(&mut self, ready: Ready, cx: &mut Context<'_>) -> Flow {
        let ControlSocket::Open(control) = &mut self.socket else {
            return Flow::Continue;
        };
        let source = control.id();
        if ready.hung_up() && self.session.is_working() {
            control.note_hangup();
        }
        if ready.writable() && self.pump.as_ref().is_some_and(|it| it.adds_to_replies()) {
            self.run_pump(cx);
        }
        // A handshake may have waited for room to send.
        if ready.readable() || self.security.is_handshake() {
            self.receive(cx);
            self.look_at_port(cx);
            let flow = self.finish_turn(cx);
            // A client that waits for each reply has sent nothing more. Finding that out now saves
            // a turn that would do nothing else. Under TLS, reading may end the handshake or need
            // an answer, which is left to the next turn.
            if flow == Flow::Close
                || self.security.session().is_some()
                || !cx.is_ready(source, Direction::Read)
                || !self.receive(cx)
            {
                return flow;
            }
            self.look_at_port(cx);
        }
        self.finish_turn(cx)
    }

    /// Continues until nothing more can be done in this turn, then sets what to wait for.
    fn finish_turn(&mut self, cx: &mut Context<'_>) -> Flow {
        self.follow_phase(cx.now());
        self.hear_observers(cx.now());
        self.note_secured(cx);
        self.hand_over_lines(cx);
        self.carry_out_effects(cx);
        let mut flow = self.flush(cx);
        if flow == Flow::Continue && self.begin_tls(cx) {
            self.carry_out_effects(cx);
            flow = self.flush(cx);
        }
        if flow == Flow::Continue {
            self.arm_timer(cx);
        }
        flow
    }

    /// Reads what the client has sent. Returns whether there is anything to do now.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let ControlSocket::Open(control) = &mut self.socket else {
            return false;
        };
        if let Err(error) = control.receive(cx) {
            log_lines::tls_failed(&self.client.prefix(None), &error);
        }
        if control.begins_tls() && self.security.is_clear() && self.closing.is_none() {
            // It may hold no end of line, and would be waited for without end.
            let error = io::Error::new(io::ErrorKind::InvalidData, "begun without AUTH");
            log_lines::tls_failed(&self.client.prefix(None), &error);
            control.end_input();
        }
        control.may_take_line() || control.has_ended()
    }

    /// Looks at the passive port before a line is handed over: a client may have connected before
    /// it sent the line, even if the system reports the line first.
    fn look_at_port(&mut self, cx: &mut Context<'_>) {
        let port = self.data.passive_port();
        if port.is_some_and(PassivePort::awaits_client)
            && let ControlSocket::Open(control) = &self.socket
            && control.may_take_line()
        {
            self.data_ready(cx);
        }
    }

    /// Takes the observers' verdict on a held line, and does what they have asked for.
    fn hear_observers(&mut self, now: Instant) {
        let judged = self.watch.as_mut().and_then(|watch| watch.take_judged());
        if let Some((line, verdict)) = judged {
            // It was held, maybe for long.
            self.bring_up_to_date(now);
            hand_over(&mut self.session, &line, &verdict, now);
        }
        let Some(watch) = &self.watch else {
            return;
        };
        if let (Some(pump), Some(rates)) = (&mut self.pump, watch.control().rates()) {
            pump.set_rates(rates);
        }
        if watch.control().take_close() {
            let event = AdminEvent::Kick("Connection closed by the server.");
            self.session.handle_admin(event, now);
        }
    }

    /// Tells the session that the server drains or ends, once each.
    fn follow_phase(&mut self, now: Instant) {
        let phase = self.client.service.sessions.phase();
        if phase <= self.phase {
            return;
        }
        self.phase = phase;
        let event = match phase {
            Phase::Serving => return,
            Phase::Draining => AdminEvent::Drain,
            Phase::Ending => AdminEvent::Kick("Server is shutting down."),
        };
        self.session.handle_admin(event, now);
    }

    /// The prefix of the session's log lines.
    fn log_prefix(&self) -> Prefix<'_> {
        self.client.prefix(self.session.username())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id)
            .field("peer", &self.client.peer)
            .field("local", &self.client.local)
            .field("username", &self.session.username())
            .finish_non_exhaustive()
    }
}

impl Handler for Connection {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let accepted = std::mem::replace(&mut self.socket, ControlSocket::Lost);
        if let ControlSocket::Accepted(stream) = accepted {
            let mut socket = cx.register_deferred(stream, Interest::READ)?;
            if let Err(error) = cx.finish_registration(&mut socket) {
                self.socket = ControlSocket::Accepted(cx.detach(socket)?);
                return Err(error);
            }
            self.socket = ControlSocket::Open(Box::new(Control::new(socket)));
        }
        self.id = self.client.service.sessions.join(cx.notifier());
        log_lines::opened(&self.log_prefix());
        self.watch = Watch::begin(&self.client, self.id, cx.notifier());
        if self
            .watch
            .as_ref()
            .is_some_and(|watch| watch.is_turned_away())
        {
            self.turn_away(cx);
        }
        if self.finish_turn(cx) == Flow::Close {
            // The server is stopping. The connection closes with its first callback.
            cx.notifier().notify();
        }
        Ok(())
    }

    fn ready(&mut self, source: SourceId, ready: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        match &self.socket {
            ControlSocket::Open(control) if control.id() == source => {
                return Ok(self.control_ready(ready, cx));
            }
            _ if self
                .pump
                .as_ref()
                .is_some_and(|pump| pump.stream_id() == Some(source)) =>
            {
                self.run_pump(cx);
            }
            _ if self.data.owns(source) => self.data_ready(cx),
            _ if self
                .linger
                .as_ref()
                .is_some_and(|linger| linger.id() == source) =>
            {
                self.drain_linger(cx);
            }
            _ => return Ok(Flow::Continue),
        }
        Ok(self.finish_turn(cx))
    }

    fn timeout(&mut self, _: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        Ok(self.act_on_deadlines(cx))
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.job_ended(cx);
        self.carry_out_effects(cx);
        self.run_pump(cx);
        Ok(self.finish_turn(cx))
    }

    fn closed(&mut self, error: Option<io::Error>, cx: &mut Context<'_>) {
        self.cancel_work();
        self.client.service.sessions.leave(self.id);
        let end = match error {
            Some(_) => TransferEnd::LocalError,
            None => TransferEnd::Shutdown,
        };
        self.cut_transfer(end, cx);
        if let Some(error) = error {
            log::warn!("{} control connection: {error}", self.log_prefix());
        }
        // After QUIT the session has no user any more, but the account still says who it was.
        let account = self.account.as_ref();
        let left = account.map(|account| account.login().username.as_str());
        let username = self.session.username().or(left);
        log_lines::closed(&self.client.prefix(username));
        if let Some(watch) = self.watch.take() {
            watch.end(account.map(|account| &**account), cx);
        }
    }
}

/// Turns an IPv4-mapped address into IPv4. A link-local address keeps its scope.
fn canonical(mut address: SocketAddr) -> SocketAddr {
    address.set_ip(address.ip().to_canonical());
    address
}

#[cfg(test)]
mod tests;
