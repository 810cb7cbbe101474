//! What a server looks up again from time to time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId};

use crate::handle::Shared;

/// Refreshes something of a server, and tells when to do it again.
type Task = fn(&Shared) -> Option<Duration>;

/// What there is to be refreshed where clients are served.
const SERVING: &[Task] = &[
    |shared| shared.service().refresh_masquerade_address(),
    |shared| shared.service().refresh_certificates(),
];

/// What there is where other processes serve them. These may have given up the right to read keys,
/// and this one has no thread to look a name up; they have, and what they find is every process's.
const PARENT: &[Task] = &[|shared| {
    let (changed, interval) = shared.service().refresh_certificates_here()?;
    if changed {
        shared.placement().renew();
    }
    Some(interval)
}];

/// Refreshes one thing of a server, as long as it listens.
pub(crate) struct Refresh {
    shared: Arc<Shared>,
    task: Task,
    timer: Option<TimerId>,
}

impl Refresh {
    /// One for each thing.
    pub(crate) fn all(shared: &Arc<Shared>) -> impl Iterator<Item = Self> {
        let tasks = match shared.placement().lends_listeners() {
            true => PARENT,
            false => SERVING,
        };
        tasks.iter().map(|&task| Self {
            shared: Arc::clone(shared),
            task,
            timer: None,
        })
    }

    fn refresh(&mut self, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        if let Some(interval) = (self.task)(&self.shared) {
            self.timer = Some(cx.start_timer_after(interval));
        }
    }
}

impl Handler for Refresh {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.shared.add_refresher(cx.notifier());
        self.refresh(cx);
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, _: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.refresh(cx);
        Ok(Flow::Continue)
    }

    /// There is another service.
    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.refresh(cx);
        Ok(Flow::Continue)
    }
}
