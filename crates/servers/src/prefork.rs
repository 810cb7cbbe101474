//! Worker processes that share the listeners.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, Handler, Pool, Ready, SourceId, TimerId};
use mio::net::TcpListener;

use crate::children::{Children, Departed, Forked, Heard};
use crate::client::Client;
use crate::crew::{Crew, Lent};
use crate::handle::Shared;
use crate::orders::Order;
use crate::placement::Placement;
use crate::worker::{ChildOptions, NewChild};

/// Different client addresses that a worker can count at a time.
const ADDRESSES: usize = 16_384;

/// A worker that lived this long did not fail to start.
const SETTLED: Duration = Duration::from_secs(5);

/// How long to wait before another worker is started after one that failed to start or that the
/// system refused; doubled with each.
const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// How long to wait after so many that failed.
fn delay_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (SHORTEST_DELAY * (1 << doublings)).min(LONGEST_DELAY)
}

/// A worker that does not answer for less than this may only be short of a processor.
const SHORTEST_HANG: Duration = Duration::from_secs(5);

/// How many questions, one each `interval`, a worker leaves unanswered that hangs: two at least, since
/// it may be asked right before an answer could be read.
fn questions_of_a_hang(interval: Duration) -> u32 {
    let intervals = SHORTEST_HANG
        .as_nanos()
        .div_ceil(interval.as_nanos().max(1));
    u32::try_from(intervals).unwrap_or(u32::MAX).max(2)
}

/// Has clients served by worker processes, each as another placement does it in one process.
///
/// The parent binds, catches signals and looks after the workers. It hears of no client.
pub(crate) struct Workers {
    count: usize,
    within: Arc<dyn Placement>,
    options: ChildOptions,
    crew: Arc<Crew>,
}

impl Workers {
    pub(crate) fn new(count: usize, within: Arc<dyn Placement>, options: ChildOptions) -> Self {
        Self {
            count,
            within,
            options,
            crew: Arc::default(),
        }
    }

    /// Tables of the limits: retired workers that have clients still keep theirs. Memory for a table
    /// is only taken once a worker counts in it.
    fn tables(&self) -> usize {
        self.count * 4 + 256
    }
}

impl Placement for Workers {
    fn model(&self) -> &'static str {
        match (self.count, self.within.model()) {
            // It is one process, but for the one that keeps the privileges.
            (1, model) => model,
            (_, "async") => "pre-fork + async",
            (_, "multi-thread") => "pre-fork + multi-thread",
            (_, model) => model,
        }
    }

    fn parent(
        self: Arc<Self>,
        shared: &Arc<Shared>,
        pool: &Pool,
    ) -> io::Result<Option<Box<dyn Handler>>> {
        ftpdlib_sys::check_forkable()?;
        let limits = Arc::clone(shared.service().limits());
        limits.share(self.tables(), ADDRESSES)?;
        shared.service().sessions().share()?;
        Ok(Some(Box::new(WorkerWatch {
            children: Children::new(shared, self.tables()),
            shared: Arc::clone(shared),
            listeners: Vec::new(),
            pool: pool.clone(),
            generation: 0,
            failures: 0,
            refusals: 0,
            delay: None,
            question: None,
            workers: self,
        })))
    }

    fn crew(&self) -> Option<&Arc<Crew>> {
        Some(&self.crew)
    }

    fn place(&self, client: Client, _: &mut Context<'_>) -> io::Result<()> {
        client.turn_away(&io::Error::other("the parent of the workers serves nobody"));
        Ok(())
    }

    fn renew(&self) {
        self.crew.renew();
    }
}

/// Has the workers.
struct WorkerWatch {
    workers: Arc<Workers>,
    shared: Arc<Shared>,
    /// Not accepted from here.
    listeners: Lent<TcpListener>,
    pool: Pool,
    children: Children,
    /// Workers of an earlier one serve as an earlier configuration said.
    generation: u64,
    /// Workers that failed to start, one after another.
    failures: u32,
    /// How often in a row the system refused to start one.
    refusals: u32,
    /// Runs until the next may be started.
    delay: Option<TimerId>,
    /// Runs until the workers are asked whether their loops turn.
    question: Option<TimerId>,
}

impl WorkerWatch {
    /// Starts the workers that are missing.
    fn hire(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.children.told().is_none()
            && self.children.count(self.generation) < self.workers.count
        {
            let Some(table) = self.children.take_table() else {
                return Err(io::Error::other(format!(
                    "there are {} of them, most with clients from before: the configuration read \
                     last is not applied until one of them has ended",
                    self.workers.tables()
                )));
            };
            match self.children.fork(table, self.generation, cx)? {
                Forked::Parent(process) => log::info!("worker process {process} has started"),
                Forked::Child(link) => {
                    let child = NewChild {
                        link,
                        shared: &self.shared,
                        pool: self.pool.clone(),
                        options: &self.workers.options,
                    };
                    let listeners = std::mem::take(&mut self.listeners);
                    let listeners = listeners.into_iter().map(|(_, socket)| socket);
                    child.work(listeners.collect(), Arc::clone(&self.workers.within));
                }
            }
        }
        Ok(())
    }

