//! The server at work.

use std::error::Error;
use std::sync::Arc;

use ftpdlib::filesystems::{Filesystem, UnixFilesystem};
use ftpdlib::handlers::{
    DtpHandler, FtpHandler, ThrottledDtpHandler, TlsDtpHandler, TlsFtpHandler,
};
use ftpdlib::servers::{
    FtpServer, FtpServerBuilder, ServeOptions, ServerHandle, inherited_sockets,
    raise_descriptor_limit,
};

use crate::config::{FilesystemKind, Server};
use crate::error::ConfigError;
use crate::notify;
use crate::settings::Settings;
use crate::transfer_log::TransferLogs;

/// Descriptors that the program needs beside its connections.
const OWN_DESCRIPTORS: u64 = 32;

/// Serves until a signal ends it. `reload` gives the settings as the file says at that time.
///
/// # Errors
///
/// What kept it from binding, or ended it.
pub(crate) fn serve(
    settings: Settings,
    reload: impl Fn() -> Result<Settings, ConfigError> + 'static,
) -> Result<(), Box<dyn Error>> {
    provide_descriptors(&settings.server);
    let started = settings.server.clone();
    let options = ServeOptions::default().shutdown_grace(started.shutdown_grace);
    let mut logs = TransferLogs::open(&settings.log)?;
    let mut server = listen(settings, &logs)?;
    let handle = server.handle()?;
    let options = options
        .on_reload(move || apply_again(&handle, &started, &mut logs, &reload))
        .on_stopping(notify::stopping)
        .on_started(notify::ready);
    server.serve_forever(options)?;
    Ok(())
}

/// Binds the addresses of the settings, or takes the sockets of the service manager instead.
fn listen(settings: Settings, logs: &TransferLogs) -> Result<FtpServer, Box<dyn Error>> {
    let server = settings.server.clone();
    let mut builder = FtpServerBuilder::new(logs.watch(handler(settings)))
        .backlog(server.backlog)
        .max_cons(limit(server.max_cons))
        .max_cons_per_ip(limit(server.max_cons_per_ip));
    let inherited = inherited_sockets()?;
    if inherited.is_empty() {
        builder = server
            .listen
            .into_iter()
            .fold(builder, FtpServerBuilder::listen);
    } else {
        builder = inherited
            .into_iter()
            .fold(builder, FtpServerBuilder::listen_on);
    }
    Ok(builder.build()?)
}

/// What the settings say of control and data connections.
fn handler(settings: Settings) -> FtpHandler {
    let (control, data) = (settings.control, settings.data);
    let dtp = DtpHandler::default()
        .timeout(data.timeout)
        .ac_in_buffer_size(data.ac_in_buffer_size as usize)
        .ac_out_buffer_size(data.ac_out_buffer_size as usize)
        .passive_timeout(data.passive_timeout)
        .active_timeout(data.active_timeout);
    let dtp = ThrottledDtpHandler::new(dtp)
        .read_limit(data.read_limit.unwrap_or(0))
        .write_limit(data.write_limit.unwrap_or(0));
    let strict_close = settings.tls.as_ref().is_none_or(|tls| tls.strict_close);
    let dtp = TlsDtpHandler::new(dtp).strict_close(strict_close);
    let map = control.masquerade_address_map.into_iter();
    let mut handler = FtpHandler::new(settings.authorizer)
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
        .encoding(control.encoding)
        .legacy_encoding(control.legacy_encoding)
        .log_prefix(control.log_prefix)
        .host_names(control.host_names)
        .hash_limit(control.hash_limit);
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
        Some(tls) => TlsFtpHandler::new(handler)
            .settings(tls.settings)
            .tls_control_required(tls.control_required)
            .tls_data_required(tls.data_required)
            .implicit(tls.implicit)
            .into(),
    }
}

/// SIGHUP: what the file says now is for the clients to come. A broken file changes nothing.
fn apply_again(
    server: &ServerHandle,
    started: &Server,
    logs: &mut TransferLogs,
    reload: &impl Fn() -> Result<Settings, ConfigError>,
) {
    notify::reloading();
    let applied = reload()
        .map_err(|error| error.to_string())
        .and_then(|settings| {
            for key in fixed_at_start(started, &settings.server) {
                log::warn!("server.{key} has changed, which takes effect after a restart only");
            }
            let limits = (
                limit(settings.server.max_cons),
                limit(settings.server.max_cons_per_ip),
            );
            logs.reopen(&settings.log)
                .map_err(|error| error.to_string())?;
            server
                .set_handler(logs.watch(handler(settings)))
                .map_err(|error| error.to_string())?;
            server.set_limits(limits.0, limits.1);
            Ok(())
        });
    match applied {
        Ok(()) => log::info!("configuration read again, for new sessions"),
        Err(error) => log::error!("configuration not changed: {error}"),
    }
    notify::ready();
}

/// The keys of `[server]` that were changed in vain.
fn fixed_at_start(started: &Server, now: &Server) -> impl Iterator<Item = &'static str> {
    let keys = [
        ("listen", started.listen != now.listen),
        ("backlog", started.backlog != now.backlog),
        (
            "shutdown_grace",
            started.shutdown_grace != now.shutdown_grace,
        ),
    ];
    keys.into_iter()
        .filter_map(|(key, changed)| changed.then_some(key))
}

/// Asks for as many descriptors as the system gives, and says so where they are too few.
fn provide_descriptors(server: &Server) {
    let available = match raise_descriptor_limit() {
        Ok(available) => available,
        Err(error) => {
            log::warn!("cannot raise the descriptor limit: {error}");
            return;
        }
    };
    // A transfer has a file open beside its connection.
    let needed = u64::from(server.max_cons.unwrap_or(0)) * 2 + OWN_DESCRIPTORS;
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
    fn what_a_reload_cannot_change_is_told() {
        let started = Server::default();
        let same = Server {
            max_cons: None,
            ..Server::default()
        };
        assert_eq!(fixed_at_start(&started, &same).count(), 0);
        let other = Server {
            listen: Vec::new(),
            backlog: 1,
            ..Server::default()
        };
        let told: Vec<_> = fixed_at_start(&started, &other).collect();
        assert_eq!(told, ["listen", "backlog"]);
    }
}
