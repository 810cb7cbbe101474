//! The reload on SIGHUP: reads the configuration again, for new clients.

use std::collections::BTreeSet;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftpdlib::servers::ServerHandle;

use crate::args::Args;
use crate::config::Server;
use crate::environment::Environment;
use crate::handler::make_handler;
use crate::notify;
use crate::settings::{Access, Settings};
use crate::transfer_log::TransferLogs;

/// Applies the configuration to a running server.
pub(crate) struct Reload {
    pub(crate) args: Args,
    /// The environment of the start, except for which files may be read now.
    pub(crate) environment: Environment,
    pub(crate) handle: ServerHandle,
    pub(crate) logs: TransferLogs,
    /// The section that the server was started with.
    pub(crate) started: Server,
    /// Whether the addresses come from the file.
    pub(crate) binds: bool,
    /// Whether the current settings come from a file that was not empty.
    pub(crate) is_configured: Arc<AtomicBool>,
    pub(crate) is_stopping: Mutex<bool>,
}

impl Reload {
    /// Applies the current file to new clients. If the file is broken or an address unavailable,
    /// nothing changes, except that the logs in use are opened again. The same applies once the
    /// server is stopping.
    pub(crate) fn run(&self) {
        self.report(|| self.load_and_apply());
    }

    /// Handles a reload that could not be started, like one that failed.
    pub(crate) fn fail(&self, error: io::Error) {
        self.report(|| Err(error.into()));
    }

    /// Tells the service manager that the server stops, and nothing after that: later signals only
    /// open the logs again.
    pub(crate) fn stop(&self) {
        *self.is_stopping() = true;
        notify::stopping();
    }

    fn report(&self, change: impl FnOnce() -> Result<(), Box<dyn Error>>) {
        if !self.tell(notify::reloading) {
            log::info!("SIGHUP: too late for the configuration, the server is stopping");
            return self.keep_logs();
        }
        match change() {
            Ok(()) => log::info!("configuration read again, for new sessions"),
            Err(error) => {
                // The administrator may have moved the logs away without touching the
                // configuration.
                self.keep_logs();
                log::error!("configuration not changed: {error}");
            }
        }
        self.tell(notify::ready);
    }

    /// Sends a message to the service manager, unless the server is stopping. Returns whether it
    /// was sent.
    fn tell(&self, message: fn()) -> bool {
        let is_stopping = self.is_stopping();
        if !*is_stopping {
            // Sent under the lock, so that the message about the stop comes after it.
            message();
        }
        !*is_stopping
    }

    fn is_stopping(&self) -> MutexGuard<'_, bool> {
        self.is_stopping
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn keep_logs(&self) {
        self.logs
            .open_again(|number, file| self.handle.hand_over(number, file));
    }

    fn load_and_apply(&self) -> Result<(), Box<dyn Error>> {
        let environment = Environment {
            is_configured: self.is_configured.load(Ordering::Relaxed),
            ..self.environment.clone()
        };
        let settings = Settings::load(&self.args, &environment)?;
        let is_empty = settings.by_empty_file;
        self.apply(settings)?;
        self.is_configured.store(!is_empty, Ordering::Relaxed);
        Ok(())
    }

    /// Applies settings, those that may fail first.
    fn apply(&self, settings: Settings) -> Result<(), Box<dyn Error>> {
        if let (Some(user), Access::System(_)) = (&self.started.user, &settings.access) {
            let problem = format!(
                "authorizer.kind = \"unix\" needs root, which was given up for user {user:?} at \
                 the start"
            );
            return Err(problem.into());
        }
        let (now, log) = (settings.server.clone(), settings.log.clone());
        let (listening, mut warnings) = (settings.listening.clone(), settings.warnings.clone());
        for key in fixed_at_start(&self.started, &now) {
            let line = format!("server.{key} has changed, which takes effect after a restart only");
            warnings.push(line);
        }
        if !self.binds && differ(&self.started.listen, &now.listen) {
            let line =
                "server.listen has changed without effect: the service manager opens the addresses";
            warnings.push(line.to_owned());
        }
        let handler = make_handler(settings);
        handler.check()?;
        let opened = self.logs.open(&log)?;
        let handler = opened.watch(handler);
        let server = &self.handle;
        if self.binds {
            let set = server.set_handler_and_addresses(handler, &now.listen, now.backlog);
            set.map_err(|error| listening.explain(&error))?;
        } else {
            server.set_handler(handler)?;
        }
        self.logs
            .replace(opened, |number, file| server.hand_over(number, file));
        server.set_limits(now.max_cons as usize, now.max_cons_per_ip as usize);
        warnings.tell();
        Ok(())
    }
}

/// Returns the changed keys of `[server]` that a reload cannot apply.
fn fixed_at_start(started: &Server, now: &Server) -> impl Iterator<Item = &'static str> {
    let keys = [
        ("concurrency", started.concurrency != now.concurrency),
        ("workers", started.workers != now.workers),
        ("threads", started.threads != now.threads),
        ("user", started.user != now.user),
        ("group", started.group != now.group),
        ("backlog", started.backlog != now.backlog),
        (
            "shutdown_grace",
            started.shutdown_grace != now.shutdown_grace,
        ),
    ];
    keys.into_iter()
        .filter_map(|(key, changed)| changed.then_some(key))
}

/// Whether these are different sets of addresses, in whatever order.
pub(crate) fn differ(some: &[SocketAddr], others: &[SocketAddr]) -> bool {
    let set = |addresses: &[SocketAddr]| addresses.iter().copied().collect::<BTreeSet<_>>();
    set(some) != set(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reload_cannot_change_is_told() {
        let started = Server::default();
        let same = Server {
            max_cons: 0,
            ..Server::default()
        };
        assert_eq!(fixed_at_start(&started, &same).count(), 0);
        let other = Server {
            listen: Vec::new(),
            threads: 7,
            backlog: 1,
            ..Server::default()
        };
        let told: Vec<_> = fixed_at_start(&started, &other).collect();
        assert_eq!(told, ["threads", "backlog"]);
    }
}
