//! The end of an impersonation.

use std::fmt;

/// Held while acting as a user. Dropping it ends the impersonation (pyftpdlib:
/// `terminate_impersonation`).
///
/// It belongs to the thread that created it, as the credentials do.
#[must_use = "impersonation ends when the guard is dropped"]
pub struct Guard(Option<Box<dyn FnOnce()>>);

impl Guard {
    /// Creates a guard that does nothing when dropped.
    pub fn noop() -> Self {
        Self(None)
    }

    /// Whether dropping the guard does nothing, since no user is impersonated.
    pub fn is_noop(&self) -> bool {
        self.0.is_none()
    }

    /// Creates a guard that calls `restore` once, when it is dropped.
    ///
    /// `restore` must not fail: if the credentials cannot be restored, the process has to abort,
    /// since it would otherwise go on serving other users with them.
    pub fn new(restore: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(restore)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(restore) = self.0.take() {
            restore();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("restores", &self.0.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn restores_once_when_dropped() {
        let calls = Rc::new(Cell::new(0));
        let seen = Rc::clone(&calls);
        let guard = Guard::new(move || seen.set(seen.get() + 1));
        assert!(!guard.is_noop() && Guard::noop().is_noop());
        assert_eq!(calls.get(), 0);
        drop(guard);
        assert_eq!(calls.get(), 1);
    }
}
