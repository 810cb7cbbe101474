//! Worker processes that share the listeners.

use std::fmt::Display;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ftpdlib_handlers::{Reach, Service};
use ftpdlib_ioloop::{Context, Flow, Handler, Pool, Ready, SourceId, TimerId};
use mio::net::TcpListener;

use super::child::ChildOptions;
use super::children::{ChildMessage, Children, ExitedChild, ForkSide};
use super::parent_link::StopRequest;
use super::parent_mailbox::{LentListeners, ParentMailbox};
use super::supervisor::Supervisor;
use crate::shared::Shared;
use crate::upgrade;

/// Most different client addresses that a worker can count at a time.
const ADDRESSES: usize = 16_384;

/// A worker that has lived this long has started well.
const SETTLED: Duration = Duration::from_secs(5);

/// The wait before another worker is started, after one that failed to start or that the system
/// refused. It doubles with each failure.
const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The wait after this many failures in a row.
fn delay_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (SHORTEST_DELAY * (1 << doublings)).min(LONGEST_DELAY)
}

/// A worker that is silent for a shorter time may only be waiting for a processor.
const SHORTEST_HANG: Duration = Duration::from_secs(5);

/// How many unanswered pings, one per `interval`, make a worker count as hung: at least two, since
/// a ping may be sent right before the last answer is read.
fn pings_of_a_hang(interval: Duration) -> u32 {
    let intervals = SHORTEST_HANG
        .as_nanos()
        .div_ceil(interval.as_nanos().max(1));
    u32::try_from(intervals).unwrap_or(u32::MAX).max(2)
}

/// Worker processes that share the listeners and serve the clients. The parent accepts no client.
pub(crate) struct PreforkWorkers {
    count: usize,
    /// Whether workers were asked for. If not, there is one, so that this process can keep its
    /// privileges.
    is_wanted: bool,
    /// The concurrency model of each worker.
    inner: &'static str,
    mailbox: Arc<ParentMailbox>,
    /// Set once: to `Ok` when the first worker accepts clients, or to the reason why none will.
    start: OnceLock<Result<(), String>>,
}

impl PreforkWorkers {
    pub(crate) fn new(count: usize, is_wanted: bool, inner: &'static str) -> Self {
        Self {
            count,
            is_wanted,
            inner,
            mailbox: Arc::default(),
            start: OnceLock::new(),
        }
    }

    /// How many tables the limits have: a retired worker keeps its own until its clients have left.
    /// A table takes memory only once a worker counts in it.
    fn tables(&self) -> usize {
        self.count * 4 + 256
    }
}

impl Supervisor for PreforkWorkers {
    fn model(&self) -> &'static str {
        match self.inner {
            "async" if self.is_wanted => "pre-fork + async",
            "multi-thread" if self.is_wanted => "pre-fork + multi-thread",
            model => model,
        }
    }

    fn mailbox(&self) -> &Arc<ParentMailbox> {
        &self.mailbox
    }

    fn has_started(&self) -> io::Result<bool> {
        match self.start.get() {
            None => Ok(false),
            // After a stop in the same turn, an earlier server must not make way for this one.
            Some(Ok(())) => Ok(self.mailbox.stop_requested().is_none()),
            Some(Err(problem)) => Err(io::Error::other(problem.clone())),
        }
    }

    fn handler(
        self: Arc<Self>,
        shared: &Arc<Shared>,
        pool: &Pool,
        options: ChildOptions,
    ) -> io::Result<Box<dyn Handler>> {
        Ok(Box::new(WorkerSupervisor {
            children: Children::prepare(shared, pool, options, self.tables(), ADDRESSES)?,
            shared: Arc::clone(shared),
            listeners: Vec::new(),
            generation: 0,
            coming: None,
            failures: 0,
            refusals: 0,
            retry_timer: None,
            ping_timer: None,
            workers: self,
        }))
    }
}

/// Starts, watches and replaces the workers.
struct WorkerSupervisor {
    workers: Arc<PreforkWorkers>,
    shared: Arc<Shared>,
    /// The workers accept from these; this process does not.
    listeners: LentListeners<TcpListener>,
    children: Children,
    /// The current generation. Workers of earlier ones have an earlier configuration.
    generation: u64,
    /// The service of this generation, while workers of earlier ones still accept clients.
    coming: Option<Arc<Service>>,
    /// How many workers in a row failed soon after their start.
    failures: u32,
    /// How often in a row the system refused to start a worker.
    refusals: u32,
    /// When it fires, another worker may be started.
    retry_timer: Option<TimerId>,
    /// When it fires, the next ping is due.
    ping_timer: Option<TimerId>,
}

impl WorkerSupervisor {
    /// Starts the workers that are missing.
    fn start_missing(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.children.stop_requested().is_none()
            && self.children.count(self.generation) < self.workers.count
        {
            let Some(table) = self.children.take_table() else {
                return Err(io::Error::other(format!(
                    "there are {} of them, most with clients from before: the configuration read \
                     last is not applied until one of them has ended",
                    self.workers.tables()
                )));
            };
            match self.children.fork(table, self.generation, cx, || {})? {
                ForkSide::Parent(process) => log::info!("worker process {process} has started"),
                ForkSide::Child(child) => {
                    let listeners = std::mem::take(&mut self.listeners);
                    let listeners = listeners.into_iter().map(|(_, socket)| socket);
                    child.run_worker(listeners.collect(), cx);
                }
            }
        }
        Ok(())
    }

    /// Starts workers of a new generation for new clients. Old workers keep the clients they have.
    fn start_generation(&mut self, cx: &mut Context<'_>) {
        self.generation += 1;
        self.coming = Some(self.shared.service());
        self.start_now(cx);
    }

