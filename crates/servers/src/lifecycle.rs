//! From the start line to the stop line.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::shared::Shared;

/// Whether a running server goes on, and the log lines of its start and stop.
#[derive(Clone)]
pub(crate) struct Lifecycle {
    shared: Arc<Shared>,
    /// Whether the stop is logged.
    logs_stop: bool,
    /// A second signal came: do not wait for clients.
    at_once: Arc<AtomicBool>,
}

impl Lifecycle {
    pub(crate) fn new(shared: Arc<Shared>, logs_stop: bool) -> Self {
        Self {
            shared,
            logs_stop,
            at_once: Arc::default(),
        }
    }

    pub(crate) fn stop_at_once(&self) {
        self.at_once.store(true, Ordering::Release);
    }

    pub(crate) fn is_at_once(&self) -> bool {
        self.at_once.load(Ordering::Acquire)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_at_once() || self.shared.is_over()
    }

    /// One line for each listener; clients can connect from here on.
    pub(crate) fn log_start(&self) {
        for address in self.shared.listeners().addresses() {
            log::info!(
                ">>> starting FTP server on {address}, pid={} <<<",
                process::id()
            );
        }
        log::info!("concurrency model: {}", self.shared.placement().model());
        self.shared.service().log_settings();
    }

    pub(crate) fn log_stop(&self) {
        if self.logs_stop {
            log::info!(">>> shutting down FTP server, pid={} <<<", process::id());
        }
    }
}
