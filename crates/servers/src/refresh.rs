//! What a server looks up again from time to time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId};

use crate::handle::Shared;

/// Time between two look-ups: that of a name server's shortest usual answers.
const INTERVAL: Duration = Duration::from_secs(60);

/// Refreshes the service of a server, as long as the server listens.
pub(crate) struct Refresh {
    shared: Arc<Shared>,
    timer: Option<TimerId>,
}

impl Refresh {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            timer: None,
        }
    }

    fn refresh(&mut self, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        if self.shared.service().refresh() {
            self.timer = Some(cx.start_timer_after(INTERVAL));
        }
    }
}

impl Handler for Refresh {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.shared.set_refresher(cx.notifier());
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
