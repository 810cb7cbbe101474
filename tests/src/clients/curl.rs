//! curl.

use super::operation::{Client, Mode, Operation, PASSWORD, Security, TIME, Target, USER, text};
use super::run::Invocation;

/// `curl`: PWD, one CWD for each part of a path, EPSV or EPRT first whatever the family.
#[derive(Debug)]
pub struct Curl;

impl Client for Curl {
    fn programs(&self) -> &'static [&'static str] {
        &["curl"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        // First in the line, `-q` keeps a configuration file out.
        let mut curl = Invocation::new("curl")
            .args(["-q", "--silent", "--show-error", "--globoff"])
            .args(["--user", &format!("{USER}:{PASSWORD}")]);
        if target.mode == Mode::Active {
            curl = curl.args(["--ftp-port", "-"]);
        }
        curl = curl.args(tls_options(target));
        let quote = |curl: Invocation, commands: &[String]| {
            let quoted = commands.iter().flat_map(|command| ["--quote", command]);
            curl.args(quoted).args(["--head", &target.url("")])
        };
        Some(match operation {
            Operation::List { directory: "" } => curl.args([target.url("")]),
            Operation::List { directory } => curl.args([target.url(directory) + "/"]),
            Operation::Fetch { remote, local } => curl.args([
                "--remote-time",
                "--output",
                text(local),
                &target.url(remote),
            ]),
            Operation::Store { local, remote } => {
                curl.args(["--upload-file", text(local), &target.url(remote)])
            }
            Operation::Append { local, remote } => curl.args([
                "--append",
                "--upload-file",
                text(local),
                &target.url(remote),
            ]),
            Operation::ResumeFetch { remote, local, .. } => curl.args([
                "--continue-at",
                "-",
                "--output",
                text(local),
                &target.url(remote),
            ]),
            Operation::ResumeStore { local, remote, .. } => curl.args([
                "--continue-at",
                "-",
                "--upload-file",
                text(local),
                &target.url(remote),
            ]),
            Operation::Rename { from, to } => {
                quote(curl, &[format!("RNFR {from}"), format!("RNTO {to}")])
            }
            Operation::Delete { remote } => quote(curl, &[format!("DELE {remote}")]),
            Operation::MakeDirectory { remote } => quote(curl, &[format!("MKD {remote}")]),
            Operation::RemoveDirectory { remote } => quote(curl, &[format!("RMD {remote}")]),
            Operation::SetTime { remote } => quote(curl, &[format!("MFMT {TIME} {remote}")]),
            // A range makes curl close the data connection early and send ABOR.
            Operation::AbortThenFetch {
                large,
                remote,
                local,
            } => curl
                .args([
                    "--range",
                    "100-199",
                    "--output",
                    "/dev/null",
                    &target.url(large),
                    "--next",
                ])
                .args([
                    "-q",
                    "--silent",
                    "--show-error",
                    "--user",
                    &format!("{USER}:{PASSWORD}"),
                ])
                .args(
                    (target.mode == Mode::Active)
                        .then_some(["--ftp-port", "-"])
                        .into_iter()
                        .flatten(),
                )
                .args(tls_options(target))
                .args(["--output", text(local), &target.url(remote)]),
            Operation::FetchMatching { .. }
            | Operation::FetchTree { .. }
            | Operation::StoreTree { .. } => return None,
        })
    }

    fn keeps_time_of_download(&self) -> bool {
        true
    }

    fn resumes_tls(&self) -> bool {
        true
    }
}

/// The server's certificate is of its own making.
fn tls_options(target: &Target) -> &'static [&'static str] {
    match target.security {
        Security::Clear => &[],
        Security::Explicit | Security::Implicit => &["--insecure", "--ssl-reqd"],
        Security::ExplicitTls12 => &["--insecure", "--ssl-reqd", "--tls-max", "1.2"],
    }
}
