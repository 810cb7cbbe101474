//! The events of one session, in order, on their way to a thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftpdlib_ioloop::Lane;
use ftpdlib_session::Refusal;

use super::{Notice, ObservedSession, Observer, Verdict};

/// Calls the observers of a session on a thread, one event after the other.
pub(crate) struct Mailbox {
    lane: Lane,
    observers: Arc<[Arc<dyn Observer>]>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(ObservedSession, Notice)>,
    /// A thread empties the queue.
    running: bool,
    /// What was said to the last command.
    verdict: Option<Verdict>,
}

impl Mailbox {
    pub(crate) fn new(lane: Lane, observers: Arc<[Arc<dyn Observer>]>) -> Self {
        Self {
            lane,
            observers,
            state: Arc::default(),
        }
    }

    /// Queues an event; the session's notifier rings when the queue is empty again.
    pub(crate) fn post(&self, session: ObservedSession, notice: Notice) {
        let mut state = lock(&self.state);
        state.waiting.push_back((session, notice));
        if state.running {
            return;
        }
        state.running = true;
        drop(state);
        let (observers, queue) = (Arc::clone(&self.observers), Arc::clone(&self.state));
        if let Err(error) = self.lane.submit(move || empty(&queue, &observers)) {
            log::error!("no thread for observers: {error}");
            let mut state = lock(&self.state);
            state.running = false;
            let unheard = std::mem::take(&mut state.waiting);
            let asked = |(_, notice): &(_, Notice)| matches!(notice, Notice::Command(_));
            let refused = || Verdict::Refuse(Refusal::local_error().into_reply());
            state.verdict = unheard.iter().any(asked).then(refused);
        }
    }

    /// Those it calls.
    pub(crate) fn observers(&self) -> &[Arc<dyn Observer>] {
        &self.observers
    }

    /// Whether observers are still being called.
    pub(crate) fn is_busy(&self) -> bool {
        lock(&self.state).running
    }

    /// What was said to the last command, once.
    pub(crate) fn take_verdict(&self) -> Option<Verdict> {
        lock(&self.state).verdict.take()
    }
}

fn empty(queue: &Mutex<State>, observers: &[Arc<dyn Observer>]) {
    let mut state = lock(queue);
    let mut last = None;
    while let Some((session, notice)) = state.waiting.pop_front() {
        drop(state);
        let verdict = notice.tell(&session, observers);
        state = lock(queue);
        if matches!(notice, Notice::Command(_)) {
            state.verdict = Some(verdict);
        }
        last = Some(session);
    }
    state.running = false;
    drop(state);
    if let Some(session) = last {
        session.control.notifier().notify();
    }
}

/// No observer is called under the lock, so no panic leaves the queue half done.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
