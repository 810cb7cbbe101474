//! What a server looks up again from time to time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_handlers::Service;
use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId};

use crate::handle::Shared;

/// Time between two look-ups of a name: that of a name server's shortest usual answers.
const INTERVAL: Duration = Duration::from_secs(60);

/// Refreshes something of a service, and tells when to do it again.
type Task = fn(&Service) -> Option<Duration>;

/// What there is to be refreshed.
const TASKS: [Task; 2] = [
    |service| service.refresh().then_some(INTERVAL),
    Service::refresh_certificates,
];

/// Refreshes one thing of the service of a server, as long as the server listens.
pub(crate) struct Refresh {
    shared: Arc<Shared>,
    task: Task,
    timer: Option<TimerId>,
}

impl Refresh {
    /// One for each thing.
    pub(crate) fn all(shared: &Arc<Shared>) -> [Self; 2] {
        TASKS.map(|task| Self {
            shared: Arc::clone(shared),
            task,
            timer: None,
        })
    }

    fn refresh(&mut self, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        if let Some(interval) = (self.task)(&self.shared.service()) {
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
