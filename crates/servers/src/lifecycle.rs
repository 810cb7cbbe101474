//! The time of a server from its start line to its stop line.

use std::cell::{Cell, OnceCell};
use std::io;
use std::process;
use std::sync::Arc;

use ftpdlib_ioloop::{Notifier, contain};

use crate::shared::Shared;
use crate::upgrade;

/// Whether a running server is to continue, and the log lines of its start and stop.
pub(crate) struct Lifecycle {
    shared: Arc<Shared>,
    /// Whether the start and the stop are logged.
    is_logged: bool,
    /// Whether the start was announced.
    has_started: Cell<bool>,
    /// Notified once the start is announced.
    waiting: OnceCell<Notifier>,
    /// Whether a second signal came: the server does not wait for clients then.
    at_once: Cell<bool>,
}

impl Lifecycle {
    pub(crate) fn new(shared: Arc<Shared>, is_logged: bool) -> Self {
        Self {
            shared,
            is_logged,
            has_started: Cell::new(false),
            waiting: OnceCell::new(),
            at_once: Cell::new(false),
        }
    }

    pub(crate) fn stop_at_once(&self) {
        self.at_once.set(true);
    }

    pub(crate) fn is_at_once(&self) -> bool {
        self.at_once.get()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_at_once() || self.shared.is_over()
    }

    pub(crate) fn has_started(&self) -> bool {
        self.has_started.get()
    }

    /// Notifies a handler once the start is announced. Only one handler asks for that.
    pub(crate) fn wait_for_start(&self, handler: Notifier) {
        // The handler may ask again.
        let _ = self.waiting.set(handler);
    }

    /// Announces the start, once and as soon as clients are accepted: to the log, to the program
    /// through `on_started`, and to the server that this one takes over from.
    ///
    /// # Errors
    ///
    /// The start has failed.
    pub(crate) fn announce_start(
        &self,
        on_started: &mut Option<Box<dyn FnOnce()>>,
    ) -> io::Result<()> {
        if self.has_started() {
            return Ok(());
        }
        if let Some(supervisor) = self.shared.supervisor()
            && !supervisor.has_started()?
        {
            return Ok(());
        }
        self.has_started.set(true);
        if self.is_logged {
            self.log_start();
        }
        if let Some(on_started) = on_started.take() {
            contain("on_started", on_started);
        }
        upgrade::tell_ready();
        if let Some(waiting) = self.waiting.get() {
            waiting.notify();
        }
        Ok(())
    }

    /// Logs one line for each listener, on which clients can connect from now on.
    fn log_start(&self) {
        for address in self.shared.listeners().addresses() {
            log::info!(
                ">>> starting FTP server on {address}, pid={} <<<",
                process::id()
            );
        }
        log::info!("concurrency model: {}", self.shared.model());
        self.shared.service().log_settings();
    }

    pub(crate) fn log_stop(&self) {
        if self.is_logged && self.has_started() {
            log::info!(">>> shutting down FTP server, pid={} <<<", process::id());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;

    use crate::{FtpServer, ServeOptions};

    #[test]
    fn a_panic_of_what_is_called_at_the_start_ended_the_server() {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 0), handler).unwrap();
        let turn = ServeOptions::default().handle_exit(false).blocking(false);
        let turn = turn.timeout(Duration::ZERO);
        let panicking = turn.on_started(|| panic!("as the test wants it"));
        server.serve_forever(panicking).unwrap();
        assert!(!server.is_over());
        TcpStream::connect(server.local_addrs()[0]).unwrap();
    }
}
