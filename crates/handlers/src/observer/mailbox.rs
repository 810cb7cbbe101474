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
            if unheard.iter().any(asked) {
                state.verdict = Some(Verdict::Refuse(Refusal::local_error().into_reply()));
            }
            drop(state);
            // A command is not held before this call has returned, so its verdict is for a later one.
            if let Some((session, _)) = unheard.back() {
                session.control.notifier().notify();
            }
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::Ipv4Addr;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use ftpdlib_ioloop::{Context, Flow, Handler, IoLoop, Pool, Ready, SourceId, TimerId};

    use super::*;
    use crate::observer::{ObservedCommand, SessionControl};

    /// Asks about a command, and tells what it hears when it is rung for.
    struct Asking {
        mailbox: Mailbox,
        heard: Sender<Option<Verdict>>,
    }

    impl Handler for Asking {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            let session = ObservedSession {
                id: 1,
                peer: (Ipv4Addr::LOCALHOST, 1).into(),
                local: (Ipv4Addr::LOCALHOST, 2).into(),
                username: None,
                secure: false,
                control: Arc::new(SessionControl::new(cx.notifier())),
            };
            cx.start_timer_after(Duration::from_secs(20));
            let command = ObservedCommand::new(b"NOOP");
            self.mailbox.post(session, Notice::Command(command));
            Ok(())
        }

        fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Continue)
        }

        fn notified(&mut self, _: &mut Context<'_>) -> io::Result<Flow> {
            self.heard.send(self.mailbox.take_verdict()).unwrap();
            Ok(Flow::Close)
        }

        fn timeout(&mut self, _: TimerId, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Close)
        }
    }

    fn ask(pool: &Pool) -> Receiver<Option<Verdict>> {
        let (heard, verdict) = channel();
        let mailbox = Mailbox::new(pool.lane(1), Arc::new([]));
        let mut io_loop = IoLoop::new().unwrap();
        io_loop.add(Box::new(Asking { mailbox, heard })).unwrap();
        io_loop.run().unwrap();
        verdict
    }

    #[test]
    fn a_command_that_no_thread_could_judge_waited_for_the_next_one() {
        let pool = Pool::new();
        assert_eq!(ask(&pool).recv(), Ok(Some(Verdict::Allow)));
        pool.shutdown(Duration::ZERO);
        let refused = Verdict::Refuse(Refusal::local_error().into_reply());
        assert_eq!(ask(&pool).recv(), Ok(Some(refused)));
    }
}
