//! Periodic refresh of a server's names and certificates.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Flow, Handler, Ready, SourceId, TimerId};

use crate::shared::Shared;

/// Refreshes one thing of a server, and returns when to do it again.
type RefreshFn = fn(&Shared) -> Option<Duration>;

/// What is refreshed in a process that serves clients.
const SERVING: &[RefreshFn] = &[
    |shared| shared.service().refresh_masquerade_address(),
    |shared| shared.service().refresh_certificates(),
];

/// What is refreshed in the parent of processes that serve. The parent reads the private keys,
/// since its children may have given up the right to. The children look up names, since the parent
/// has no thread for that, and share the result with all processes.
const PARENT: &[RefreshFn] = &[|shared| {
    let (changed, interval) = shared.service().refresh_certificates_here()?;
    if changed && let Some(mailbox) = shared.mailbox() {
        mailbox.notify_service_replaced();
    }
    Some(interval)
}];

/// Refreshes names and certificates until the server stops listening.
pub(crate) struct Refresh {
    shared: Arc<Shared>,
    lookups: Vec<Lookup>,
}

struct Lookup {
    refresh_fn: RefreshFn,
    timer: Option<TimerId>,
}

impl Lookup {
    fn refresh(&mut self, shared: &Shared, cx: &mut Context<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        if let Some(interval) = (self.refresh_fn)(shared) {
            self.timer = Some(cx.start_timer_after(interval));
        }
    }
}

impl Refresh {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let functions = match shared.supervisor().is_some() {
            true => PARENT,
            false => SERVING,
        };
        let lookups = functions.iter().map(|&refresh_fn| Lookup {
            refresh_fn,
            timer: None,
        });
        Self {
            shared: Arc::clone(shared),
            lookups: lookups.collect(),
        }
    }

    fn refresh_all(&mut self, cx: &mut Context<'_>) {
        for lookup in &mut self.lookups {
            lookup.refresh(&self.shared, cx);
        }
    }
}

impl Handler for Refresh {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.shared.set_refresh(cx.notifier());
        self.refresh_all(cx);
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }

    fn timeout(&mut self, timer: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
        let mut lookups = self.lookups.iter_mut();
        if let Some(lookup) = lookups.find(|lookup| lookup.timer == Some(timer)) {
            lookup.refresh(&self.shared, cx);
        }
        Ok(Flow::Continue)
    }

    /// Called when the service is replaced, and when the server stops listening.
    fn notified(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
        if !self.shared.listeners().are_open() {
            return Ok(Flow::Close);
        }
        self.refresh_all(cx);
        Ok(Flow::Continue)
    }
}
