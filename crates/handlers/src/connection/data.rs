//! The data connection before a transfer uses it: listening, connecting, and the TLS handshake.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use ftpdlib_ioloop::{Connector, Context, Interest};
use ftpdlib_session::{DataEvent, Refusal};

use super::{Connection, ControlSocket, canonical, log_lines};
use crate::Permit;
use crate::data::{DataSide, PassivePort, listen};
use crate::data_connection::handshake_timed_out;

/// Most connections to a passive port that are examined in one turn.
const ARRIVALS: usize = 16;

impl Connection {
    /// Opens a passive port.
    pub(super) fn listen(&mut self, cx: &mut Context<'_>) -> Result<DataEvent, Refusal> {
        let permit = self.permit_data()?;
        let no_port = |error| {
            log_lines::no_passive_port(&self.log_prefix(), &error);
            Refusal::new(425, "Can't open a passive port.")
        };
        let ports = &self.client.service.passive_ports;
        let (listener, port) = listen(self.client.bound(), ports).map_err(no_port)?;
        // Most clients connect before they send the next line, and the port is looked at then. Only
        // if that line was sent ahead, or a handshake comes first, does the loop have to watch it.
        let sent_ahead = match &self.socket {
            ControlSocket::Open(control) => control.has_unread(),
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
            .map_err(no_port)?;
        self.data = DataSide::Listening(PassivePort::new(listener, permit, cx.now()));
        Ok(DataEvent::Listening { port })
    }

    /// Starts connecting to the client's port.
    pub(super) fn connect(&mut self, peer: SocketAddr, cx: &mut Context<'_>) -> io::Result<()> {
        let permit = self.permit_data();
        let permit = permit.map_err(|refusal| io::Error::other(refusal.text))?;
        let (local, peer) = (self.client.bound(), canonical(peer));
        // From the address at which this server was reached (behind a proxy, not the one that the
        // client connected to), if the families agree.
        let from = local.is_ipv4() == peer.is_ipv4();
        let socket = Connector::open(peer, from.then_some(local))
            .and_then(|stream| cx.register_connecting(stream, Interest::WRITE))?;
        self.data = DataSide::Connecting { socket, permit };
        Ok(())
    }

    /// Accepts the connection that waits at the passive port and starts its handshake: some clients
    /// complete it before they send the transfer command, or before a file on a slow disk is open.
    /// Once the transfer begins, the pump continues the handshake.
    pub(super) fn accept_data(&mut self, cx: &mut Context<'_>) {
        let tls = self.security.session();
        let tls = tls.filter(|_| self.session.protects_data());
        let timeout = self.client.service.session.handshake_timeout();
        // No deadline if the time cannot be represented.
        let until = timeout.and_then(|timeout| cx.now().checked_add(timeout));
        if let Err(error) = self.data.accept_candidate(tls, until, cx) {
            return self.data_lost(&error, cx);
        }
        if self.session.is_data_unused() {
            if self.session.is_opening_upload() {
                self.data.note_upload();
            }
            self.establish_data(cx);
        }
    }

    /// Serves the data side.
    pub(super) fn data_ready(&mut self, cx: &mut Context<'_>) {
        let now = cx.now();
        match &mut self.data {
            DataSide::Listening(_) => {
                // After an error the client waits in the listener's queue until its time is over.
                if let Err(error) = self.meet_arrivals(cx)
                    && let Some(port) = self.data.passive_port_mut()
                    && port.pause(cx)
                {
                    let prefix = self.log_prefix();
                    log::warn!("{prefix} no data connection for now: {error}");
                }
            }
            DataSide::Connecting { socket, .. } => match cx.finish_connect(socket) {
                Ok(()) => {
                    let tls = self.security.session();
                    let tls = tls.filter(|_| self.session.protects_data());
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

    /// The client's port was not reached. The reply gives no reason.
    pub(super) fn connect_failed(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        log::debug!("{} connecting to the client: {error}", self.log_prefix());
        self.data_failed(cx);
    }

    /// Gives up a data connection whose handshake has taken too long.
    pub(super) fn check_data_handshake(&mut self, cx: &mut Context<'_>) {
        let deadline = self.data_handshake_deadline();
        if deadline.is_some_and(|deadline| deadline <= cx.now()) {
            self.data_lost(&handshake_timed_out(), cx);
        }
    }

    /// Accepts connections to the passive port until the client's is found, and turns others away:
    /// up to [`ARRIVALS`] in one turn.
    fn meet_arrivals(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        for _ in 0..ARRIVALS {
            let client = &self.client;
            let prefix = client.prefix(self.session.username());
            let Some(port) = self.data.passive_port_mut() else {
                return Ok(());
            };
            let Some(peer) = port.next_candidate(client, &prefix, cx)? else {
                return Ok(());
            };
            let event = DataEvent::Accepted { peer };
            self.session.handle_data_event(event, cx.now());
            self.carry_out_effects(cx);
        }
        self.data
            .passive_port_mut()
            .map_or(Ok(()), |port| port.watch(cx))
    }

    /// Continues the handshake of a data connection that has no transfer yet.
    fn establish_data(&mut self, cx: &mut Context<'_>) {
        if let Err(error) = self.data.establish(cx) {
            self.data_lost(&error, cx);
        }
    }

    /// The data connection failed in a way that belongs in the log.
    fn data_lost(&mut self, error: &io::Error, cx: &mut Context<'_>) {
        log::warn!("{} data connection: {error}", self.log_prefix());
        self.data_failed(cx);
    }

    /// The data connection could not be made, or is lost.
    fn data_failed(&mut self, cx: &mut Context<'_>) {
        self.data.close(cx);
        self.session.handle_data_event(DataEvent::Failed, cx.now());
    }

    /// The deadline for the handshake of a data connection that has no transfer yet. There is none
    /// while the file is being opened: the client may wait for the reply first, and the transfer
    /// has a timeout of its own.
    pub(super) fn data_handshake_deadline(&self) -> Option<Instant> {
        let is_expected = !self.session.is_transferring();
        self.data.secure_until().filter(|_| is_expected)
    }

    /// Counts a data connection against the limits.
    fn permit_data(&self) -> Result<Permit, Refusal> {
        let client = &self.client;
        let acquired = client.service.limits.acquire(client.peer.ip());
        acquired.map_err(|limit| Refusal::new(425, limit.text()))
    }
}
