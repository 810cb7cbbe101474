//! Where the control connections of a server have their TLS from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ftpdlib_ioloop::Lane;
use ftpdlib_tls::{ReloadingConfig, TlsError, TlsSession};

/// Certificates, looked at again from time to time if that is wanted.
pub(crate) struct TlsSource {
    files: Arc<Files>,
    interval: Option<Duration>,
    lane: Lane,
}

struct Files {
    config: ReloadingConfig,
    /// A thread is at it.
    looking: AtomicBool,
}

impl TlsSource {
    pub(crate) fn new(config: ReloadingConfig, interval: Option<Duration>, lane: Lane) -> Self {
        let looking = AtomicBool::new(false);
        Self {
            files: Arc::new(Files { config, looking }),
            interval,
            lane,
        }
    }

    /// For a new control connection.
    pub(crate) fn session(&self) -> Result<TlsSession, TlsError> {
        self.files.config.current().session()
    }

    /// Has a thread look at the files, unless one does already; the time until they are to be looked
    /// at again.
    pub(crate) fn refresh(&self) -> Option<Duration> {
        let interval = self.interval?;
        if !self.files.looking.swap(true, Ordering::AcqRel) {
            let files = Arc::clone(&self.files);
            if let Err(error) = self.lane.submit(move || files.look()) {
                log::error!("no thread to look at certificates: {error}");
                self.files.looking.store(false, Ordering::Release);
            }
        }
        Some(interval)
    }
}

impl Files {
    fn look(&self) {
        match self.config.refresh() {
            Ok(false) => {}
            Ok(true) => log::info!("certificates read again, for new sessions"),
            Err(error) => log::error!("certificates not changed: {error}"),
        }
        self.looking.store(false, Ordering::Release);
    }
}
