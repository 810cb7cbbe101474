//! TLS on the control connection and on data connections.

use std::sync::Arc;

use ftpdlib_authorizers::VerifiedCertificate;
use ftpdlib_ioloop::Context;
use ftpdlib_session::{ControlEvent, DataEvent};

use super::{Connection, ControlSocket, log_lines};

/// How far TLS on the control connection is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Securing {
    /// Nothing to be done: there is none, or it stands.
    No,
    /// The client is being told that it begins.
    Announced,
    /// The handshake goes on.
    Handshake,
}

impl Connection {
    /// Begins TLS on the control connection once everything in the clear is out; whether it did.
    pub(super) fn begin_tls(&mut self, cx: &mut Context<'_>) -> bool {
        if self.securing != Securing::Announced {
            return false;
        }
        match &self.socket {
            ControlSocket::Open(control) if control.is_flushed() => {}
            _ => return false,
        }
        let Some(Ok(session)) = self.service.tls.as_ref().map(|tls| tls.session()) else {
            log::error!("no random numbers for TLS");
            return self.lose_control(cx);
        };
        if let ControlSocket::Open(control) =
            std::mem::replace(&mut self.socket, ControlSocket::Lost)
        {
            let control = control.secured_with(&session);
            self.socket = ControlSocket::Open(Box::new(control));
        }
        self.tls = Some(session);
        self.securing = Securing::Handshake;
        true
    }

    /// Tells the session once TLS stands.
    pub(super) fn note_secured(&mut self, cx: &mut Context<'_>) {
        let ControlSocket::Open(control) = &self.socket else {
            return;
        };
        if self.securing == Securing::Handshake && control.is_established() {
            self.securing = Securing::No;
            if let Some(watch) = &mut self.watch {
                watch.note_secured();
            }
            self.certificate = control.peer_certificate().and_then(|der| {
                VerifiedCertificate::from_der(der)
                    .map(Arc::new)
                    .inspect_err(|error| {
                        log_lines::certificate_unread(&self.service.log_prefix, self.peer, error);
                    })
                    .ok()
            });
            let certificate = self.certificate.is_some();
            let event = ControlEvent::Secured { certificate };
            self.session.handle_control(event, cx.now());
        }
    }

    /// Takes the connection that waits at the passive port, and begins its handshake: some clients
    /// want it done before they send the transfer command. Where that has come, it is the pump's.
    pub(super) fn accept_data(&mut self, cx: &mut Context<'_>) {
        let tls = self.tls.as_ref().filter(|_| self.session.protects_data());
        if let Err(error) = self.data.accept_candidate(tls, cx) {
            let username = self.session.username();
            let prefix = self.service.log_prefix.of(self.peer, username);
            log::warn!("{prefix} data connection: {error}");
            return self.data_failed(cx);
        }
        if !self.session.is_transferring() {
            self.establish_data(cx);
        }
    }

    /// Goes on with the handshake of a data connection without a transfer.
    pub(super) fn establish_data(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.data.establish(cx) {
            log_lines::tls_failed(&self.service.log_prefix, self.peer, &error);
            self.data_failed(cx);
        }
    }

    /// There is no data connection, or not any more.
    pub(super) fn data_failed(&mut self, cx: &mut Context<'_>) {
        self.data.close(cx);
        self.data_permit = None;
        self.session
            .handle_data_event(DataEvent::ConnectFailed, cx.now());
    }
}
