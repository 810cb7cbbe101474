//! Runs the server.

use std::cell::Cell;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ftpdlib::servers::process::{
    InheritedSocket, inherited_sockets, interrupt_nobody, keep_freed_memory, raise_descriptor_limit,
};
use ftpdlib::servers::{self, FtpServer, FtpServerBuilder, ServeOptions, Upgrade};

use crate::args::Args;
use crate::aside::Aside;
use crate::config::{Concurrency, Server};
use crate::environment::{CONFIGURED, Environment};
use crate::handler::make_handler;
use crate::notify;
use crate::reload::{Reload, differ};
use crate::settings::Settings;
use crate::transfer_log::{OpenedLogs, TransferLogs};

/// Descriptors that the program needs besides its connections.
const OWN_DESCRIPTORS: u64 = 32;

/// Serves until a signal ends it. The settings were loaded from `args` and `environment`, and are
/// loaded from them again on SIGHUP.
///
/// # Errors
///
/// Why the server could not bind, or why it ended; a [`ConfigError`](crate::error::ConfigError) if
/// the settings prove wrong.
pub(crate) fn serve(
    settings: Settings,
    args: Args,
    environment: Environment,
) -> Result<(), Box<dyn Error>> {
    // Opened before anything is bound or changed.
    let logs = TransferLogs::new(settings.run_as.clone());
    let mut opened = logs.open(&settings.log)?;
    prepare_process(&settings.server);
    let started = settings.server.clone();
    let forks = serves_by_others(&settings);
    let is_configured = Arc::new(AtomicBool::new(!settings.by_empty_file));
    let options = processes(&settings, &is_configured).shutdown_grace(started.shutdown_grace);
    let inherited = inherited_sockets()?;
    let bound_for: Option<Vec<_>> = inherited.iter().map(InheritedSocket::bound_for).collect();
    let warnings = settings.warnings.clone();
    let mut server = listen(settings, inherited, &opened)?;
    let handle = server.handle()?;
    warnings.tell();
    let binds = bound_for.is_some();
    if bound_for.is_some_and(|bound| !bound.is_empty() && differ(&bound, &started.listen)) {
        log::warn!("server.listen has changed, which takes effect on SIGHUP");
    }
    // Must precede any fork. No log was open before, so none is handed over.
    logs.take_over(&mut opened, |_, _| {});
    let reload = Reload {
        args,
        environment: match forks {
            true => environment.of_supervisor(),
            false => environment,
        },
        handle,
        logs: logs.clone(),
        started,
        binds,
        is_configured,
        is_stopping: Mutex::new(false),
    };
    let opened = Rc::new(Cell::new(Some(opened)));
    let kept = Rc::clone(&opened);
    let options = reload_on_signal(options, reload, forks)
        .keep_signals(true)
        .on_file(move |number, file| logs.go_on_in(number, file))
        .on_started(move || {
            // Until now, the start could fail.
            kept.take().into_iter().for_each(OpenedLogs::keep);
            notify::ready();
        });
    let options = match notify::watchdog_interval() {
        Some(interval) => options.watchdog(interval, notify::alive),
        None => options,
    };
    server.serve_forever(options)?;
    // Keep them even if the server was stopped before its start was known: a worker may have
    // written to them.
    opened.take().into_iter().for_each(OpenedLogs::keep);
    Ok(())
}

/// Makes this process ready to serve, as far as the system allows.
fn prepare_process(server: &Server) {
    provide_descriptors(server);
    keep_freed_memory();
    if let Err(error) = interrupt_nobody() {
        log::debug!("this process may interrupt others when it wakes up: {error}");
    }
}

/// Sets what signals do: run `reload`, and report the stop to it. The reload runs on the loop if
/// that only supervises other processes, otherwise on a thread.
fn reload_on_signal(options: ServeOptions, reload: Reload, forks: bool) -> ServeOptions {
    let reload = Arc::new(reload);
    let stopping = Arc::clone(&reload);
    let options = options.on_stopping(move || stopping.stop());
    if forks {
        return options.on_reload(move || reload.run());
    }
    let again = Arc::clone(&reload);
    let mut aside = Aside::new(move || again.run());
    options.on_reload(move || {
        if let Err(error) = aside.ask() {
            reload.fail(error);
        }
    })
}

