//! netkit's ftp with TLS.

use super::operation::{Client, Mode, Operation, PASSWORD, Security, Target, USER};
use super::run::Invocation;
use super::tnftp::commands;

/// `ftp-ssl`: the `ftp` of older Linux systems; active unless told, no FEAT, ASCII until told.
#[derive(Debug)]
pub struct FtpSsl;

impl Client for FtpSsl {
    fn programs(&self) -> &'static [&'static str] {
        &["ftp-ssl"]
    }

    /// It closes the socket first, and would say close_notify then.
    fn announces_ends(&self) -> bool {
        false
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        let commands = commands(operation)?;
        let tls = match target.security {
            Security::Clear => "nossl",
            Security::Explicit | Security::ExplicitTls12 | Security::Implicit => "secure",
        };
        let mut ftp = Invocation::new("ftp-ssl").args(["-n", "-i", "-v", "-z", tls]);
        if target.mode == Mode::Passive {
            ftp = ftp.args(["-p"]);
        }
        Some(ftp.input(format!(
            "open {} {}\nuser {USER} {PASSWORD}\nbinary\n{commands}\nbye\n",
            target.host(),
            target.port()
        )))
    }
}
