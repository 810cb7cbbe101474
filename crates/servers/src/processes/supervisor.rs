//! The decision whether this process serves, or supervises others that do.

use std::io;
use std::sync::Arc;

use ftpdlib_ioloop::{Handler, Pool};
use mio::net::TcpListener;

use super::child::ChildOptions;
use super::parent_mailbox::ParentMailbox;
use super::prefork::PreforkWorkers;
use crate::options::MOST_WORKERS;
use crate::shared::Shared;
use crate::{ServeOptions, ServerError};

/// Has other processes serve the clients of a server, each using the server's
/// [`Placement`](crate::placement::Placement).
///
/// This process binds, catches signals, and ends the server, but serves no client.
pub(crate) trait Supervisor: Send + Sync {
    /// The name of the model in the log and in the configuration.
    fn model(&self) -> &'static str;

    /// Takes requests for the processes that serve.
    fn mailbox(&self) -> &Arc<ParentMailbox>;

    /// Whether clients are accepted, once the listeners are on the loop. Other processes may need a
    /// moment to begin.
    ///
    /// # Errors
    ///
    /// The start has failed: no client will be accepted.
    fn has_started(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// Creates the handler that owns the processes that serve.
    ///
    /// # Errors
    ///
    /// The system's error: usually this process cannot be forked.
    fn handler(
        self: Arc<Self>,
        shared: &Arc<Shared>,
        pool: &Pool,
        options: ChildOptions,
    ) -> io::Result<Box<dyn Handler>>;

    /// Lends a listener to the processes that serve, for as long as the returned handler is on the
    /// loop.
    fn lend(&self, socket: TcpListener) -> Box<dyn Handler> {
        self.mailbox().lend(socket)
    }
}

/// Returns the supervisor of other processes that serve, if the options or the server's model
/// require one.
///
/// # Errors
///
/// [`ServerError`] if the options exclude each other, or this process cannot meet them.
pub(crate) fn supervisor(
    shared: &Shared,
    options: &ServeOptions,
) -> Result<Option<Arc<dyn Supervisor>>, ServerError> {
    let count = match options.worker_processes {
        0 => ftpdlib_sys::usable_cpus().min(MOST_WORKERS),
        count if count > MOST_WORKERS => return Err(ServerError::Workers(count)),
        count => count,
    };
    if let Some(identity) = &options.run_as {
        if !ftpdlib_sys::is_root() {
            return Err(ServerError::NotRoot);
        }
        // Otherwise the children would fail at it and be replaced forever.
        identity.try_out().map_err(ServerError::Identity)?;
    }
    if let Some(each) = shared.supervisor() {
        return if options.worker_processes == 1 {
            Ok(Some(Arc::clone(each)))
        } else {
            Err(ServerError::WorkersBesideProcesses)
        };
    }
    let is_wanted = count > 1 || options.supervised;
    if !is_wanted && options.run_as.is_none() {
        return Ok(None);
    }
    let inner = shared.placement().model();
    let workers = PreforkWorkers::new(count, is_wanted, inner);
    Ok(Some(Arc::new(workers)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;

    use super::supervisor;
    use crate::{Concurrency, FtpServer, FtpServerBuilder, ServeOptions};

    fn server(concurrency: Concurrency) -> FtpServer {
        FtpServerBuilder::new(FtpHandler::new(DummyAuthorizer::new()))
            .listen((Ipv4Addr::LOCALHOST, 0))
            .concurrency(concurrency)
            .build()
            .unwrap()
    }

    #[test]
    fn a_single_worker_was_named_async() {
        let server = server(Concurrency::default());
        for (processes, supervised, expected) in [
            (1, false, None),
            (1, true, Some("pre-fork + async")),
            (2, false, Some("pre-fork + async")),
        ] {
            let options = ServeOptions::default().worker_processes(processes);
            let options = options.supervised(supervised);
            let supervisor = supervisor(server.shared(), &options).unwrap();
            assert_eq!(supervisor.map(|supervisor| supervisor.model()), expected);
        }
    }

    #[track_caller]
    fn check(concurrency: Concurrency, processes: usize, expected: &str) {
        let mut server = server(concurrency);
        let options = ServeOptions::default()
            .handle_exit(false)
            .worker_processes(processes);
        let error = server.serve_forever(options).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn processes_that_cannot_be_had_are_refused() {
        let model = Concurrency::default();
        let beside = "worker processes asked for beside a process for each client";
        check(
            model,
            257,
            "257 worker processes asked for, at most 256 are possible",
        );
        check(Concurrency::MultiProcess, 2, beside);
        check(Concurrency::MultiProcess, 0, beside);
        // Tests run on threads, so this process has several.
        check(model, 2, " threads cannot be forked");
        check(Concurrency::MultiProcess, 1, " threads cannot be forked");
    }

    #[test]
    fn a_server_refused_its_workers_asked_for_them_for_ever() {
        let mut server = server(Concurrency::default());
        let options = || {
            ServeOptions::default()
                .handle_exit(false)
                .blocking(false)
                .timeout(Duration::ZERO)
        };
        // Tests run on threads, so this process has several.
        let refused = server.serve_forever(options().worker_processes(2));
        assert!(refused.is_err());
        server.serve_forever(options()).unwrap();
        assert_eq!(server.shared().model(), "async");
    }
}
