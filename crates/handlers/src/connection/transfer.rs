//! A client's transfer: its beginning, running its pump, and its end.

use std::sync::Arc;

use ftpdlib_ioloop::{self as ioloop, Context};
use ftpdlib_proto::{TransferDirection, TransferEnd, TransferType};
use ftpdlib_session::{DataEvent, Over, Refusal, Transfer};

use super::{Connection, ControlSocket, log_lines};
use crate::client::Client;
use crate::data::Linger;
use crate::jobs::{Account, Payload, discard};
use crate::log_prefix::Prefix;
use crate::owners_code;
use crate::pump::{Pump, PumpContext, Step};

/// What is kept of a transfer from its beginning: what logs and observers are told in addition to
/// the session's event of its end, when the user may be gone, and how it is answered.
pub(super) struct Begun {
    pub(super) account: Arc<Account>,
    pub(super) transfer_type: TransferType,
    /// Whether the data connection is under TLS.
    pub(super) secure: bool,
    separates_replies: bool,
}

impl Connection {
    /// Begins a transfer over the data connection, or as part of the replies.
    pub(super) fn start_transfer(&mut self, transfer: Transfer<Payload>, cx: &mut Context<'_>) {
        let connection = match transfer.over {
            Over::Control => None,
            Over::Data => self.data.take_open(),
        };
        let separates_replies = separates_replies(&transfer);
        self.begun = Some(Begun {
            account: Arc::clone(&transfer.payload.account),
            transfer_type: transfer.transfer_type,
            secure: connection
                .as_ref()
                .is_some_and(|it| it.stream.plain().is_none()),
            separates_replies,
        });
        let mut pump = match Pump::new(transfer, connection, cx.now()) {
            Ok(pump) => pump,
            Err(payload) => {
                // The data connection could not be registered with the loop.
                discard(payload);
                let event = DataEvent::Ended {
                    end: TransferEnd::LocalError,
                    bytes: 0,
                    refusal: Some(Refusal::new(425, "Can't open data connection.")),
                };
                return self.session.handle_data_event(event, cx.now());
            }
        };
        if let Some(rates) = self.watch.as_ref().and_then(|it| it.control().rates()) {
            pump.set_rates(rates);
        }
        pump.take_over_debt(&self.debts, cx.now());
        if let (true, ControlSocket::Open(control)) = (separates_replies, &mut self.socket) {
            // A failure is noticed at the end of the turn.
            let _ = control.flush(cx);
        }
        self.pump = Some(Box::new(pump));
        self.with_pump(cx, |pump, pcx| pump.begin(pcx));
    }

    /// Runs the pump for one turn.
    pub(super) fn run_pump(&mut self, cx: &mut Context<'_>) {
        self.with_pump(cx, |pump, pcx| pump.run(pcx));
    }

