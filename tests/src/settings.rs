//! Settings of a server by their names in the configuration file, for servers that are now made of
//! the library and now run by the program.

use std::error::Error;
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::{DtpHandler, FtpHandler, ThrottledDtpHandler, TlsFtpHandler};
use ftpdlib::proto::NameEncoding;
use ftpdlib::servers::FtpServerBuilder;
use ftpdlib::tls::{SessionReuse, TlsVersion};

use crate::client::USER;

/// A setting, such as `control.timeout`, and its value, where a list has spaces between its items.
pub type Setting<'a> = (&'a str, &'a str);

/// Name, password and permissions of somebody.
pub type Account<'a> = (&'a str, &'a str, &'a str);

/// Who may do everything in the home directory.
pub const ACCOUNT: Account<'static> = (USER.0, USER.1, "elradfmwMT");

/// A server's failed logins are not delayed, unless a test says so.
const DEFAULTS: [Setting<'static>; 1] = [("control.auth_failed_timeout", "0.001")];

/// Makes a server of the library, which listens nowhere yet.
///
/// # Errors
///
/// A setting that is not known here, or a value that is none.
pub fn library(
    home: &Path,
    accounts: &[Account<'_>],
    settings: &[Setting<'_>],
) -> Result<FtpServerBuilder, Box<dyn Error>> {
    let authorizer = DummyAuthorizer::new();
    for (name, password, perm) in accounts {
        authorizer.add_user(User::new(*name, *password, home).perm(*perm))?;
    }
    let mut handler = FtpHandler::new(authorizer);
    let mut dtp = DtpHandler::default();
    let mut rates = (0, 0);
    let mut tls = Vec::new();
    let mut limits = (512, 0);
    for (name, value) in all(settings) {
        let time = || seconds(value).map(|time| (!time.is_zero()).then_some(time));
        handler = match name {
            "control.banner" => handler.banner(value),
            "control.timeout" => handler.timeout(time()?),
            "control.auth_failed_timeout" => handler.auth_failed_timeout(seconds(value)?),
            "control.max_login_attempts" => handler.max_login_attempts(value.parse()?),
            "control.permit_foreign_addresses" => handler.permit_foreign_addresses(value.parse()?),
            "control.permit_privileged_ports" => handler.permit_privileged_ports(value.parse()?),
            "control.encoding" => handler.encoding(NameEncoding::for_label(value)?),
            "control.use_sendfile" => handler.use_sendfile(value.parse()?),
            "control.host_names" => handler.host_names(value.split(' ')),
            "control.hash_limit" => handler.hash_limit(value.parse()?),
            "control.masquerade_address" => handler.masquerade_address(value.parse::<Ipv4Addr>()?),
            "control.passive_ports" => handler.passive_ports([value.parse()?]),
            "server.proxy_protocol_from" => handler.proxy_protocol_from([value.parse()?]),
            "server.max_cons" => {
                limits.0 = value.parse()?;
                handler
            }
            "server.max_cons_per_ip" => {
                limits.1 = value.parse()?;
                handler
            }
            "data.timeout" => {
                dtp = dtp.timeout(time()?);
                handler
            }
            "data.passive_timeout" => {
                dtp = dtp.passive_timeout(time()?);
                handler
            }
            "data.active_timeout" => {
                dtp = dtp.active_timeout(time()?);
                handler
            }
            "data.ac_in_buffer_size" => {
                dtp = dtp.ac_in_buffer_size(value.parse()?);
                handler
            }
            "data.ac_out_buffer_size" => {
                dtp = dtp.ac_out_buffer_size(value.parse()?);
                handler
            }
            "data.read_limit" => {
                rates.0 = value.parse()?;
                handler
            }
            "data.write_limit" => {
                rates.1 = value.parse()?;
                handler
            }
            _ if name.starts_with("tls.") => {
                tls.push((name, value));
                handler
            }
            _ => return Err(format!("no such setting: {name}").into()),
        };
    }
    let rates = ThrottledDtpHandler::new(dtp)
        .read_limit(rates.0)
        .write_limit(rates.1);
    handler = handler.dtp_handler(rates);
    if !tls.is_empty() {
        handler = with_tls(handler, &tls)?.into();
    }
    let builder = FtpServerBuilder::new(handler);
    Ok(builder.max_cons(limits.0).max_cons_per_ip(limits.1))
}

fn with_tls(
    handler: FtpHandler,
    settings: &[Setting<'_>],
) -> Result<TlsFtpHandler, Box<dyn Error>> {
    let mut tls = TlsFtpHandler::new(handler);
    for &(name, value) in settings {
        tls = match (name, value) {
            ("tls.implicit", _) => tls.implicit(value.parse()?),
            ("tls.handshake_timeout", _) => tls.handshake_timeout(seconds(value)?),
            ("tls.require_session_reuse", "true") => {
                tls.require_session_reuse(SessionReuse::Required)
            }
            // As it is.
            ("tls.strict_close", "true") => tls,
            ("tls.min_version", "1.3") => tls.min_version(TlsVersion::V1_3),
            _ => return Err(format!("no such setting: {name} = {value}").into()),
        };
    }
    Ok(tls)
}

/// Writes the configuration file of the program for the same server.
pub fn configuration(
    ip: std::net::IpAddr,
    home: &Path,
    accounts: &[Account<'_>],
    settings: &[Setting<'_>],
) -> String {
    let address = std::net::SocketAddr::new(ip, 0).to_string();
    let mut text = format!("server.listen = [{address:?}]\n");
    for (name, value) in all(settings) {
        let is_list =
            name.ends_with("_names") || name.ends_with("_from") || name.ends_with("_ports");
        let is_text = name == "tls.min_version";
        let value = match value {
            _ if name == "control.passive_ports" => format!("[{value}]"),
            _ if is_list => format!("{:?}", value.split(' ').collect::<Vec<_>>()),
            _ if !is_text && (value.parse::<f64>().is_ok() || value.parse::<bool>().is_ok()) => {
                value.to_owned()
            }
            _ => format!("{value:?}"),
        };
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name} = {value}");
    }
    for (name, password, perm) in accounts {
        let _ = write!(
            text,
            "[[users]]\nname = {name:?}\npassword = {password:?}\nhome = {home:?}\nperm = {perm:?}\n"
        );
    }
    text
}

/// The settings with those that a test did not set.
fn all<'a>(settings: &[Setting<'a>]) -> Vec<Setting<'a>> {
    let unset = |(name, _): &Setting<'_>| settings.iter().all(|(set, _)| set != name);
    let defaults = DEFAULTS.into_iter().filter(unset);
    defaults.chain(settings.iter().copied()).collect()
}

fn seconds(value: &str) -> Result<Duration, Box<dyn Error>> {
    Ok(Duration::try_from_secs_f64(value.parse()?)?)
}