    /// Has new workers serve the clients to come, and the old ones those they have.
    fn renew(&mut self, cx: &mut Context<'_>) {
        self.generation += 1;
        self.hire_at_once(cx);
    }

    fn hire_at_once(&mut self, cx: &mut Context<'_>) {
        if let Some(delay) = self.delay.take() {
            cx.cancel_timer(delay);
        }
        self.try_hire(cx);
    }

    /// Asks the workers whether their loops turn, now and after each interval, where the server has
    /// a watchdog.
    fn ask(&mut self, cx: &mut Context<'_>) {
        if let Some(interval) = self.workers.options.watchdog {
            self.children.ask(questions_of_a_hang(interval), cx);
            self.question = Some(cx.start_timer_after(interval));
        }
    }

    fn replace(&mut self, departed: &Departed, cx: &mut Context<'_>) {
        let how = match &departed.end {
            Ok(end) => end.to_string(),
            Err(error) => error.to_string(),
        };
        let expected = self.children.told().is_some() || departed.generation < self.generation;
        match &departed.end {
            Ok(end) if expected && end.is_success() => {
                log::debug!("worker process {} has ended", departed.process);
            }
            _ => log::error!("worker process {} has ended: {how}", departed.process),
        }
        if departed.generation < self.generation {
            // Where the system refused to start a new one, there may be room now.
            if self.refusals > 0 {
                self.hire_at_once(cx);
            }
            return;
        }
        if departed.age >= SETTLED {
            self.failures = 0;
        } else {
            self.failures += 1;
        }
        // One that dies young may do so for no fault of its own, so the first has another at once.
        if self.failures > 1 && self.children.told().is_none() && self.delay.is_none() {
            self.delay = Some(cx.start_timer_after(delay_after(self.failures - 1)));
        }
        self.try_hire(cx);
    }

    /// Starts the workers that are missing, now or later.
    fn try_hire(&mut self, cx: &mut Context<'_>) {
        if self.delay.is_some() {
            return;
        }
        match self.hire(cx) {
            Ok(()) => self.refusals = 0,
            Err(error) => {
                self.refusals += 1;
                let delay = delay_after(self.refusals);
                log::error!("cannot start a worker process: {error}; trying again in {delay:?}");
                self.delay = Some(cx.start_timer_after(delay));
            }
        }
    }

    /// Has old workers accept nobody any more, each once a new one does in its place.
    fn retire(&mut self, cx: &mut Context<'_>) {
        if self.children.told().is_none() {
            let wanted = self.workers.count;
            self.children.retire(self.generation, wanted, cx);
        }
    }
}

impl Handler for WorkerWatch {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // The listeners come now.
        self.workers.crew.set_notifier(cx.notifier());
        self.ask(cx);
        Ok(())
    }

    fn ready(&mut self, source: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        match self.children.hear(source, cx) {
            Some(Heard::Serves) => self.retire(cx),
            Some(Heard::End(departed)) => self.replace(&departed, cx),
            None => {}
        }
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        if self.delay == Some(timer) {
            self.delay = None;
            self.try_hire(cx);
        } else if self.question == Some(timer) {
            self.ask(cx);
        } else {
            self.children.timeout(timer);
        }
        Ok(Flow::Continue)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        let crew = &self.workers.crew;
        self.children.hand_over(crew.take_files(), cx);
        let changed = crew.update(&mut self.listeners, Ok);
        let renewed = crew.take_renewed();
        if changed && self.listeners.is_empty() {
            crew.order(Order::Retire);
        }
        let standing = crew.standing();
        if let Some(order) = standing {
            self.listeners.clear();
            self.children.pass_on(order, cx);
        } else if changed || renewed {
            self.renew(cx);
        }
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_hangs_after_two_intervals_and_five_seconds() {
        for (seconds, questions) in [(15.0, 2), (2.5, 2), (2.0, 3), (0.5, 10)] {
            let interval = Duration::from_secs_f64(seconds);
            assert_eq!(questions_of_a_hang(interval), questions, "{interval:?}");
        }
        assert_eq!(questions_of_a_hang(Duration::ZERO), u32::MAX);
    }

    #[test]
    fn delays_grow_up_to_the_longest() {
        for (failures, seconds) in [(0, 0.1), (1, 0.1), (2, 0.2), (7, 6.4), (8, 10.0)] {
            let delay = Duration::from_secs_f64(seconds);
            assert_eq!(delay_after(failures), delay, "{failures}");
        }
        assert_eq!(delay_after(u32::MAX), LONGEST_DELAY);
    }
}
