//! What a server looks up again from time to time: names and certificates.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId};

use crate::shared::Shared;

/// Refreshes something of a server, and returns when to do it again.
type RefreshFn = fn(&Shared) -> Option<Duration>;

/// What is refreshed in a process that serves clients.
const SERVING: &[RefreshFn] = &[
    |shared| shared.service().refresh_masquerade_address(),
    |shared| shared.service().refresh_certificates(),
];

/// What is refreshed in the parent of processes that serve. It reads the keys, which they may have
/// given up the right to read. They look up names, since the parent has no thread for that, and
/// share the result with all processes.
const PARENT: &[RefreshFn] = &[|shared| {
    let (changed, interval) = shared.service().refresh_certificates_here()?;
    if changed {
        shared.placement().service_replaced();
    }
    Some(interval)
}];

/// Refreshes one thing of a server, as long as it listens.
pub(crate) struct Refresh {
    shared: Arc<Shared>,
    refresh_fn: RefreshFn,
    timer: Option<TimerId>,
}

impl Refresh {
    /// One handler for each thing to refresh.
    pub(crate) fn all(shared: &Arc<Shared>) -> impl Iterator<Item = Self> {
        let functions = match shared.placement().lends_listeners() {
            true => PARENT,
            false => SERVING,
        };
        functions.iter().map(|&refresh_fn| Self {
            shared: Arc::clone(shared),
            refresh_fn,
            timer: None,
        })
    }

    fn refresh(&mut self, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        if let Some(interval) = (self.refresh_fn)(&self.shared) {
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

    /// The service was replaced.
    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        self.refresh(cx);
        Ok(Flow::Continue)
    }
}
