//! GNU wget.

use super::operation::{Client, Mode, Operation, PASSWORD, Target, USER, text};
use super::run::Invocation;

/// `wget`: downloads only; one CWD to a directory, LIST for trees, no QUIT at the end.
#[derive(Debug)]
pub struct Wget;

impl Client for Wget {
    fn programs(&self) -> &'static [&'static str] {
        &["wget"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        let mut wget = Invocation::new("wget")
            .args(["--no-config", "--no-verbose", "--tries=1", "--no-proxy"])
            .args([format!("--user={USER}"), format!("--password={PASSWORD}")]);
        if target.mode == Mode::Active {
            wget = wget.args(["--no-passive-ftp"]);
        }
        match operation {
            Operation::List { directory: "" } => {
                Some(wget.args(["--output-document=-", &target.url("")]))
            }
            Operation::List { directory } => {
                Some(wget.args(["--output-document=-".into(), target.url(directory) + "/"]))
            }
            Operation::Fetch { remote, local } => {
                Some(wget.args(["--output-document", text(local), &target.url(remote)]))
            }
            Operation::ResumeFetch { remote, local, .. } => Some(wget.args([
                "--continue",
                "--output-document",
                text(local),
                &target.url(remote),
            ])),
            Operation::FetchTree { remote, local } => Some(
                wget.args(["--recursive", "--level=inf", "--no-host-directories"])
                    .args(["--restrict-file-names=nocontrol", "--cut-dirs=2"])
                    .args(["--directory-prefix", text(local)])
                    .args([target.url(remote) + "/"]),
            ),
            Operation::Store { .. }
            | Operation::Append { .. }
            | Operation::ResumeStore { .. }
            | Operation::Rename { .. }
            | Operation::Delete { .. }
            | Operation::MakeDirectory { .. }
            | Operation::RemoveDirectory { .. }
            | Operation::StoreTree { .. }
            | Operation::SetTime { .. }
            | Operation::FetchMatching { .. }
            | Operation::AbortThenFetch { .. } => None,
        }
    }

    fn copies_empty_directories(&self) -> bool {
        false
    }
}
