//! From the start line to the stop line.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::handle::Shared;

/// Where a running server stands.
#[derive(Clone)]
pub(crate) struct Lifecycle {
    shared: Arc<Shared>,
    /// Log start and stop.
    talkative: bool,
    /// A second signal came: do not wait for anybody.
    at_once: Arc<AtomicBool>,
}

impl Lifecycle {
    pub(crate) fn new(shared: Arc<Shared>, talkative: bool) -> Self {
        Self {
            shared,
            talkative,
            at_once: Arc::default(),
        }
    }

    pub(crate) fn stop_at_once(&self) {
        self.at_once.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.at_once.load(Ordering::Acquire) || self.shared.is_over()
    }

    /// One line for each listener; clients can connect from here on.
    pub(crate) fn log_start(&self) {
        for address in self.shared.doors().addresses() {
            log::info!(
                ">>> starting FTP server on {address}, pid={} <<<",
                process::id()
            );
        }
        log::info!("concurrency model: {}", self.shared.placement().model());
        self.shared.service().log_settings();
    }

    pub(crate) fn log_stop(&self) {
        if self.talkative {
            log::info!(">>> shutting down FTP server, pid={} <<<", process::id());
        }
    }
}
