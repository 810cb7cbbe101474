//! A gate that holds up whoever comes, until it is opened.

use std::sync::{Arc, Condvar, Mutex};

use crate::wait::PATIENCE;

/// A closed gate. Copies are the same gate; it opens by itself when the last [`GateKeeper`] goes, so
/// that a test that fails does not leave threads behind it.
#[derive(Clone, Default)]
pub struct Gate {
    place: Arc<Place>,
}

#[derive(Default)]
struct Place {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A closed gate, and who opens it.
    pub fn closed() -> (Self, GateKeeper) {
        let gate = Self::default();
        (gate.clone(), GateKeeper(gate))
    }

    /// Waits until the gate is open.
    ///
    /// # Panics
    ///
    /// Somebody panicked in here.
    pub fn pass(&self) {
        let mut state = self.place.state.lock().unwrap();
        state.waiting += 1;
        self.place.changed.notify_all();
        while !state.open {
            state = self.place.changed.wait(state).unwrap();
        }
        state.waiting -= 1;
    }
}

/// Opens a [`Gate`], at the latest when it is dropped.
pub struct GateKeeper(Gate);

impl GateKeeper {
    /// Lets everybody pass, from now on.
    ///
    /// # Panics
    ///
    /// Somebody panicked in there.
    pub fn open(&self) {
        self.0.place.state.lock().unwrap().open = true;
        self.0.place.changed.notify_all();
    }

    /// Waits until `count` threads stand at the gate.
    ///
    /// # Panics
    ///
    /// They never come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        let place = &self.0.place;
        let state = place.state.lock().unwrap();
        let (state, timeout) = place
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.waiting < count)
            .unwrap();
        let waiting = state.waiting;
        drop(state);
        assert!(
            !timeout.timed_out(),
            "{waiting} of {count} came to the gate"
        );
    }
}

impl Drop for GateKeeper {
    fn drop(&mut self) {
        self.open();
    }
}
