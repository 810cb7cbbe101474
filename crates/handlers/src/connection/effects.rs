//! Doing what the session wants done.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_ioloop::{Connector, Context, Interest};
use ftpdlib_proto::{Reply, ReplyCode, TransferEnd};
use ftpdlib_session::{DataEvent, Direction, Effect, Refusal, SessionEvent, Transfer};

use super::job::discard;
use super::secure::Securing;
use super::{CLOSING_TIME, Connection, ControlSocket, log_lines};
use crate::Permit;
use crate::data::{DataSide, listen};
use crate::jobs::Payload;
use crate::pump::Pump;

impl Connection {
    /// Does everything the session has asked for.
    pub(super) fn carry_out_effects(&mut self, cx: &mut Context<'_>) {
        while let Some(effect) = self.session.poll_effect() {
            self.carry_out(effect, cx);
        }
    }

    /// Ends a session that was closed as soon as it began: the client gets no greeting, and where TLS
    /// comes before any text no text at all.
    pub(super) fn turn_away(&mut self, cx: &mut Context<'_>) {
        while self.session.poll_effect().is_some() {}
        self.hear_observers(cx.now());
        while let Some(effect) = self.session.poll_effect() {
            let is_text = matches!(effect, Effect::Reply(_));
            if !is_text || !self.service.is_implicit_tls() {
                self.carry_out(effect, cx);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect<Payload>, cx: &mut Context<'_>) {
        let now = cx.now();
        match effect {
            Effect::BeginAnswer => self.logged = self.received.take(),
            Effect::Reply(reply) => {
                self.logged = self.logged.take().and_then(|command| {
                    let (prefix, username) = (&self.service.log_prefix, self.session.username());
                    command.answered(prefix, self.peer, username, &reply)
                });
                self.send_reply(&reply);
            }
            Effect::TransferReply(reply) => self.send_reply(&reply),
            Effect::Job(job) => self.run_job(job, cx),
            Effect::StartWork(job) => self.start_work(job, cx),
            Effect::CancelWork => self.cancel_work(),
            Effect::Listen => {
                self.close_data(cx);
                let event = self.listen(cx).unwrap_or_else(DataEvent::ListenFailed);
                self.session.handle_data_event(event, now);
            }
            Effect::Secure => self.securing = Securing::Announced,
            Effect::AcceptData => self.accept_data(cx),
            Effect::RejectData => self.data.reject_candidate(),
            Effect::Connect(peer) => {
                self.close_data(cx);
                if let Err(error) = self.connect(peer, cx) {
                    self.connect_failed(&error, cx);
                }
            }
            Effect::StartTransfer(transfer) => self.start_transfer(transfer, cx),
            Effect::AbortTransfer(end) => self.with_pump(cx, |pump, pcx| pump.abort(end, pcx)),
            Effect::Discard(payload) => discard(payload),
            Effect::CloseData => self.close_data(cx),
            Effect::ForgetLogin => self.account = None,
            // Strangers come by the thousand, and are logged once for each port.
            Effect::Event(SessionEvent::ForeignData { .. }) if self.data.has_rejected_several() => {
            }
            Effect::Event(event) => {
                let (prefix, username) = (&self.service.log_prefix, self.session.username());
                let account = self.transfer_account.as_deref();
                log_lines::event(prefix, self.peer, username, &event, account);
                if let SessionEvent::TransferEnded { .. } = event {
                    self.transfer_account = None;
                }
                if let Some(watch) = &mut self.watch {
                    watch.event(event, self.account.as_ref());
                }
            }
            Effect::Close => {
                self.close_data(cx);
                // If there still is a job, it hangs, and its thread drops the result; or it waits in
                // its lane for one that does.
                self.job = None;
                self.closing = Some(now + CLOSING_TIME);
            }
            // The enum grows with the protocol; what this driver does not know it cannot do.
            _ => log::error!("an effect of the session is not supported"),
        }
    }

    fn send_reply(&mut self, reply: &Reply) {
        if let ControlSocket::Open(control) = &mut self.socket {
            log_lines::reply(&self.service.log_prefix, self.peer, &self.session, reply);
            control.reply(reply, self.session.encoding());
        }
    }

    fn listen(&mut self, cx: &mut Context<'_>) -> Result<DataEvent, Refusal> {
        let permit = self.permit_data()?;
        let (listener, port) =
            listen(self.bound_to(), &self.service.passive_ports).map_err(|error| {
                let username = self.session.username();
                log_lines::no_passive_port(&self.service, self.peer, username, &error);
                refused("Can't open a passive port.")
            })?;
        // Most clients connect before they send the next line, which is when they are looked for. The
        // system has to tell of others: who has sent that line already, or begins with a handshake.
        let sent_ahead = match &self.socket {
            ControlSocket::Open(control) => control.has_lines(),
            ControlSocket::Accepted(_) | ControlSocket::Lost => false,
        };
        let listener = cx
            .register_deferred(listener, Interest::READ)
            .and_then(|mut listener| {
                if sent_ahead || self.session.protects_data() {
                    cx.finish_registration(&mut listener)?;
                }
                Ok(listener)
            })
            .map_err(|error| {
                let username = self.session.username();
                log_lines::no_passive_port(&self.service, self.peer, username, &error);
                refused("Can't open a passive port.")
            })?;
        self.data = DataSide::await_client(listener, cx.now());
        self.data_permit = Some(permit);
        Ok(DataEvent::Listening { port })
    }

    fn connect(&mut self, peer: SocketAddr, cx: &mut Context<'_>) -> io::Result<()> {
        let permit = self.permit_data();
        let permit = permit.map_err(|refusal| io::Error::other(refusal.text))?;
        let (local, peer) = (self.bound_to(), canonical(peer));
        // From the address that the client knows the server by, where the families agree.
        let from = local.is_ipv4() == peer.is_ipv4();
        let stream = Connector::open(peer, from.then_some(local))
            .and_then(|stream| cx.register_connecting(stream, Interest::WRITE))?;
        self.data = DataSide::Connecting(stream);
        self.data_permit = Some(permit);
        Ok(())
    }

    /// A place for a data connection among those that are counted.
    fn permit_data(&self) -> Result<Permit, Refusal> {
        let acquired = self.service.limits.acquire(self.peer.ip().to_canonical());
        acquired.map_err(|limit| refused(limit.text()))
    }

    fn start_transfer(&mut self, transfer: Transfer<Payload>, cx: &mut Context<'_>) {
        let stream = match transfer.direction {
            Direction::Control => None,
            Direction::Send | Direction::Receive => self.data.take_open(),
        };
        let secure = stream
            .as_ref()
            .is_some_and(|stream| stream.plain().is_none());
        let account = Arc::clone(&transfer.payload.account);
        let transfer_type = transfer.transfer_type;
        let mut pump = match Pump::new(transfer, stream, &self.service, cx.now()) {
            Ok(pump) => pump,
            Err(payload) => {
                // The system did not let the loop have the data connection.
                discard(payload);
                self.close_data(cx);
                let event = DataEvent::Ended {
                    end: TransferEnd::LocalError,
                    bytes: 0,
                    refusal: Some(refused("Can't open data connection.")),
                };
                return self.session.handle_data_event(event, cx.now());
            }
        };
        if let Some(watch) = &mut self.watch {
            watch.note_transfer(&account, transfer_type, secure);
            if let Some(rates) = watch.control().rates() {
                pump.set_rates(rates);
            }
        }
        self.transfer_account = Some(account);
        if let (true, ControlSocket::Open(control)) = (pump.separates_replies, &mut self.socket) {
            // That it fails is found when the turn ends.
            let _ = control.flush(cx);
        }
        self.pump = Some(Box::new(pump));
        self.with_pump(cx, |pump, pcx| pump.begin(pcx));
    }
}

/// An IPv4-mapped address as IPv4; a link-local one keeps its scope.
pub(super) fn canonical(mut address: SocketAddr) -> SocketAddr {
    address.set_ip(address.ip().to_canonical());
    address
}

fn refused(text: &'static str) -> Refusal {
    Refusal {
        code: ReplyCode::new(425),
        text: text.into(),
    }
}
