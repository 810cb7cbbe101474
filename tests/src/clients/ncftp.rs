//! NcFTP.

use super::operation::{
    Client, Mode, Operation, PASSWORD, TIME, Target, USER, parent, split_remote, text,
};
use super::run::Invocation;

/// `ncftpls`, `ncftpget` and `ncftpput`, and `ncftp` for the rest: `HELP SITE` and CLNT after
/// login, MLST around transfers. This client knows no IPv6.
#[derive(Debug)]
pub struct Ncftp;

impl Client for Ncftp {
    fn programs(&self) -> &'static [&'static str] {
        &["ncftp", "ncftpget", "ncftpls", "ncftpput"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        let (host, port) = (target.host(), target.port());
        let mode = match target.mode {
            Mode::Passive => "-F",
            Mode::Active => "-E",
        };
        let tool = |program| {
            Invocation::new(program)
                .args([mode, "-u", USER, "-p", PASSWORD, "-P", &port])
                .args(["-r", "1"])
        };
        // The shell takes no switch for the kind of data connection.
        let shell = |command: String| {
            let passive = if target.mode == Mode::Passive {
                "on"
            } else {
                "off"
            };
            Invocation::new("ncftp")
                .args(["-u", USER, "-p", PASSWORD, "-P", &port, &host])
                .input(format!("set passive {passive}\n{command}\nbye\n"))
        };
        Some(match operation {
            Operation::List { directory } => Invocation::new("ncftpls")
                .args([mode, "-u", USER, "-p", PASSWORD, "-P", &port, "-1"])
                .args([format!("ftp://{host}/{directory}/")]),
            Operation::Fetch { remote, local } => {
                tool("ncftpget").args(["-Z", "-C", &host, remote, text(local)])
            }
            Operation::Store { local, remote } => {
                tool("ncftpput").args(["-C", &host, text(local), remote])
            }
            Operation::Append { local, remote } => {
                tool("ncftpput").args(["-A", "-C", &host, text(local), remote])
            }
            Operation::ResumeFetch { remote, local, .. } => {
                tool("ncftpget").args(["-z", &host, text(&parent(local)), remote])
            }
            // With sendfile it would send the whole file from the offset on.
            Operation::ResumeStore { local, remote, .. } => {
                tool("ncftpput").args(["-s", "-z", &host, split_remote(remote).0, text(local)])
            }
            Operation::Rename { from, to } => shell(format!("rename \"{from}\" \"{to}\"")),
            Operation::Delete { remote } => shell(format!("rm \"{remote}\"")),
            Operation::MakeDirectory { remote } => shell(format!("mkdir \"{remote}\"")),
            Operation::RemoveDirectory { remote } => shell(format!("rmdir \"{remote}\"")),
            Operation::SetTime { remote } => shell(format!("quote MFMT {TIME} {remote}")),
            Operation::FetchMatching { pattern, local } => {
                tool("ncftpget").args([&host, text(local), pattern])
            }
            Operation::FetchTree { remote, local } => {
                tool("ncftpget").args(["-R", &host, text(&parent(local)), remote])
            }
            Operation::StoreTree { local, remote } => {
                tool("ncftpput").args(["-R", &host, split_remote(remote).0, text(local)])
            }
            Operation::AbortThenFetch { .. } => return None,
        })
    }

    fn keeps_time_of_upload(&self) -> bool {
        true
    }

    fn keeps_time_of_download(&self) -> bool {
        true
    }
}
