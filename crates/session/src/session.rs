//! The interpreter.
use crate::{AdminEvent, ControlEvent, DataEvent, Effect, JobOutcome, SessionConfig};
use ftpdlib_proto::{NameEncoding, VirtualPath};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// One client's protocol state. `P` is an opened file or listing, opaque here.
pub struct Session<P> {
    config: Arc<SessionConfig>,
    effects: VecDeque<Effect<P>>,
}
impl<P> Session<P> {
    /// A session whose greeting is queued. `peer` and `local` are the control connection's ends.
    pub fn new(
        config: Arc<SessionConfig>,
        _peer: SocketAddr,
        _local: SocketAddr,
        _now: Instant,
    ) -> Self {
        Self {
            config,
            effects: VecDeque::new(),
        }
    }
    /// Something came on the control connection.
    pub fn handle_control(&mut self, _event: ControlEvent<'_>, _now: Instant) {
        todo!()
    }
    /// A job ended.
    pub fn handle_job(&mut self, _outcome: JobOutcome<P>, _now: Instant) {
        todo!()
    }
    /// Something happened on the data side.
    pub fn handle_data_event(&mut self, _event: DataEvent, _now: Instant) {
        todo!()
    }
    /// The operator or a limit speaks.
    pub fn handle_admin(&mut self, _event: AdminEvent, _now: Instant) {
        todo!()
    }
    /// The deadline of `poll_timeout` may have passed.
    pub fn handle_timeout(&mut self, _now: Instant) {
        todo!()
    }
    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect<P>> {
        self.effects.pop_front()
    }
    /// Whether the next line may be handed over.
    pub fn wants_input(&self) -> bool {
        todo!()
    }
    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }
    /// Encoding for replies now.
    pub fn encoding(&self) -> NameEncoding {
        self.config.encoding
    }
    /// Who is logged in.
    pub fn username(&self) -> Option<&str> {
        todo!()
    }
    /// The working directory.
    pub fn working_directory(&self) -> &VirtualPath {
        todo!()
    }
    /// Whether a transfer is in progress or about to be.
    pub fn is_transferring(&self) -> bool {
        todo!()
    }
}