/// Binds the addresses of the settings, unless sockets were inherited from the service manager or
/// the previous server.
fn listen(
    settings: Settings,
    inherited: Vec<InheritedSocket>,
    logs: &OpenedLogs,
) -> Result<FtpServer, Box<dyn Error>> {
    let (server, listening) = (settings.server.clone(), settings.listening.clone());
    let mut builder = FtpServerBuilder::new(logs.watch(make_handler(settings)))
        .concurrency(concurrency(&server))
        .backlog(server.backlog)
        .max_cons(server.max_cons as usize)
        .max_cons_per_ip(server.max_cons_per_ip as usize);
    if inherited.is_empty() {
        builder = server
            .listen
            .into_iter()
            .fold(builder, FtpServerBuilder::listen);
    } else {
        builder = inherited
            .into_iter()
            .fold(builder, FtpServerBuilder::listen);
    }
    let built = builder.build();
    Ok(built.map_err(|error| listening.explain(&error))?)
}

/// Returns the model that each process uses for its sessions.
fn concurrency(server: &Server) -> servers::Concurrency {
    match server.concurrency {
        Concurrency::Async => servers::Concurrency::Async {
            threads: server.threads as usize,
        },
        Concurrency::PreFork => servers::Concurrency::Async { threads: 1 },
        Concurrency::MultiThread => servers::Concurrency::MultiThread,
        Concurrency::MultiProc => servers::Concurrency::MultiProcess,
    }
}

/// Whether this process forks others that serve. If so, it must have a single thread. If not, its
/// loop serves clients and must not wait for the disks of homes, keys and logs.
fn serves_by_others(settings: &Settings) -> bool {
    settings.run_as.is_some()
        || match settings.server.concurrency {
            Concurrency::Async | Concurrency::MultiThread => false,
            Concurrency::PreFork | Concurrency::MultiProc => true,
        }
}

/// Sets which processes serve, and which program takes over on an upgrade. That program is told
/// whether this one is configured at that time.
fn processes(settings: &Settings, is_configured: &Arc<AtomicBool>) -> ServeOptions {
    let mut options = ServeOptions::default();
    if settings.server.concurrency == Concurrency::PreFork {
        let workers = settings.server.workers as usize;
        options = options.worker_processes(workers).supervised(true);
    }
    if let Some(identity) = &settings.run_as {
        options = options.run_as(identity.clone());
    }
    let upgrade = Upgrade::to_this_program().unwrap_or_else(|error| {
        log::warn!("SIGUSR2 may do nothing: this program is not found: {error}");
        let arguments: Vec<_> = std::env::args_os().collect();
        Upgrade::new(called_by(arguments.first()), arguments)
    });
    let is_configured = Arc::clone(is_configured);
    let tell = move || is_configured.load(Ordering::Relaxed).to_string();
    let upgrade = upgrade.variable(CONFIGURED, tell);
    options.upgrade(upgrade.on_upgraded(notify::handed_over))
}

/// Returns the path of the program, from the name it was started with. A relative path would be
/// looked up in the working directory, where clients may have put files, so it yields an empty
/// path, which fails to start. Without any upgrade, the signal would end this process.
fn called_by(name: Option<&OsString>) -> PathBuf {
    let path = name.map(PathBuf::from);
    path.filter(|path| path.is_absolute()).unwrap_or_default()
}

/// Raises the descriptor limit as far as possible, and warns if it is too low.
fn provide_descriptors(server: &Server) {
    let available = match raise_descriptor_limit() {
        Ok(available) => available,
        Err(error) => {
            log::warn!("cannot raise the descriptor limit: {error}");
            return;
        }
    };
    // Besides its connection, a transfer has a file open, and a session with its own loop two more.
    let of_each = match server.concurrency {
        Concurrency::MultiThread => 4,
        Concurrency::Async | Concurrency::PreFork | Concurrency::MultiProc => 2,
    };
    let needed = u64::from(server.max_cons) * of_each + OWN_DESCRIPTORS;
    if server.max_cons > 0 && needed > available {
        log::warn!(
            "max_cons = {} cannot be reached: that needs {needed} descriptors, the limit is \
             {available}",
            server.max_cons
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_the_shared_directory_took_over() {
        for (name, program) in [
            ("/usr/bin/ftpdlib", "/usr/bin/ftpdlib"),
            ("ftpdlib", ""),
            ("./ftpdlib", ""),
            ("bin/ftpdlib", ""),
            ("", ""),
        ] {
            assert_eq!(called_by(Some(&name.into())), PathBuf::from(program));
        }
        assert_eq!(called_by(None), PathBuf::new());
    }
}
