//! The server at work.

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ftpdlib::filesystems::{Filesystem, UnixFilesystem};
use ftpdlib::handlers::{
    DtpHandler, FtpHandler, IpNet, ThrottledDtpHandler, TlsDtpHandler, TlsFtpHandler,
};
use ftpdlib::servers::{
    self, FtpServer, FtpServerBuilder, InheritedSocket, ServeOptions, ServerHandle, Upgrade,
    inherited_sockets, interrupt_nobody, raise_descriptor_limit,
};

use crate::aside::Aside;
use crate::config::{Concurrency, DEFAULT_BUFFER, FilesystemKind, Server};
use crate::error::ConfigError;
use crate::notify;
use crate::settings::{Access, Settings};
use crate::text_file::Readable;
use crate::transfer_log::{OpenedLogs, TransferLogs};

/// Descriptors that the program needs beside its connections.
const OWN_DESCRIPTORS: u64 = 32;

/// Serves until a signal ends it. `reload` returns the settings from the file as it is then; its
/// arguments tell whether the current settings come from an empty file, and which files it may
/// read.
///
/// # Errors
///
/// Why it could not bind, or why it ended; a [`ConfigError`] if the settings prove wrong.
pub(crate) fn serve(
    settings: Settings,
    reload: impl Fn(bool, Readable) -> Result<Settings, ConfigError> + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    // Before anything is bound or changed.
    let logs = TransferLogs::new(settings.run_as.clone());
    let opened = logs.open(&settings.log)?;
    provide_descriptors(&settings.server);
    if let Err(error) = interrupt_nobody() {
        log::debug!("this process may interrupt others when it wakes up: {error}");
    }
    let started = settings.server.clone();
    let forks = serves_by_others(&settings);
    let options = processes(&settings).shutdown_grace(started.shutdown_grace);
    let inherited = inherited_sockets()?;
    let bound_for: Option<Vec<_>> = inherited.iter().map(InheritedSocket::bound_for).collect();
    let warnings = settings.warnings.clone();
    let was_empty = AtomicBool::new(settings.by_empty_file);
    let mut server = listen(settings, inherited, &opened)?;
    let handle = server.handle()?;
    warnings.tell();
    let binds = bound_for.is_some();
    if bound_for.is_some_and(|bound| !bound.is_empty() && differ(&bound, &started.listen)) {
        log::warn!("server.listen has changed, which takes effect on SIGHUP");
    }
    let (begun, written) = (logs.clone(), logs.clone());
    let reload = {
        let (handle, logs) = (handle.clone(), logs.clone());
        // The loop that supervises processes reads files itself, and must not wait for a writer.
        let readable = match forks {
            true => Readable::Regular,
            false => Readable::Anything,
        };
        move || {
            let settings = reload(was_empty.load(Ordering::Relaxed), readable)?;
            let is_empty = settings.by_empty_file;
            apply(settings, &handle, binds, &started, &logs)?;
            was_empty.store(is_empty, Ordering::Relaxed);
            Ok(())
        }
    };
    // Whoever has moved logs away may know nothing of the configuration.
    let keep_logs = move || logs.open_again(|number, file| handle.hand_over(number, file));
    let apply_again = move || apply_again(&reload, &keep_logs);
    let options = match forks {
        true => options.on_reload(apply_again),
        false => {
            let mut aside = Aside::new(apply_again);
            options.on_reload(move || {
                if let Err(error) = aside.ask() {
                    log::error!("configuration not changed: {error}");
                }
            })
        }
    };
    let mut options = options
        .keep_signals(true)
        .on_file(move |number, file| written.go_on_in(number, file))
        .on_stopping(notify::stopping)
        .on_started(move || {
            // Until now the start could fail. None was open before, so none is handed over.
            begun.replace(opened, |_, _| {});
            notify::ready();
        });
    if let Some(interval) = notify::watchdog_interval() {
        options = options.watchdog(interval, notify::alive);
    }
    server.serve_forever(options)?;
    Ok(())
}

