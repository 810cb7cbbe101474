//! Carrying out the session's effects.

use ftpdlib_ioloop::Context;
use ftpdlib_proto::Reply;
use ftpdlib_session::{DataEvent, Effect, SessionEvent};

use super::closing::CLOSING_TIME;
use super::secure::Security;
use super::{Connection, ControlSocket, log_lines};
use crate::data::PassivePort;
use crate::jobs::{Payload, discard};

impl Connection {
    /// Carries out all effects that the session has produced.
    pub(super) fn carry_out_effects(&mut self, cx: &mut Context<'_>) {
        while let Some(effect) = self.session.poll_effect() {
            self.carry_out(effect, cx);
        }
    }

    /// Ends a session that an observer has closed at its start: the client gets no greeting, and
    /// under implicit TLS no text at all.
    pub(super) fn turn_away(&mut self, cx: &mut Context<'_>) {
        while self.session.poll_effect().is_some() {}
        self.hear_observers(cx.now());
        while let Some(effect) = self.session.poll_effect() {
            let is_text = matches!(effect, Effect::Reply(_));
            if !is_text || !self.client.service.is_implicit_tls() {
                self.carry_out(effect, cx);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect<Payload>, cx: &mut Context<'_>) {
        let now = cx.now();
        match effect {
            Effect::BeginAnswer => self.command_log.begin_answer(),
            Effect::Reply(reply) => {
                let prefix = self.client.prefix(self.session.username());
                self.command_log.replied(&prefix, &reply);
                self.send_reply(&reply);
            }
            Effect::TransferReply(reply) => self.send_reply(&reply),
            Effect::LogIn { username, password } => self.log_in(username, password, cx),
            Effect::Job(job) => self.run_job(job, cx),
            Effect::StartWork(job) => self.start_work(job, cx),
            Effect::CancelWork => self.cancel_work(),
            Effect::Listen => {
                self.end_failed_upload(cx);
                self.data.close(cx);
                let event = self.listen(cx).unwrap_or_else(DataEvent::ListenFailed);
                self.session.handle_data_event(event, now);
            }
            Effect::Secure => self.security = Security::Announced,
            Effect::AcceptData => self.accept_data(cx),
            Effect::RejectData => {
                if let Some(port) = self.data.passive_port_mut() {
                    port.reject_candidate();
                }
            }
            Effect::Connect(peer) => {
                self.end_failed_upload(cx);
                self.data.close(cx);
                if let Err(error) = self.connect(peer, cx) {
                    self.connect_failed(&error, cx);
                }
            }
            Effect::StartTransfer(transfer) => self.start_transfer(transfer, cx),
            Effect::AbortTransfer(end) => self.with_pump(cx, |pump, pcx| pump.abort(end, pcx)),
            Effect::Discard(payload) => discard(payload),
            Effect::CloseData => self.data.close(cx),
            Effect::ForgetLogin => {
                self.end_failed_upload(cx);
                self.account = None;
            }
            // There may be thousands of foreign connections: only the first of each port is logged.
            Effect::Event(SessionEvent::ForeignData { .. })
                if self
                    .data
                    .passive_port()
                    .is_some_and(PassivePort::has_rejected_several) => {}
            Effect::Event(event) => {
                let is_end = matches!(event, SessionEvent::TransferEnded { .. });
                let begun = self.begun.take_if(|_| is_end);
                let username = self.session.username();
                log_lines::event(&self.client, username, &event, begun.as_ref());
                if let Some(watch) = &mut self.watch {
                    watch.event(event, self.account.as_ref(), begun.as_ref());
                }
            }
            Effect::Close => {
                self.data.close(cx);
                // A job that is still there hangs, and its thread drops the result; or it waits in
                // its lane behind one that hangs.
                self.job = None;
                self.closing = Some(now + CLOSING_TIME);
            }
        }
    }

    fn send_reply(&mut self, reply: &Reply) {
        let encoding = self.session.encoding();
        if let ControlSocket::Open(control) = &mut self.socket {
            let prefix = self.client.prefix(self.session.username());
            log_lines::reply(&prefix, reply, encoding);
            control.reply(reply, encoding);
        }
    }
}
