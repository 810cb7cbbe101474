//! The settings of a dialogue, as a server takes them.

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::handlers::{DtpHandler, FtpHandler};
use ftpdlib_tests::dialogue::Setting;

/// How the clients of a dialogue are served; `alice` and `bob` both have the home directory.
pub(super) fn handler(home: &Path, settings: &[&Setting]) -> Result<FtpHandler, Box<dyn Error>> {
    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(User::new("alice", "secret", home).perm("elradfmwMT"))?;
    authorizer.add_user(User::new("bob", "secret", home))?;
    let mut handler = FtpHandler::new(authorizer);
    for Setting { name, value } in settings {
        let seconds = || value.parse().map(Duration::from_secs);
        let time = || seconds().map(|time| (!time.is_zero()).then_some(time));
        handler = match name.as_str() {
            "banner" => handler.banner(value.replace("\\n", "\n")),
            "timeout" => handler.timeout(time()?),
            "auth_failed_timeout" => handler.auth_failed_timeout(seconds()?),
            "max_login_attempts" => handler.max_login_attempts(value.parse()?),
            "permit_foreign_addresses" => handler.permit_foreign_addresses(value == "true"),
            "permit_privileged_ports" => handler.permit_privileged_ports(value == "true"),
            "host_names" => handler.host_names(value.split(' ')),
            "masquerade_address" => handler.masquerade_address(value.parse::<Ipv4Addr>()?),
            "passive_timeout" => {
                handler.dtp_handler(DtpHandler::default().passive_timeout(time()?))
            }
            _ => return Err(format!("no such setting: {name}").into()),
        };
    }
    Ok(handler)
}
