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
/// If a callback on the loop panics, the server logs that and continues.
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

    /// Sets the longest time that one turn of the loop waits for an event; no limit by default.
    ///
    /// With a timeout, the server uses a single loop, whatever its number of
    /// [threads](crate::FtpServerBuilder::threads).
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Sets whether the call serves until the server is over; `true` by default. With `false`, it
    /// makes one turn of a single loop and returns;
    /// [`FtpServer::is_over`](crate::FtpServer::is_over) says when no further turn is needed.
    pub fn blocking(mut self, blocking: bool) -> Self {
        self.blocking = blocking;
        self
    }

    /// Sets whether the server catches signals; `true` by default.
    ///
    /// With `true`, SIGTERM and SIGINT stop the server, and its start and stop are logged; SIGHUP
    /// is caught if [`on_reload`](Self::on_reload) is set, and SIGUSR2 if
    /// [`upgrade`](Self::upgrade) is. Only one server of a process can catch signals.
    ///
    /// On the first signal, transfers in progress may end within the [grace
    /// period](Self::shutdown_grace); a second one stops the server at once. If the loop hangs and
    /// has not read the first signal within a quarter of a second, the second one ends the process.
    pub fn handle_exit(mut self, handle: bool) -> Self {
        self.handle_exit = handle;
        self
    }

    /// Sets whether signals stay caught after the server has ended; `false` by default.
    ///
    /// With `true`, they do nothing then: for a process that ends with its server, and whose exit
    /// code should depend on the server rather than on a signal that came too late. If the process
    /// takes long to end, a second signal ends it. With `false`, signals regain their former
    /// effect.
    pub fn keep_signals(mut self, keep: bool) -> Self {
        self.keep_signals = keep;
        self
    }

    /// Sets the number of worker processes that share the listeners, each with a server of its own;
    /// 0 for one per usable CPU, at most 256. With 1, the default, this process serves.
    ///
    /// With workers, this process only supervises them: it replaces one that dies, which does not
    /// affect the others. It must have a single thread for as long as it serves. Limits apply to
    /// all workers together, the rates of a user to each worker separately. A worker refuses
    /// clients of more than 16,384 different addresses at a time, whatever the limits are.
    ///
    /// A server with a process for each client
    /// ([`MultiprocessFtpServer`](crate::MultiprocessFtpServer)) refuses to start with any number
    /// other than 1.
    pub fn worker_processes(mut self, processes: usize) -> Self {
        self.worker_processes = processes;
        self
    }

    /// Sets whether a worker process serves even if there is only one; `false` by default.
    pub fn supervised(mut self, supervised: bool) -> Self {
        self.supervised = supervised;
        self
    }

    /// Has clients served by processes that become another user for good before they accept any
    /// client, even if there is only one such process. This process remains root's and reads
    /// nothing from clients.
    pub fn run_as(mut self, identity: Identity) -> Self {
        self.run_as = Some(identity);
        self
    }

    /// Sets the program that SIGUSR2 starts, and that then takes over; see [`Upgrade`]. Needs
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

    /// Sets the callback for SIGHUP. It runs on the loop, so it must not take long. If the signal
    /// comes before the server [has started](Self::on_started), the callback runs right after the
    /// start. Needs [`handle_exit`](Self::handle_exit). Without a callback, SIGHUP ends the
    /// process, as the end of its terminal should.
    pub fn on_reload(mut self, reload: impl FnMut() + 'static) -> Self {
        self.on_reload = Some(Box::new(reload));
        self
    }

    /// Sets the callback that receives files from
    /// [`ServerHandle::hand_over`](crate::ServerHandle::hand_over) in each other process that
    /// serves. It runs on that process's loop, so it must not take long.
    pub fn on_file(mut self, take: impl Fn(u8, File) + Send + Sync + 'static) -> Self {
        self.on_file = Some(Arc::new(take));
        self
    }

    /// Sets the callback for when clients are accepted, by [worker
    /// processes](Self::worker_processes) if these serve. If none of the workers could be started,
    /// or those that could die before one accepts, the server fails instead; a server that takes
    /// over from another fails as soon as one worker cannot be started or dies.
    pub fn on_started(mut self, started: impl FnOnce() + 'static) -> Self {
        self.on_started = Some(Box::new(started));
        self
    }

    /// Sets the callback for when a signal begins to stop the server; it is called once.
    pub fn on_stopping(mut self, stopping: impl FnOnce() + 'static) -> Self {
        self.on_stopping = Some(Box::new(stopping));
        self
    }

    /// Sets the callback that runs every `interval` on the loop that accepts, while that loop and
    /// all others that [share its clients](crate::FtpServerBuilder::threads) turn: if a loop hangs,
    /// the calls stop. A [worker process](Self::worker_processes) that hangs for two intervals, and
    /// for at least 5 seconds, is killed and replaced. A thread or process that serves a single
    /// client is not watched. An `interval` of zero is for never, as by default.
    pub fn watchdog(mut self, interval: Duration, alive: impl FnMut() + 'static) -> Self {
        self.watchdog = match interval.is_zero() {
            true => None,
            false => Some((interval, Box::new(alive))),
        };
        self
    }

    /// The signals to catch: only those that have an effect.
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::Ipv4Addr;
    use std::rc::Rc;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;

    use super::*;
    use crate::FtpServer;

    #[test]
    fn a_watchdog_without_an_interval_kept_the_loop_from_sleeping() {
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let options = ServeOptions::default()
            .handle_exit(false)
            .blocking(false)
            .timeout(Duration::ZERO)
            .watchdog(Duration::ZERO, move || counted.set(counted.get() + 1));
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler).unwrap();
        server.serve_forever(options).unwrap();
        assert_eq!(calls.get(), 0);
    }
}