/// Binds the addresses of the settings, or takes the sockets of the service manager or of the server
/// before this one instead.
fn listen(
    settings: Settings,
    inherited: Vec<InheritedSocket>,
    logs: &OpenedLogs,
) -> Result<FtpServer, Box<dyn Error>> {
    let (server, listening) = (settings.server.clone(), settings.listening.clone());
    let mut builder = FtpServerBuilder::new(logs.watch(handler(settings)))
        .concurrency(concurrency(&server))
        .backlog(server.backlog)
        .max_cons(limit(server.max_cons))
        .max_cons_per_ip(limit(server.max_cons_per_ip));
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

/// How the sessions of one process run.
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

/// Whether this process forks others that serve. If so, it must have no second thread. If not, its
/// loop serves clients, and must not wait for the disks of homes, keys and logs.
fn serves_by_others(settings: &Settings) -> bool {
    settings.run_as.is_some()
        || match settings.server.concurrency {
            Concurrency::Async | Concurrency::MultiThread => false,
            Concurrency::PreFork | Concurrency::MultiProc => true,
        }
}

/// Sets which processes serve, and which program takes over from them.
fn processes(settings: &Settings) -> ServeOptions {
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
    options.upgrade(upgrade.on_upgraded(notify::handed_over))
}

/// The path of the program, by the name it was started with. A relative path would be looked up in
/// the working directory, where clients may have put files, so it yields a program that fails to
/// start. With no program at all, the signal would end this one.
fn called_by(name: Option<&OsString>) -> PathBuf {
    let path = name.map(PathBuf::from);
    path.filter(|path| path.is_absolute()).unwrap_or_default()
}

/// What the settings say of control and data connections.
fn handler(settings: Settings) -> FtpHandler {
    let (control, data) = (settings.control, settings.data);
    let dtp = match data.ac_in_buffer_size {
        DEFAULT_BUFFER => DtpHandler::default(),
        size => DtpHandler::default().ac_in_buffer_size(size as usize),
    };
    let dtp = dtp
        .timeout(data.timeout)
        .ac_out_buffer_size(data.ac_out_buffer_size as usize)
        .passive_timeout(data.passive_timeout)
        .active_timeout(data.active_timeout);
    let dtp = ThrottledDtpHandler::new(dtp)
        .read_limit(data.read_limit.unwrap_or(0))
        .write_limit(data.write_limit.unwrap_or(0));
    let strict_close = settings.tls.as_ref().is_none_or(|tls| tls.strict_close);
    let dtp = TlsDtpHandler::new(dtp).strict_close(strict_close);
    let map = control.masquerade_address_map.into_iter();
    let handler = match settings.access {
        Access::Virtual(authorizer) => FtpHandler::new(authorizer),
        Access::System(authorizer) => FtpHandler::new(*authorizer),
    };
    let mut handler = handler
        .dtp_handler(dtp)
        .timeout(control.timeout)
        .banner(control.banner)
        .max_login_attempts(control.max_login_attempts)
        .auth_failed_timeout(control.auth_failed_timeout)
        .permit_foreign_addresses(control.permit_foreign_addresses)
        .permit_privileged_ports(control.permit_privileged_ports)
        .masquerade_address(control.masquerade_address)
        .masquerade_own_network(control.masquerade_own_network)
        .masquerade_address_map(map.map(|(local, shown)| (local.into(), shown)).collect())
        .use_gmt_times(control.use_gmt_times)
        .tcp_no_delay(control.tcp_no_delay)
        .use_sendfile(control.use_sendfile)
        .mlsd_shows_links(control.mlsd_shows_links)
        .busy_poll(control.busy_poll)
        .encoding(control.encoding)
        .legacy_encoding(control.legacy_encoding)
        .log_prefix(control.log_prefix)
        .host_names(control.host_names)
        .hash_limit(control.hash_limit);
    let networks = settings.server.proxy_protocol_from.into_iter();
    // Its prefixes were checked when it was read.
    handler = handler
        .proxy_protocol_from(networks.filter_map(|(ip, prefix)| IpNet::new(ip, prefix).ok()));
    if let Some(ports) = control.passive_ports {
        handler = handler.passive_ports(ports);
    }
    if let FilesystemKind::Unix = settings.filesystem {
        handler = handler.abstracted_fs(|login| {
            Ok(Arc::new(UnixFilesystem::new(&login.home)?) as Arc<dyn Filesystem>)
        });
    }
    match settings.tls {
        None => handler,
        Some(tls) => {
            let handler = TlsFtpHandler::new(handler)
                .settings(tls.settings)
                .tls_control_required(tls.control_required)
                .tls_data_required(tls.data_required)
                .implicit(tls.implicit)
                .reload_interval(tls.reload_interval);
            match tls.handshake_timeout {
                Some(timeout) => handler.handshake_timeout(timeout).into(),
                None => handler.into(),
            }
        }
    }
}

/// SIGHUP: applies the current file to new clients. A broken file or an unavailable address changes
/// nothing, and the logs in use are all that is opened again.
fn apply_again(reload: &impl Fn() -> Result<(), Box<dyn Error>>, keep_logs: &impl Fn()) {
    notify::reloading();
    match reload() {
        Ok(()) => log::info!("configuration read again, for new sessions"),
        Err(error) => {
            keep_logs();
            log::error!("configuration not changed: {error}");
        }
    }
    notify::ready();
}

/// Applies settings to a running server: first those that may fail. `binds` means that the
/// addresses come from the file.
fn apply(
    settings: Settings,
    server: &ServerHandle,
    binds: bool,
    started: &Server,
    logs: &TransferLogs,
) -> Result<(), Box<dyn Error>> {
    if let (Some(user), Access::System(_)) = (&started.user, &settings.access) {
        let problem = format!(
            "authorizer.kind = \"unix\" needs root, which was given up for user {user:?} at the start"
        );
        return Err(problem.into());
    }
    let (now, log) = (settings.server.clone(), settings.log.clone());
    let (listening, mut warnings) = (settings.listening.clone(), settings.warnings.clone());
    for key in fixed_at_start(started, &now) {
        let line = format!("server.{key} has changed, which takes effect after a restart only");
        warnings.push(line);
    }
    if !binds && differ(&started.listen, &now.listen) {
        let line = "server.listen has changed in vain: the service manager opens the addresses";
        warnings.push(line.to_owned());
    }
    let handler = handler(settings);
    handler.check()?;
    let opened = logs.open(&log)?;
    let handler = opened.watch(handler);
    if binds {
        let set = server.set_handler_and_addresses(handler, &now.listen, now.backlog);
        set.map_err(|error| listening.explain(&error))?;
    } else {
        server.set_handler(handler)?;
    }
    logs.replace(opened, |number, file| server.hand_over(number, file));
    server.set_limits(limit(now.max_cons), limit(now.max_cons_per_ip));
    warnings.tell();
    Ok(())
}

/// The changed keys of `[server]` that a reload cannot apply.
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

/// Whether these are not the same addresses, in whatever order.
fn differ(some: &[SocketAddr], others: &[SocketAddr]) -> bool {
    let set = |addresses: &[SocketAddr]| addresses.iter().copied().collect::<BTreeSet<_>>();
    set(some) != set(others)
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
    // A transfer has a file open beside its connection, a session's own loop two more.
    let of_each = match server.concurrency {
        Concurrency::MultiThread => 4,
        Concurrency::Async | Concurrency::PreFork | Concurrency::MultiProc => 2,
    };
    let needed = u64::from(server.max_cons.unwrap_or(0)) * of_each + OWN_DESCRIPTORS;
    if server.max_cons.is_some() && needed > available {
        log::warn!(
            "max_cons = {} cannot be reached: that needs {needed} descriptors, the limit is \
             {available}",
            limit(server.max_cons)
        );
    }
}

/// A limit as the library takes it: 0 for none.
fn limit(setting: Option<u32>) -> usize {
    setting.map_or(0, |connections| connections as usize)
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

    #[test]
    fn what_a_reload_cannot_change_is_told() {
        let started = Server::default();
        let same = Server {
            max_cons: None,
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
