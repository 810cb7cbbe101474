//! The queue of a session's events for observers on threads.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, Handler, Lane, Ready, SourceId, TimerId};

use super::{Notice, ObservedSession, Observer, Verdict, any_may_block};
use crate::owners_code;

/// The wait before a thread is asked for again, if there was none.
pub(crate) const RETRY_DELAY: Duration = Duration::from_millis(500);

/// How many events may wait for a thread before the session's next command waits too.
const MOST_WAITING: usize = 256;

/// Calls a session's observers on a thread, one event after the other.
#[derive(Clone)]
pub(crate) struct Mailbox {
    lane: Lane,
    observers: Arc<[Arc<dyn Observer>]>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(ObservedSession, Notice)>,
    /// Whether a thread is emptying the queue.
    running: bool,
    /// Whether there was no thread for the queue, which was logged.
    stranded: bool,
    /// The verdict on the last command.
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

    /// Queues an event. The session is notified when the queue is empty again. Returns `false` if
    /// there is no thread now; [`try_again`](Self::try_again) must be called later then.
    pub(crate) fn post(&self, session: ObservedSession, notice: Notice) -> bool {
        lock(&self.state).waiting.push_back((session, notice));
        self.try_again()
    }

    /// Has a thread empty the queue. Returns `false` if there is none now. A command that needs a
    /// verdict does not wait for a thread: it is refused.
    pub(crate) fn try_again(&self) -> bool {
        let mut state = lock(&self.state);
        if state.running || state.waiting.is_empty() {
            return true;
        }
        state.running = true;
        drop(state);
        let (observers, queue) = (Arc::clone(&self.observers), Arc::clone(&self.state));
        let Err(error) = self.lane.submit(move || empty(&queue, &observers)) else {
            return true;
        };
        let mut state = lock(&self.state);
        state.running = false;
        if !state.stranded
            && let Some((session, _)) = state.waiting.front()
        {
            let prefix = session.log_prefix();
            log::error!("{prefix} no thread for observers, who are told later: {error}");
        }
        state.stranded = true;
        let is_asked = |(_, notice): &(_, Notice)| matches!(notice, Notice::Command(_));
        if let Some(position) = state.waiting.iter().position(is_asked)
            && let Some((session, _)) = state.waiting.remove(position)
        {
            state.verdict = Some(Verdict::local_error());
            drop(state);
            // The command is held only after this call has returned, so the session takes the
            // verdict in a later callback.
            session.control.notifier().notify();
        }
        false
    }

    /// Takes care of the rest of the queue at the end of the session: it waits for a thread on the
    /// loop of `cx`, or, if the loop ends, the observers are called here.
    pub(crate) fn leave(&self, cx: &mut Context<'_>) {
        if cx.add(Box::new(Stranded(self.clone()))).is_err() {
            self.tell_here();
        }
    }

    /// Calls the observers for the rest of the queue on this thread.
    fn tell_here(&self) {
        let mut state = lock(&self.state);
        if state.running {
            return;
        }
        state.running = true;
        drop(state);
        empty(&self.state, &self.observers);
    }

    /// The observers that it calls.
    pub(crate) fn observers(&self) -> &[Arc<dyn Observer>] {
        &self.observers
    }

    /// The observers that it calls, if they can be called on the loop now: none of them may block,
    /// and no earlier event waits.
    pub(crate) fn callable_here(&self, session: &ObservedSession) -> Option<&[Arc<dyn Observer>]> {
        let state = lock(&self.state);
        let is_idle = !state.running && state.waiting.is_empty();
        drop(state);
        (is_idle && !any_may_block(session, &self.observers)).then_some(&*self.observers)
    }

    /// Whether a thread is calling observers, or too many events wait for one.
    pub(crate) fn is_busy(&self) -> bool {
        let state = lock(&self.state);
        state.running || state.waiting.len() >= MOST_WAITING
    }

    /// Takes the verdict on the last command.
    pub(crate) fn take_verdict(&self) -> Option<Verdict> {
        lock(&self.state).verdict.take()
    }
}

/// The rest of the queue of a session that is over, until there is a thread for it. If the loop
/// ends before, the observers can be called there without holding up anybody.
struct Stranded(Mailbox);

impl Handler for Stranded {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        cx.start_timer_after(RETRY_DELAY);
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, _: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        if self.0.try_again() {
            return Ok(Flow::Close);
        }
        cx.start_timer_after(RETRY_DELAY);
        Ok(Flow::Continue)
    }

    fn closed(&mut self, _: Option<io::Error>, _: &mut Context<'_>) {
        self.0.tell_here();
    }
}

