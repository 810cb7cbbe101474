//! How a server is run.

use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_sys::{Identity, Signal};

use crate::Upgrade;
use crate::processes::OnFile;

/// The most workers of a server.
pub(crate) const MOST_WORKERS: usize = 256;

/// The parameters of [`FtpServer::serve_forever`](crate::FtpServer::serve_forever), under
/// pyftpdlib's names.
///
/// If what is called on the loop panics, that is logged, and the server goes on.
///
/// # Examples
///
/// ```
/// use ftpdlib_servers::ServeOptions;
///
/// // One turn, without waiting, inside another event loop.
/// let options = ServeOptions::default().blocking(false).timeout(std::time::Duration::ZERO);
/// ```
#[must_use]
pub struct ServeOptions {
    pub(crate) timeout: Option<Duration>,
    pub(crate) blocking: bool,
    pub(crate) handle_exit: bool,
    pub(crate) keep_signals: bool,
    pub(crate) worker_processes: usize,
    pub(crate) supervised: bool,
    pub(crate) run_as: Option<Identity>,
    pub(crate) upgrade: Option<Upgrade>,
    pub(crate) shutdown_grace: Duration,
    pub(crate) on_reload: Option<Box<dyn FnMut()>>,
    pub(crate) on_file: Option<OnFile>,
    pub(crate) on_started: Option<Box<dyn FnOnce()>>,
    pub(crate) on_stopping: Option<Box<dyn FnOnce()>>,
    pub(crate) watchdog: Option<(Duration, Box<dyn FnMut()>)>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            timeout: None,
            blocking: true,
            handle_exit: true,
            keep_signals: false,
            worker_processes: 1,
            supervised: false,
            run_as: None,
            upgrade: None,
            shutdown_grace: Duration::from_secs(10),
            on_reload: None,
            on_file: None,
            on_started: None,
            on_stopping: None,
            watchdog: None,
        }
    }
}

impl ServeOptions {
    /// The most [worker processes](Self::worker_processes) of a server.
    pub const MOST_WORKER_PROCESSES: usize = MOST_WORKERS;

    /// Sets the longest the loop waits for something to happen in one turn; no limit by default.
    ///
    /// With one, the server keeps to one loop, however many
    /// [threads](crate::FtpServerBuilder::threads) it may have.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// With `false`, makes one turn and returns, and keeps to one loop; `true` by default.
    /// [`FtpServer::is_over`](crate::FtpServer::is_over) says when no further turn is needed.
    pub fn blocking(mut self, blocking: bool) -> Self {
        self.blocking = blocking;
        self
    }

    /// With `true`, the default, SIGTERM and SIGINT stop the server, and its start and stop are
    /// logged; SIGHUP is caught where there is [`on_reload`](Self::on_reload), and SIGUSR2 where
    /// there is [`upgrade`](Self::upgrade). With `false` signals are left alone. Of several servers
    /// in a process only one can catch them.
    ///
    /// The first signal lets transfers in progress end within the [grace
    /// period](Self::shutdown_grace); a second one stops at once. If the loop hangs, and has not
    /// read the first signal for a quarter of a second, the second one ends the process.
    pub fn handle_exit(mut self, handle: bool) -> Self {
        self.handle_exit = handle;
        self
    }

    /// With `true`, the signals stay caught, and do nothing, once the server has ended: for a
    /// process that ends with it, and whose exit code should depend on the server, not on a signal
    /// that came too late. Only a second signal ends the process, if the process takes long to end.
    /// With `false`, the default, signals do again what they did before.
    pub fn keep_signals(mut self, keep: bool) -> Self {
        self.keep_signals = keep;
        self
    }

    /// Sets the number of worker processes that share the listeners, each with a server of its own;
    /// 0 for one per usable CPU, and at most 256. With 1, the default, this process serves.
    ///
    /// This process then only supervises the workers: one that dies is replaced, and the others are
    /// not affected. It must have a single thread, now and for as long as it serves. Limits hold
    /// over all workers; rates of a user are limited by each worker for itself. A worker refuses
    /// clients of more than 16,384 different addresses at a time, whatever the limits are.
    ///
    /// A server with a process for each client
    /// ([`MultiprocessFtpServer`](crate::MultiprocessFtpServer)) refuses to start with any other
    /// number than 1.
    pub fn worker_processes(mut self, processes: usize) -> Self {
        self.worker_processes = processes;
        self
    }

