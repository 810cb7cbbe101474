//! netkit's ftp with TLS.

use super::operation::{
    Client, Mode, Operation, PASSWORD, Security, TIME, Target, USER, parent, text,
};
use super::run::Invocation;
use super::tnftp::quoted;

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
        let commands = match operation {
            Operation::List { directory } => format!("ls {}", quoted(directory)),
            Operation::Fetch { remote, local } => {
                format!("get {} {}", quoted(remote), quoted(text(local)))
            }
            Operation::Store { local, remote } => {
                format!("put {} {}", quoted(text(local)), quoted(remote))
            }
            Operation::Append { local, remote } => {
                format!("append {} {}", quoted(text(local)), quoted(remote))
            }
            Operation::ResumeFetch { remote, local, .. } => {
                format!("reget {} {}", quoted(remote), quoted(text(local)))
            }
            Operation::ResumeStore {
                local,
                remote,
                offset,
            } => format!(
                "restart {offset}\nput {} {}",
                quoted(text(local)),
                quoted(remote)
            ),
            Operation::Rename { from, to } => format!("rename {} {}", quoted(from), quoted(to)),
            Operation::Delete { remote } => format!("delete {}", quoted(remote)),
            Operation::MakeDirectory { remote } => format!("mkdir {}", quoted(remote)),
            Operation::RemoveDirectory { remote } => format!("rmdir {}", quoted(remote)),
            Operation::SetTime { remote } => format!("quote MFMT {TIME} {}", quoted(remote)),
            // What matches is stored under the names that the server gives.
            Operation::FetchMatching { pattern, local } => format!(
                "lcd {}\nmget {}",
                quoted(text(&parent(local))),
                quoted(pattern)
            ),
            Operation::FetchTree { .. }
            | Operation::StoreTree { .. }
            | Operation::AbortThenFetch { .. } => return None,
        };
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
