//! A lock for tables that are read often and changed seldom.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A table under a lock that a panic does not poison: the invariants of the table hold between any
/// two statements that change it.
#[derive(Default)]
pub(crate) struct Locked<T>(RwLock<T>);

impl<T> Locked<T> {
    pub(crate) fn new(table: T) -> Self {
        Self(RwLock::new(table))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
