//! Settings of data connections.

use std::time::Duration;

use super::ftp_handler::unless_zero;
use crate::SettingsError;

/// Largest transfer buffer accepted, in bytes.
const MAX_BUFFER: usize = 64 << 20;

/// Settings of data connections (pyftpdlib: `DTPHandler`).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::{DtpHandler, FtpHandler};
///
/// let dtp = DtpHandler::default()
///     .timeout(Duration::from_secs(60))
///     .passive_timeout(Duration::from_secs(10));
/// let handler = FtpHandler::new(DummyAuthorizer::new()).dtp_handler(dtp);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it has to be given to a handler"]
pub struct DtpHandler {
    pub(crate) timeout: Option<Duration>,
    /// `None` unless it was set.
    pub(crate) ac_in_buffer_size: Option<usize>,
    pub(crate) ac_out_buffer_size: usize,
    pub(crate) passive_timeout: Option<Duration>,
    pub(crate) active_timeout: Option<Duration>,
    pub(crate) read_limit: u64,
    pub(crate) write_limit: u64,
    /// See [`TlsDtpHandler`](crate::TlsDtpHandler).
    pub(crate) strict_close: bool,
}

impl Default for DtpHandler {
    fn default() -> Self {
        Self {
            timeout: Some(Duration::from_secs(300)),
            ac_in_buffer_size: None,
            ac_out_buffer_size: 65_536,
            passive_timeout: Some(Duration::from_secs(30)),
            active_timeout: Some(Duration::from_secs(30)),
            read_limit: 0,
            write_limit: 0,
            strict_close: true,
        }
    }
}

impl DtpHandler {
    /// Sets how long a transfer may make no progress before its client is told 421 and
    /// disconnected; `None` or zero for no limit, 300 seconds by default. If it is the filesystem
    /// that has not answered for this long, only the transfer ends, with 451. A data connection
    /// without a transfer command is closed after this time, without a reply.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = unless_zero(timeout);
        self
    }

    /// Sets the most bytes that an upload reads at once if it cannot be moved inside the kernel. By
    /// default these are 65,536, or the whole buffer that the sessions of a loop share if the
    /// filesystem [answers at once]: larger pieces are faster.
    ///
    /// That buffer has 256 KiB in a server's loops; a larger size has no further effect.
    ///
    /// [answers at once]: ftpdlib_filesystems::Filesystem::is_local
    pub fn ac_in_buffer_size(mut self, bytes: usize) -> Self {
        self.ac_in_buffer_size = Some(bytes);
        self
    }

    /// Sets the buffer for downloads that cannot be moved inside the kernel, in bytes; 65,536 by
    /// default.
    pub fn ac_out_buffer_size(mut self, bytes: usize) -> Self {
        self.ac_out_buffer_size = bytes;
        self
    }

    /// Sets how long a client may take to connect to its passive port; `None` or zero for no
    /// limit, 30 seconds by default.
    pub fn passive_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.passive_timeout = unless_zero(timeout);
        self
    }

    /// Sets how long connecting to a client may take; `None` or zero for the system's limit, 30
    /// seconds by default.
    pub fn active_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.active_timeout = unless_zero(timeout);
        self
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        for (name, size) in [
            ("ac_in_buffer_size", self.ac_in_buffer_size),
            ("ac_out_buffer_size", Some(self.ac_out_buffer_size)),
        ] {
            if size.is_some_and(|size| !(1..=MAX_BUFFER).contains(&size)) {
                return Err(SettingsError::new(
                    name,
                    "must be between 1 byte and 64 MiB",
                ));
            }
        }
        Ok(())
    }
}

/// A [`DtpHandler`] with rate limits (pyftpdlib: `ThrottledDTPHandler`).
///
/// # Examples
///
/// ```
/// use ftpdlib_handlers::ThrottledDtpHandler;
///
/// // 30 KiB/s up, 300 KiB/s down.
/// let dtp = ThrottledDtpHandler::default().read_limit(30 << 10).write_limit(300 << 10);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it has to be given to a handler"]
pub struct ThrottledDtpHandler(DtpHandler);

impl ThrottledDtpHandler {
    /// Adds rate limits to the settings of `dtp`.
    pub fn new(dtp: impl Into<DtpHandler>) -> Self {
        Self(dtp.into())
    }

    /// Sets the most bytes per second that a data connection receives; 0, the default, for no
    /// limit. A user's [own limit](ftpdlib_authorizers::Login::read_limit), even if it is 0,
    /// replaces it.
    pub fn read_limit(mut self, bytes: u64) -> Self {
        self.0.read_limit = bytes;
        self
    }

    /// Sets the most bytes per second that a data connection sends; 0, the default, for no limit. A
    /// user's [own limit](ftpdlib_authorizers::Login::write_limit), even if it is 0, replaces it.
    pub fn write_limit(mut self, bytes: u64) -> Self {
        self.0.write_limit = bytes;
        self
    }
}

impl From<ThrottledDtpHandler> for DtpHandler {
    fn from(throttled: ThrottledDtpHandler) -> Self {
        throttled.0
    }
}