    fn start_now(&mut self, cx: &mut Context<'_>) {
        if let Some(delay) = self.retry_timer.take() {
            cx.cancel_timer(delay);
        }
        self.start_or_retry(cx);
    }

    /// Checks the workers' loops, now and after each interval, if the server has a watchdog.
    fn ping(&mut self, cx: &mut Context<'_>) {
        if let Some(interval) = self.children.watchdog() {
            self.children.ping(pings_of_a_hang(interval), cx);
            self.ping_timer = Some(cx.start_timer_after(interval));
        }
    }

    fn on_exit(&mut self, exited: &ExitedChild, cx: &mut Context<'_>) {
        let how = match &exited.end {
            Ok(end) => end.to_string(),
            Err(error) => error.to_string(),
        };
        let is_stopping = self.children.stop_requested().is_some();
        let expected = is_stopping || exited.generation < self.generation;
        let ended_well = matches!(exited.end, Ok(end) if end.is_success());
        match (ended_well, expected) {
            (true, true) => log::debug!("worker process {} has ended", exited.process),
            // A signal has asked it to end.
            (true, false) => log::info!("worker process {} has ended: {how}", exited.process),
            (false, _) => log::error!("worker process {} has ended: {how}", exited.process),
        }
        if !ended_well && !is_stopping && self.fails_to_start(&how) {
            return;
        }
        if exited.generation < self.generation {
            // The system has refused a new worker before, and may allow one now.
            if self.refusals > 0 {
                self.start_now(cx);
            }
            return;
        }
        if exited.age >= SETTLED {
            self.failures = 0;
        } else {
            self.failures += 1;
        }
        // A worker may die early by chance, so the first one is replaced at once. But a signal that
        // has ended a worker may be on its way to this process, too.
        if (self.failures > 1 || ended_well) && !is_stopping && self.retry_timer.is_none() {
            self.retry_timer =
                Some(cx.start_timer_after(delay_after(self.failures.saturating_sub(1))));
        }
        self.start_or_retry(cx);
    }

    /// Starts the workers that are missing, now or after a delay.
    fn start_or_retry(&mut self, cx: &mut Context<'_>) {
        if self.retry_timer.is_some() {
            return;
        }
        match self.start_missing(cx) {
            Ok(()) => self.refusals = 0,
            Err(error) if self.fails_to_start(&error) => {}
            Err(error) => {
                self.refusals += 1;
                let delay = delay_after(self.refusals);
                log::error!("cannot start a worker process: {error}; trying again in {delay:?}");
                self.retry_timer = Some(cx.start_timer_after(delay));
            }
        }
    }

    /// Whether the server fails because a worker cannot be started or has ended: if no worker
    /// accepts clients yet, and none is left that could. A server that takes over from another one
    /// needs all of its workers, since the other one gives up its own for them.
    fn fails_to_start(&self, problem: &dyn Display) -> bool {
        let start = &self.workers.start;
        let takes_over = upgrade::has_predecessor();
        if start.get().is_none() && (takes_over || self.children.is_empty()) {
            // Only this thread sets it.
            let _ = start.set(Err(format!(
                "a worker process could not be started: {problem}"
            )));
        }
        matches!(start.get(), Some(Err(_)))
    }

    /// Retires old workers, as new ones accept clients in their place.
    fn retire(&mut self, cx: &mut Context<'_>) {
        if self.children.stop_requested().is_none() {
            let wanted = self.workers.count;
            self.children.retire(self.generation, wanted, cx);
        }
    }

    /// Ends logins with earlier settings once no old worker accepts clients.
    fn outdate_others(&mut self) {
        if !self.children.have_old(self.generation)
            && let Some(coming) = self.coming.take()
        {
            // Not before: a client that connects again may reach any worker.
            coming.outdate_others(Reach::AllProcesses);
        }
    }
}

impl Handler for WorkerSupervisor {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        // From now on the mailbox delivers the listeners.
        self.workers.mailbox.set_notifier(cx.notifier());
        self.ping(cx);
        Ok(())
    }

    fn ready(&mut self, source: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        match self.children.read_link(source, cx) {
            Some(ChildMessage::Ready) => {
                if self.workers.mailbox.stop_requested().is_none() {
                    // Another worker has usually set it already.
                    let _ = self.workers.start.set(Ok(()));
                }
                self.retire(cx);
            }
            Some(ChildMessage::Exited(exited)) => self.on_exit(&exited, cx),
            None => {}
        }
        self.outdate_others();
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        if self.retry_timer == Some(timer) {
            self.retry_timer = None;
            self.start_or_retry(cx);
        } else if self.ping_timer == Some(timer) {
            self.ping(cx);
        } else {
            self.children.timeout(timer);
        }
        Ok(Flow::Continue)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        let mailbox = &self.workers.mailbox;
        self.children.hand_over(mailbox.take_files(), cx);
        let changed = mailbox.update(&mut self.listeners, Ok);
        let replaced = mailbox.take_service_replaced();
        if changed && self.listeners.is_empty() {
            mailbox.request_stop(StopRequest::Close);
        }
        let stop_requested = mailbox.stop_requested();
        if let Some(request) = stop_requested {
            self.listeners.clear();
            self.children.request_stop(request, cx);
        } else if changed || replaced {
            self.start_generation(cx);
        }
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_hangs_after_two_intervals_and_five_seconds() {
        for (seconds, pings) in [(15.0, 2), (2.5, 2), (2.0, 3), (0.5, 10)] {
            let interval = Duration::from_secs_f64(seconds);
            assert_eq!(pings_of_a_hang(interval), pings, "{interval:?}");
        }
        assert_eq!(pings_of_a_hang(Duration::ZERO), u32::MAX);
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
