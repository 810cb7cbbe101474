//! Makes an `FtpHandler` from the settings.

use std::sync::Arc;

use ftpdlib::filesystems::{Filesystem, UnixFilesystem};
use ftpdlib::handlers::{
    DtpHandler, FtpHandler, ThrottledDtpHandler, TlsDtpHandler, TlsFtpHandler,
};

use crate::config::{Control, DEFAULT_BUFFER, Data, FilesystemKind};
use crate::settings::{Access, Settings, TlsOffer};

/// Makes the handler that serves clients as the settings say.
pub(crate) fn make_handler(settings: Settings) -> FtpHandler {
    let handler = match settings.access {
        Access::Virtual(authorizer) => FtpHandler::new(authorizer),
        Access::System(authorizer) => FtpHandler::new(*authorizer),
    };
    let strict_close = settings.tls.as_ref().is_none_or(|tls| tls.strict_close);
    let dtp = TlsDtpHandler::new(dtp_handler(&settings.data)).strict_close(strict_close);
    let mut handler = controlled(handler, settings.control)
        .dtp_handler(dtp)
        .proxy_protocol_from(settings.server.proxy_protocol_from);
    if let FilesystemKind::Unix = settings.filesystem {
        handler = handler.abstracted_fs(|login| {
            Ok(Arc::new(UnixFilesystem::new(&login.home)?) as Arc<dyn Filesystem>)
        });
    }
    match settings.tls {
        None => handler,
        Some(tls) => secured(handler, tls),
    }
}

/// Makes the data connection handler from `[data]`.
fn dtp_handler(data: &Data) -> ThrottledDtpHandler {
    let dtp = match data.ac_in_buffer_size {
        DEFAULT_BUFFER => DtpHandler::default(),
        size => DtpHandler::default().ac_in_buffer_size(size as usize),
    };
    let dtp = dtp
        .timeout(data.timeout)
        .ac_out_buffer_size(data.ac_out_buffer_size as usize)
        .passive_timeout(data.passive_timeout)
        .active_timeout(data.active_timeout);
    ThrottledDtpHandler::new(dtp)
        .read_limit(data.read_limit)
        .write_limit(data.write_limit)
}

/// Applies `[control]`.
fn controlled(handler: FtpHandler, control: Control) -> FtpHandler {
    let map = control.masquerade_address_map.into_iter();
    let handler = handler
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
    match control.passive_ports {
        Some(ports) => handler.passive_ports(ports),
        None => handler,
    }
}

/// Adds TLS.
fn secured(handler: FtpHandler, tls: TlsOffer) -> FtpHandler {
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ftpdlib::authorizers::DummyAuthorizer;

    use super::*;
    use crate::args::Args;
    use crate::environment::Environment;

    #[test]
    fn the_defaults_of_the_program_are_those_of_the_library() {
        let args = Args::parse_from(["ftpdlib"]);
        let settings = Settings::load(&args, &Environment::default()).unwrap();
        let library = FtpHandler::new(DummyAuthorizer::new());
        assert_eq!(
            format!("{:#?}", make_handler(settings)),
            format!("{library:#?}")
        );
    }
}
