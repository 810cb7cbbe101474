//! The source of the TLS configuration of control connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ftpdlib_ioloop::Lane;
use ftpdlib_tls::{ReloadingConfig, TlsError, TlsSession};

use super::one_at_a_time::OneAtATime;
use crate::SettingsError;
use crate::settings::OfferedTls;

/// Certificates whose files are checked for changes from time to time, if that is wanted.
pub(crate) struct TlsSource {
    files: Arc<Files>,
    interval: Option<Duration>,
    lane: Lane,
    looking: OneAtATime,
    /// Whether the parent process checks them instead.
    left_to_parent: AtomicBool,
}

struct Files {
    config: ReloadingConfig,
    /// The error of the last check, if it has failed. It is logged once.
    told: Mutex<Option<String>>,
}

impl TlsSource {
    pub(crate) fn new(offered: OfferedTls, lane: Lane) -> Result<Self, SettingsError> {
        let interval = offered.reload_interval;
        Ok(Self {
            files: Arc::new(Files {
                config: offered.into_config()?,
                told: Mutex::default(),
            }),
            interval,
            lane,
            looking: OneAtATime::default(),
            left_to_parent: AtomicBool::new(false),
        })
    }

    /// The configuration for a new control connection.
    pub(crate) fn session(&self) -> Result<TlsSession, TlsError> {
        self.files.config.current().session()
    }

    /// Has a thread check the files, unless one does already. Returns the time until the next
    /// check.
    pub(crate) fn refresh(&self) -> Option<Duration> {
        let left = self.left_to_parent.load(Ordering::Relaxed);
        let interval = self.interval.filter(|_| !left)?;
        if let Some(turn) = self.looking.begin() {
            let files = Arc::clone(&self.files);
            let look = move || {
                let _turn = turn;
                files.look();
            };
            if let Err(error) = self.lane.submit(look) {
                log::error!("no thread to look at certificates: {error}");
            }
        }
        Some(interval)
    }

    /// Checks the files at once. Returns whether they were read again, and the time until the next
    /// check.
    pub(crate) fn refresh_here(&self) -> Option<(bool, Duration)> {
        let interval = self.interval?;
        Some((self.files.look(), interval))
    }

    /// Stops checking.
    pub(crate) fn leave_to_parent(&self) {
        self.left_to_parent.store(true, Ordering::Relaxed);
    }
}

impl Files {
    /// Whether the certificates were read again.
    fn look(&self) -> bool {
        let outcome = self.config.refresh();
        let problem = outcome.as_ref().err().map(ToString::to_string);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match (&outcome, &problem) {
            (Ok(true), _) => log::info!("certificates read again, for new sessions"),
            // Files that cannot be read for the moment are tried again each time.
            (Err(_), Some(problem)) if told.as_ref() != Some(problem) => {
                log::error!("certificates not changed: {problem}");
            }
            (_, _) => {}
        }
        *told = problem;
        drop(told);
        outcome.unwrap_or_default()
    }
}