/// Tells all that waits. Whatever unwinds, the rest is told, and a command has a verdict: its
/// session waits for nothing else.
fn empty(queue: &Mutex<State>, observers: &[Arc<dyn Observer>]) {
    let mut state = lock(queue);
    let mut last = None;
    while let Some((session, notice)) = state.waiting.pop_front() {
        drop(state);
        let told = owners_code::call(session.log_prefix(), "the observers", || {
            notice.tell(&session, observers)
        });
        state = lock(queue);
        if matches!(notice, Notice::Command(_)) {
            state.verdict = Some(told.unwrap_or_else(Verdict::local_error));
        }
        last = Some(session);
    }
    state.running = false;
    state.stranded = false;
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
    use std::sync::mpsc::{Receiver, Sender, channel};

    use ftpdlib_ioloop::{IoLoop, Pool};

    use super::*;
    use crate::observer::ObservedCommand;
    use crate::testing::observed_session;

    /// Asks about a command, and tells what it hears when it is rung for.
    struct Asking {
        mailbox: Mailbox,
        heard: Sender<Option<Verdict>>,
    }

    impl Handler for Asking {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            let session = observed_session(1, cx);
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

    fn ask(
        pool: &Pool,
        observers: impl Into<Arc<[Arc<dyn Observer>]>>,
    ) -> Receiver<Option<Verdict>> {
        let (heard, verdict) = channel();
        let mailbox = Mailbox::new(pool.lane("test", 1), observers.into());
        let mut io_loop = IoLoop::new().unwrap();
        io_loop.add(Box::new(Asking { mailbox, heard })).unwrap();
        io_loop.run().unwrap();
        verdict
    }

    #[test]
    fn a_command_that_no_thread_could_judge_waited_for_the_next_one() {
        let pool = Pool::new();
        assert_eq!(ask(&pool, []).recv(), Ok(Some(Verdict::Allow)));
        pool.shutdown(Duration::ZERO);
        let refused = Verdict::local_error();
        assert_eq!(ask(&pool, []).recv(), Ok(Some(refused)));
    }

    /// Does not know whether it wants commands.
    struct Undecided;

    impl Observer for Undecided {
        fn wants_commands(&self) -> bool {
            panic!("as the test wants it");
        }
    }

    #[test]
    fn a_session_waited_for_ever_for_an_observer_that_panicked_when_asked_for_interest() {
        let heard = ask(&Pool::new(), [Arc::new(Undecided) as Arc<dyn Observer>]);
        assert_eq!(heard.recv(), Ok(Some(Verdict::local_error())));
    }

    /// Tells which sessions have ended.
    struct Recorder(Sender<u64>);

    impl Observer for Recorder {
        fn on_disconnect(&self, session: &ObservedSession) {
            self.0.send(session.id()).unwrap();
        }
    }

    /// Ends at once, before a thread can be had.
    struct Ending {
        mailbox: Mailbox,
        ids: Vec<u64>,
        /// Lets threads be had.
        release: Option<Sender<()>>,
    }

    impl Handler for Ending {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            for &id in &self.ids {
                let posted = self
                    .mailbox
                    .post(observed_session(id, cx), Notice::Disconnect);
                assert!(!posted);
            }
            cx.notifier().notify();
            Ok(())
        }

        fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Continue)
        }

        fn notified(&mut self, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Close)
        }

        fn closed(&mut self, _: Option<io::Error>, cx: &mut Context<'_>) {
            self.mailbox.leave(cx);
            self.release = None;
        }
    }

    fn ending(lane: Lane, release: Option<Sender<()>>) -> (IoLoop, Receiver<u64>) {
        let (told, heard) = channel();
        let ending = Ending {
            mailbox: Mailbox::new(lane, Arc::new([Arc::new(Recorder(told))])),
            ids: vec![1, 2],
            release,
        };
        let mut io_loop = IoLoop::new().unwrap();
        io_loop.add(Box::new(ending)).unwrap();
        (io_loop, heard)
    }

    #[test]
    fn what_happened_while_there_was_no_thread_was_never_told() {
        let (release, held) = channel::<()>();
        let lane = Pool::new().lane("test", 1);
        let wait = move || {
            // An error is a release, too.
            let _ = held.recv();
        };
        lane.submit(wait).unwrap();
        // As many as may wait: another is refused, as if there were no thread.
        while lane.submit(|| ()).is_ok() {}
        let (mut io_loop, heard) = ending(lane, Some(release));
        // There is nothing else to do for it once all is told.
        io_loop.run().unwrap();
        assert_eq!(heard.iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_no_thread_could_tell_is_told_at_the_end_of_the_loop() {
        for turns in 0..2 {
            let pool = Pool::new();
            pool.shutdown(Duration::ZERO);
            let (mut io_loop, heard) = ending(pool.lane("test", 1), None);
            for _ in 0..turns {
                io_loop.turn(Some(Duration::ZERO)).unwrap();
            }
            assert!(heard.try_recv().is_err());
            io_loop.close();
            drop(io_loop);
            assert_eq!(heard.iter().collect::<Vec<_>>(), [1, 2]);
        }
    }
}