    /// With `true`, has a worker process serve also where there is only one.
    pub fn supervised(mut self, supervised: bool) -> Self {
        self.supervised = supervised;
        self
    }

    /// Has clients served by processes that become another user for good before they accept any
    /// client, even if there is only one process. This process stays root's, and reads no byte from
    /// a client.
    pub fn run_as(mut self, identity: Identity) -> Self {
        self.run_as = Some(identity);
        self
    }

    /// On SIGUSR2, starts the program that takes over; see [`Upgrade`]. Needs
    /// [`handle_exit`](Self::handle_exit).
    pub fn upgrade(mut self, upgrade: Upgrade) -> Self {
        self.upgrade = Some(upgrade);
        self
    }

    /// Sets how long a stop waits for transfers in progress; 10 seconds by default.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.shutdown_grace = grace;
        self
    }

    /// Sets what is called on SIGHUP, on the loop: it must not take long. A signal that comes
    /// before the server [has started](Self::on_started) is answered then. Needs
    /// [`handle_exit`](Self::handle_exit). Without it SIGHUP ends the process, as the end of its
    /// terminal should.
    pub fn on_reload(mut self, reload: impl FnMut() + 'static) -> Self {
        self.on_reload = Some(Box::new(reload));
        self
    }

    /// Sets what is called in each other process that serves with the files that
    /// [`ServerHandle::hand_over`](crate::ServerHandle::hand_over) gives it, on its loop: it must
    /// not take long.
    pub fn on_file(mut self, take: impl Fn(u8, File) + Send + Sync + 'static) -> Self {
        self.on_file = Some(Arc::new(take));
        self
    }

    /// Sets what is called once clients are accepted, by [worker
    /// processes](Self::worker_processes) where these serve. If the system refuses all of them, or
    /// those that it does not refuse die before any accepts, the server fails instead; a server
    /// that takes over fails with the first that is refused or dies.
    pub fn on_started(mut self, started: impl FnOnce() + 'static) -> Self {
        self.on_started = Some(Box::new(started));
        self
    }

    /// Sets what is called once when a signal begins to stop the server.
    pub fn on_stopping(mut self, stopping: impl FnOnce() + 'static) -> Self {
        self.on_stopping = Some(Box::new(stopping));
        self
    }

    /// Sets what is called every `interval` on the loop that accepts, while it and all others that
    /// [share its clients](crate::FtpServerBuilder::threads) turn: a loop that hangs is noticed
    /// because the calls stop. A [worker process](Self::worker_processes) that hangs for two
    /// intervals, and for 5 seconds, is killed and replaced. A thread or a process that has a
    /// single client is not watched.
    pub fn watchdog(mut self, interval: Duration, alive: impl FnMut() + 'static) -> Self {
        self.watchdog = Some((interval, Box::new(alive)));
        self
    }

    /// The signals to catch: only those that do something.
    pub(crate) fn signals(&self) -> Vec<Signal> {
        if !self.handle_exit {
            return Vec::new();
        }
        let reload = self.on_reload.as_ref().map(|_| Signal::HangUp);
        let upgrade = self.upgrade.as_ref().map(|_| Signal::Upgrade);
        [Signal::Terminate, Signal::Interrupt]
            .into_iter()
            .chain(reload)
            .chain(upgrade)
            .collect()
    }
}

/// Without the callbacks.
impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions")
            .field("timeout", &self.timeout)
            .field("blocking", &self.blocking)
            .field("handle_exit", &self.handle_exit)
            .field("keep_signals", &self.keep_signals)
            .field("worker_processes", &self.worker_processes)
            .field("supervised", &self.supervised)
            .field("run_as", &self.run_as)
            .field("upgrade", &self.upgrade)
            .field("shutdown_grace", &self.shutdown_grace)
            .finish_non_exhaustive()
    }
}
