//! netkit's ftp with TLS, used without it.

use super::operation::{Client, Mode, Operation, PASSWORD, TIME, Target, USER, parent, text};
use super::run::Invocation;
use super::tnftp::quoted;

/// `ftp-ssl`: the `ftp` of older Linux systems; active unless told, no FEAT, ASCII until told.
#[derive(Debug)]
pub struct FtpSsl;

impl Client for FtpSsl {
    fn programs(&self) -> &'static [&'static str] {
        &["ftp-ssl"]
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
        let mut ftp = Invocation::new("ftp-ssl").args(["-n", "-i", "-v", "-z", "nossl"]);
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
