//! The share that a process has in the clients of a listener.

use std::io;
use std::sync::Arc;

use super::Limits;

/// A listener from which this process accepts clients, and maybe others do;
/// see [`Limits::share_listener`].
#[derive(Debug)]
pub struct ListenerShare {
    limits: Arc<Limits>,
}

impl ListenerShare {
    /// The listener is counted already.
    pub(super) const fn new(limits: Arc<Limits>) -> Self {
        Self { limits }
    }

    /// How many clients this process should accept now, if those that wait go to the processes with
    /// the fewest connections. `waiting` counts them; it is asked only if another process accepts
    /// clients, too. Where it fails, or there is no other, that is as many as come.
    pub fn quota(&self, waiting: impl FnOnce() -> io::Result<usize>) -> usize {
        match self.limits.shared.get() {
            None => usize::MAX,
            Some(shared) => shared.quota(waiting),
        }
    }
}

impl Drop for ListenerShare {
    fn drop(&mut self) {
        if let Some(shared) = self.limits.shared.get() {
            shared.remove_listener();
        }
    }
}
