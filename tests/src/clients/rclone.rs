//! rclone.

use std::net::SocketAddr;

use super::operation::{Client, Operation, Security, Target, USER, text};
use super::run::Invocation;

/// [`PASSWORD`](super::PASSWORD) in the form that rclone wants passwords in, as `rclone obscure`
/// makes it.
const OBSCURED_PASSWORD: &str = "gqmZjMk7t6sKSusvGXKJiGSzpX3F";

/// `rclone`: several connections at once, which share one memory of TLS sessions and so resume each
/// other's; EPSV, MLSD, and MFMT after uploads.
#[derive(Debug)]
pub struct Rclone;

impl Client for Rclone {
    fn programs(&self) -> &'static [&'static str] {
        &["rclone"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        let remote = |path: &str| format!(":ftp:{path}");
        // It puts a colon and the port behind whatever it is given.
        let host = match target.address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        // A remote made up in the arguments: no file of settings is read.
        let rclone = Invocation::new("rclone")
            .args(["--config", "/dev/null", "--retries", "1"])
            .args(["--low-level-retries", "1", "--contimeout", "20s"])
            .args(["--ftp-host", &host])
            .args(["--ftp-port", &target.port()])
            .args(["--ftp-user", USER, "--ftp-pass", OBSCURED_PASSWORD])
            .args(tls_options(target.security));
        Some(match operation {
            Operation::List { directory } => rclone.args(["lsf", &remote(directory)]),
            Operation::Fetch {
                remote: from,
                local,
            } => rclone.args(["copyto", &remote(from), text(local)]),
            Operation::Store { local, remote: to } => {
                rclone.args(["copyto", text(local), &remote(to)])
            }
            Operation::Rename { from, to } => rclone.args(["moveto", &remote(from), &remote(to)]),
            Operation::Delete { remote: file } => rclone.args(["deletefile", &remote(file)]),
            Operation::MakeDirectory { remote: directory } => {
                rclone.args(["mkdir", &remote(directory)])
            }
            Operation::RemoveDirectory { remote: directory } => {
                rclone.args(["rmdir", &remote(directory)])
            }
            Operation::FetchTree {
                remote: from,
                local,
            } => rclone.args([
                "sync",
                "--create-empty-src-dirs",
                &remote(from),
                text(local),
            ]),
            Operation::StoreTree { local, remote: to } => {
                rclone.args(["sync", "--create-empty-src-dirs", text(local), &remote(to)])
            }
            Operation::SetTime { remote: file } => {
                rclone.args(["touch", "--timestamp", "2001-02-03T04:05:06", &remote(file)])
            }
            Operation::AbortThenFetch { .. }
            | Operation::Append { .. }
            | Operation::FetchMatching { .. }
            | Operation::ResumeFetch { .. }
            | Operation::ResumeStore { .. } => return None,
        })
    }

    fn keeps_time_of_upload(&self) -> bool {
        true
    }

    fn keeps_time_of_download(&self) -> bool {
        true
    }
}

/// The server's certificate is of its own making.
fn tls_options(security: Security) -> &'static [&'static str] {
    match security {
        Security::Clear => &[],
        Security::Explicit => &["--ftp-explicit-tls", "--ftp-no-check-certificate"],
        Security::ExplicitTls12 => &[
            "--ftp-explicit-tls",
            "--ftp-no-check-certificate",
            "--ftp-disable-tls13",
        ],
        Security::Implicit => &["--ftp-tls", "--ftp-no-check-certificate"],
    }
}
