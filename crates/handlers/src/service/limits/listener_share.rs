//! A process's share in the clients of a listener.

use std::io;
use std::sync::Arc;

use super::Limits;

/// A listener from which this process, and maybe others, accept clients; see
/// [`Limits::share_listener`].
#[derive(Debug)]
pub struct ListenerShare {
    limits: Arc<Limits>,
}

impl ListenerShare {
    /// Creates the share of a listener that is counted already.
    pub(super) const fn new(limits: Arc<Limits>) -> Self {
        Self { limits }
    }

    /// How many clients this process should accept now, so that the waiting ones go to the
    /// processes with the fewest connections. `waiting` counts them; it is called only if another
    /// process accepts clients too. If it fails, or there is no other process, all of them.
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
