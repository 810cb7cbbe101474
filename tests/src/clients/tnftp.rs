//! tnftp, the `ftp` of the BSDs and macOS.

use super::operation::{Client, Mode, Operation, PASSWORD, TIME, Target, USER, parent, text};
use super::run::Invocation;

/// `tnftp`: SYST and FEAT after login, EPSV and EPRT first, SIZE and MDTM around RETR.
#[derive(Debug)]
pub struct Tnftp;

impl Client for Tnftp {
    fn programs(&self) -> &'static [&'static str] {
        &["tnftp"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        let commands = commands(operation)?;
        let mode = match target.mode {
            Mode::Passive => "-p",
            Mode::Active => "-A",
        };
        let script = format!(
            "open {} {}\nuser {USER} {PASSWORD}\n{commands}\nbye\n",
            target.host(),
            target.port()
        );
        // -n: no login from a file; -i: no questions; -v: what the server says.
        Some(
            Invocation::new("tnftp")
                .args(["-n", "-i", "-v", mode])
                .input(script),
        )
    }

    fn keeps_time_of_download(&self) -> bool {
        true
    }
}

/// What a client of this family is told to do for an operation, in its own language; `None` for
/// what it cannot do.
pub(super) fn commands(operation: &Operation<'_>) -> Option<String> {
    Some(match operation {
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
        } => {
            format!(
                "restart {offset}\nput {} {}",
                quoted(text(local)),
                quoted(remote)
            )
        }
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
    })
}

/// `name` as one word of a command of tnftp and its relatives: only a backslash protects a
/// quotation mark.
fn quoted(name: &str) -> String {
    let mut word = String::new();
    for character in name.chars() {
        if matches!(character, ' ' | '"' | '\\') {
            word.push('\\');
        }
        word.push(character);
    }
    word
}
