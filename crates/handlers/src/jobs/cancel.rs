//! Stopping what runs on another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ftpdlib_proto::ReplyCode;
use ftpdlib_session::Refusal;

use super::refusal;

/// Tells work that nobody waits for it any more. Clones tell the same work.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Stops the work at its next piece.
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Refuses to go on once it is cancelled.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.0.load(Ordering::Relaxed) {
            Err(refusal(ReplyCode::new(426), "Aborted."))
        } else {
            Ok(())
        }
    }
}
