//! The data side of a client: who connects, the bytes that move, and how that ends.

use std::io;

use ftpdlib_ioloop::Context;
use ftpdlib_proto::TransferEnd;
use ftpdlib_session::DataEvent;

use super::{Connection, ControlSocket, log_lines};
use crate::data::{DataSide, Linger};
use crate::pump::{Pump, PumpContext, Step};

/// Connections to a passive port that are looked at in one turn.
const ARRIVALS: usize = 16;

impl Connection {
    /// Runs the pump for one turn.
    pub(super) fn run_pump(&mut self, cx: &mut Context<'_>) {
        self.with_pump(cx, |pump, pcx| pump.run(pcx));
    }

    /// Lets the pump do something, and follows what it came to.
    pub(super) fn with_pump(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Pump, &mut PumpContext<'_, '_>) -> Step,
    ) {
        let Some(pump) = &mut self.pump else {
            return;
        };
        let Some(notifier) = self.notifier.as_ref() else {
            return;
        };
        let mut nowhere = Vec::new();
        let replies = match &mut self.socket {
            ControlSocket::Open(control) => control.replies(),
            ControlSocket::Accepted(_) | ControlSocket::Lost => &mut nowhere,
        };
        let mut pcx = PumpContext {
            cx,
            service: &self.service,
            notifier,
            replies,
            peer: self.peer,
        };
        let step = act(pump, &mut pcx);
        match step {
            Step::Wait(_) | Step::Working | Step::Pause(_) => {}
            Step::Yield if pump.is_to_replies() => notifier.notify(),
            Step::Yield => {}
            Step::Ended(end, refusal) => {
                let (bytes, sends) = (pump.bytes(), pump.sends());
                let separates_replies = pump.separates_replies;
                let pump = self.pump.take();
                if let Some(stream) = pump.and_then(|pump| pump.into_stream()) {
                    self.data_permit = None;
                    let socket = stream.into_socket();
                    if sends && end == TransferEnd::Complete {
                        let mut linger = Linger::start(socket, cx);
                        if separates_replies {
                            linger.hold_replies(cx);
                        }
                        self.linger_on(linger, cx);
                    } else {
                        cx.close(socket);
                    }
                }
                if let Some(refusal) = &refusal {
                    let account = self.transfer_account.as_deref();
                    let username = account.map(|account| account.login().username.as_str());
                    log_lines::transfer_failed(&self.service, self.peer, username, refusal);
                }
                let event = DataEvent::Ended {
                    end,
                    bytes,
                    refusal,
                };
                self.session.handle_data_event(event, cx.now());
            }
        }
    }

    /// Ends a transfer whose connection goes without the session's doing, for logs and observers: the
    /// loop ends, for instance.
    pub(super) fn cut_transfer(&mut self, cx: &mut Context<'_>) {
        if self.pump.is_none() {
            return;
        }
        let end = TransferEnd::Shutdown;
        self.with_pump(cx, |pump, pcx| pump.abort(end.clone(), pcx));
        if let Some(pump) = self.pump.take() {
            // A thread has the file.
            let event = DataEvent::Ended {
                end,
                bytes: pump.bytes(),
                refusal: None,
            };
            self.session.handle_data_event(event, cx.now());
        }
        self.carry_out_effects(cx);
    }

    /// Keeps a download's data connection until the client has closed it.
    fn linger_on(&mut self, linger: Linger, cx: &mut Context<'_>) {
        self.end_linger(cx);
        self.linger = Some(Box::new(linger));
    }

    /// Closes the last download's data connection, if it is still there.
    pub(super) fn end_linger(&mut self, cx: &mut Context<'_>) {
        if let Some(linger) = self.linger.take() {
            linger.end(cx);
        }
    }

    /// Closes the data side, whatever there is of it, and gives its place back.
    pub(super) fn close_data(&mut self, cx: &mut Context<'_>) {
        self.data.close(cx);
        self.data_permit = None;
    }

    /// Takes who has connected to the passive port until it is the client; others are turned away, so
    /// many in one turn.
    fn meet_arrivals(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let client = self.peer.ip().to_canonical();
        for _ in 0..ARRIVALS {
            let service = &self.service;
            let prefix = service.log_prefix.of(self.peer, self.session.username());
            let Some(peer) = self.data.next_candidate(service, client, &prefix, cx)? else {
                return Ok(());
            };
            let event = DataEvent::Accepted { peer };
            self.session.handle_data_event(event, cx.now());
            self.carry_out_effects(cx);
        }
        self.data.watch(cx)
    }

    /// The client's port was not reached. Its reply tells no reason.
    pub(super) fn connect_failed(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        log::debug!("{} connecting to the client: {error}", self.log_prefix());
        self.data_failed(cx);
    }

    /// Serves the data side.
    pub(super) fn data_ready(&mut self, cx: &mut Context<'_>) {
        let now = cx.now();
        match &mut self.data {
            DataSide::Listening { .. } => {
                // After an error the client waits in the listener's queue, until the time for it is over.
                if let Err(error) = self.meet_arrivals(cx)
                    && self.data.pause(cx)
                {
                    let prefix = self.log_prefix();
                    log::warn!("{prefix} no data connection for now: {error}");
                }
            }
            DataSide::Connecting(stream) => match cx.finish_connect(stream) {
                Ok(()) => {
                    let tls = self.tls.as_ref().filter(|_| self.session.protects_data());
                    self.data.connected(tls, cx);
                    self.session.handle_data_event(DataEvent::Connected, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.connect_failed(&error, cx),
            },
            DataSide::Open { .. } => self.establish_data(cx),
            DataSide::Idle => {}
        }
    }
}