    /// Calls the pump and acts on the outcome.
    pub(super) fn with_pump(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Pump, &mut PumpContext<'_, '_>) -> Step,
    ) {
        match self.call_pump(cx, act) {
            None | Some(Step::Wait(_) | Step::Yield | Step::Working | Step::Pause(_)) => {}
            Some(Step::AllReceived) => self.finish_upload(cx),
            Some(Step::Ended(end, refusal)) => self.end_transfer(end, refusal, cx),
        }
    }

    /// Calls the pump, if there is one, which may call code of the server's owner.
    fn call_pump(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Pump, &mut PumpContext<'_, '_>) -> Step,
    ) -> Option<Step> {
        let pump = self.pump.as_deref_mut()?;
        let mut nowhere = Vec::new();
        let replies = match &mut self.socket {
            ControlSocket::Open(control) => control.replies(),
            ControlSocket::Accepted(_) | ControlSocket::Lost => &mut nowhere,
        };
        let mut pcx = PumpContext { cx, replies };
        let prefix = transfer_prefix(&self.client, self.begun.as_ref());
        // After a panic only the pump's data connection is still used.
        let who = "the transfer, or its filesystem";
        let step = owners_code::call(prefix, who, || act(pump, &mut pcx));
        Some(step.unwrap_or_else(|| Step::failed(Refusal::local_error())))
    }

    /// Ends a transfer with the end that its pump has found.
    fn end_transfer(&mut self, end: TransferEnd, refusal: Option<Refusal>, cx: &mut Context<'_>) {
        let Some(mut pump) = self.pump.take() else {
            return;
        };
        if let Some(refusal) = &refusal {
            let prefix = transfer_prefix(&self.client, self.begun.as_ref());
            log_lines::transfer_failed(&prefix, refusal);
        }
        pump.leave_debt(&mut self.debts, cx.now());
        let bytes = pump.bytes();
        self.leave_connection(*pump, &end, cx);
        let event = DataEvent::Ended {
            end,
            bytes,
            refusal,
        };
        self.session.handle_data_event(event, cx.now());
    }

    /// Closes the transfer's data connection, if there is one, or keeps it until the client has
    /// closed its side.
    fn leave_connection(&mut self, pump: Pump, end: &TransferEnd, cx: &mut Context<'_>) {
        let sends = pump.sends();
        let Some((mut connection, meter)) = pump.into_connection() else {
            return;
        };
        match end {
            TransferEnd::Complete if sends => {
                let mut linger = Linger::after_download(connection.stream.into_socket(), cx);
                let begun = self.begun.as_ref();
                if begun.is_some_and(|begun| begun.separates_replies) {
                    linger.hold_replies(cx);
                }
                self.linger_on(linger, cx);
            }
            TransferEnd::LocalError if !sends => {
                if connection.stream.plain().is_none() {
                    // Some clients wait for close_notify before they read the reply.
                    let _ = connection.stream.finish(cx);
                }
                self.linger_on(Linger::after_upload(connection, meter, cx), cx);
                // If the client has ended its side already, this closes it.
                self.drain_linger(cx);
            }
            _ => cx.close(connection.stream.into_socket()),
        }
    }

    /// Continues an upload whose data has all arrived.
    fn finish_upload(&mut self, cx: &mut Context<'_>) {
        let aborts = self.has_abor(cx);
        self.with_pump(cx, |pump, pcx| pump.finish_upload(aborts, pcx));
    }

    /// Whether an ABOR that came before the end of an upload waits for its turn.
    ///
    /// A client that sends ABOR and then closes the data connection must see its upload aborted,
    /// even if the end of the data is noticed first. If the loop was told of that end, it knows of
    /// the ABOR too; otherwise the end is newer than what the loop knows. Observers that may veto
    /// commands may still refuse the ABOR.
    fn has_abor(&mut self, cx: &mut Context<'_>) -> bool {
        if self.watch.as_ref().is_some_and(|watch| watch.judges()) {
            return false;
        }
        let data = self.pump.as_ref().and_then(|pump| pump.stream_id());
        let mut is_known = data.is_some_and(|data| cx.may_stop_short(data));
        // The first read stops at the urgent mark of a Synch.
        for _ in 0..2 {
            if let ControlSocket::Open(control) = &self.socket
                && (!is_known || cx.is_ready(control.id(), ioloop::Direction::Read))
            {
                self.receive(cx);
            }
            is_known = true;
        }
        let session = &self.session;
        match &mut self.socket {
            ControlSocket::Open(control) => {
                // An ABOR behind another command is not for this transfer.
                let mut is_next = true;
                control.look_ahead(|line| {
                    let aborts = is_next && session.is_abor(line);
                    is_next &= session.is_served_meanwhile(line);
                    aborts
                })
            }
            ControlSocket::Accepted(_) | ControlSocket::Lost => false,
        }
    }

    /// Reports the end of a transfer whose connection closes without the session, for example
    /// because the loop ends, to logs and observers.
    pub(super) fn cut_transfer(&mut self, end: TransferEnd, cx: &mut Context<'_>) {
        if self.pump.is_none() {
            return;
        }
        self.with_pump(cx, |pump, pcx| pump.abort(end.clone(), pcx));
        if let Some(pump) = self.pump.take() {
            // A thread still has the file.
            let event = DataEvent::Ended {
                end,
                bytes: pump.bytes(),
                refusal: None,
            };
            self.session.handle_data_event(event, cx.now());
        }
        self.carry_out_effects(cx);
    }

    /// Keeps the data connection of a transfer until the client has closed its side.
    fn linger_on(&mut self, linger: Linger, cx: &mut Context<'_>) {
        self.end_linger(cx);
        self.linger = Some(Box::new(linger));
    }

    /// Discards what still arrives on the last transfer's data connection, and closes it at its end
    /// or when the time is over.
    pub(super) fn drain_linger(&mut self, cx: &mut Context<'_>) {
        let now = cx.now();
        let is_over = |linger: &mut Box<Linger>| linger.until() <= now || !linger.drain(cx);
        if let Some(over) = self.linger.take_if(is_over) {
            over.end(&mut self.debts, cx);
        }
    }

    /// Closes the data connection of a failed upload, if it is still open: the client has sent its
    /// next command, so it has read the reply.
    pub(super) fn end_failed_upload(&mut self, cx: &mut Context<'_>) {
        if self.linger.as_ref().is_some_and(|it| it.is_after_upload()) {
            self.end_linger(cx);
        }
    }

    /// Closes the last transfer's data connection, if it is still open.
    fn end_linger(&mut self, cx: &mut Context<'_>) {
        if let Some(linger) = self.linger.take() {
            linger.end(&mut self.debts, cx);
        }
    }
}

/// Whether 226 is held back until the client has closed the data connection, or for a moment, so
/// that it does not read 226 together with 150. Some clients then wait for it: clients that resume,
/// and others (lynx) that fetch text. Listings count as images.
fn separates_replies(transfer: &Transfer<Payload>) -> bool {
    let is_text = transfer.transfer_type == TransferType::Ascii;
    let sends = transfer.direction == TransferDirection::Download;
    sends && (transfer.after_rest || is_text)
}

/// The prefix of log lines about a transfer of `client`.
fn transfer_prefix<'a>(client: &'a Client, begun: Option<&'a Begun>) -> Prefix<'a> {
    client.prefix(begun.map(|begun| begun.account.login().username.as_str()))
}
