//! Python's ftplib.

use super::operation::{Client, Mode, Operation, PASSWORD, Security, Target, USER, text};
use super::run::Invocation;

/// The script that turns its arguments into calls of ftplib.
const SCRIPT: &str = include_str!("python.py");

/// `ftplib`: strict about the form of replies, one plain command after the other.
#[derive(Debug)]
pub struct PythonFtplib;

impl Client for PythonFtplib {
    fn programs(&self) -> &'static [&'static str] {
        &["python3"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        let mode = match target.mode {
            Mode::Passive => "passive",
            Mode::Active => "active",
        };
        let security = match target.security {
            Security::Clear => "clear",
            Security::Explicit => "explicit",
            Security::Implicit => "implicit",
        };
        let offset_text;
        let words = match operation {
            Operation::List { directory } => vec!["list", directory],
            Operation::Fetch { remote, local } => vec!["fetch", remote, text(local)],
            Operation::Store { local, remote } => vec!["store", text(local), remote],
            Operation::Append { local, remote } => vec!["append", text(local), remote],
            Operation::ResumeFetch { remote, local, .. } => {
                vec!["resume_fetch", remote, text(local)]
            }
            Operation::ResumeStore {
                local,
                remote,
                offset,
            } => {
                offset_text = offset.to_string();
                vec!["resume_store", text(local), remote, &offset_text]
            }
            Operation::Rename { from, to } => vec!["rename", from, to],
            Operation::Delete { remote } => vec!["delete", remote],
            Operation::MakeDirectory { remote } => vec!["make_directory", remote],
            Operation::RemoveDirectory { remote } => vec!["remove_directory", remote],
            Operation::AbortThenFetch {
                large,
                remote,
                local,
            } => {
                vec!["abort_then_fetch", large, remote, text(local)]
            }
            Operation::FetchTree { .. } | Operation::StoreTree { .. } => return None,
        };
        Some(
            Invocation::new("python3")
                .args([
                    "-c",
                    SCRIPT,
                    &target.host(),
                    &target.port(),
                    USER,
                    PASSWORD,
                    mode,
                    security,
                ])
                .args(words),
        )
    }
}
