//! lftp.

use super::operation::{Client, Mode, Operation, PASSWORD, Security, TIME, Target, USER, text};
use super::run::Invocation;

/// `lftp`: FEAT before USER, pipelined commands, ABOR with the Telnet Synch, MFMT after uploads.
///
/// Over the loopback interface, and only there, it gives `::` as its address in EPRT.
#[derive(Debug)]
pub struct Lftp;

impl Client for Lftp {
    fn programs(&self) -> &'static [&'static str] {
        &["lftp"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        let command = match operation {
            Operation::List { directory: "" } => "ls".into(),
            Operation::List { directory } => format!("ls {}", quoted(directory)),
            Operation::Fetch { remote, local } => {
                format!("get {} -o {}", quoted(remote), quoted(text(local)))
            }
            Operation::Store { local, remote } => {
                format!("put {} -o {}", quoted(text(local)), quoted(remote))
            }
            Operation::ResumeFetch { remote, local, .. } => {
                format!("get -c {} -o {}", quoted(remote), quoted(text(local)))
            }
            Operation::ResumeStore { local, remote, .. } => {
                format!("put -c {} -o {}", quoted(text(local)), quoted(remote))
            }
            Operation::Rename { from, to } => format!("mv {} {}", quoted(from), quoted(to)),
            Operation::Delete { remote } => format!("rm {}", quoted(remote)),
            Operation::MakeDirectory { remote } => format!("mkdir {}", quoted(remote)),
            Operation::RemoveDirectory { remote } => format!("rmdir {}", quoted(remote)),
            Operation::SetTime { remote } => format!("quote MFMT {TIME} {remote}"),
            Operation::FetchMatching { pattern, local } => {
                format!("mget -O {} {pattern}", quoted(text(local)))
            }
            Operation::FetchTree { remote, local } => {
                format!("mirror {} {}", quoted(remote), quoted(text(local)))
            }
            Operation::StoreTree { local, remote } => {
                format!("mirror -R {} {}", quoted(text(local)), quoted(remote))
            }
            // Only the first bytes are wanted: the reader of the pipe ends, and lftp aborts.
            Operation::AbortThenFetch {
                large,
                remote,
                local,
            } => format!(
                "cat {} | head -c 100 > /dev/null\nget {} -o {}",
                quoted(large),
                quoted(remote),
                quoted(text(local))
            ),
            Operation::Append { .. } => return None,
        };
        let tls = match target.security {
            Security::Clear => "",
            Security::Explicit | Security::Implicit => {
                "set ssl:verify-certificate no\n\
                 set ftp:ssl-force yes\n\
                 set ftp:ssl-protect-data yes\n"
            }
            Security::ExplicitTls12 => {
                "set ssl:verify-certificate no\n\
                 set ssl:priority NORMAL:-VERS-TLS1.3\n\
                 set ftp:ssl-force yes\n\
                 set ftp:ssl-protect-data yes\n"
            }
        };
        let passive = target.mode == Mode::Passive;
        // After an abort lftp would try the other kind of data connection by itself.
        let script = format!(
            "set cmd:fail-exit yes\n\
             set cmd:move-background no\n\
             set net:max-retries 1\n\
             set net:timeout 20\n\
             set net:reconnect-interval-base 1\n\
             set ftp:auto-passive-mode no\n\
             set ftp:passive-mode {passive}\n\
             {tls}\
             open -u {USER},{PASSWORD} {}\n\
             {command}\n",
            target.url(""),
        );
        // A script in the arguments, unlike one on the input, ends at the first failure.
        Some(Invocation::new("lftp").args(["--norc", "-c", &script]))
    }

    fn keeps_time_of_upload(&self) -> bool {
        true
    }

    fn resumes_tls(&self) -> bool {
        true
    }

    fn keeps_time_of_download(&self) -> bool {
        true
    }
}

/// `name` as one word of lftp's language.
fn quoted(name: &str) -> String {
    // A name that begins with a dash would be taken for an option.
    let name = if name.starts_with('-') {
        format!("./{name}")
    } else {
        name.to_owned()
    };
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}
