//! Python's ftplib.

use super::operation::{Client, Mode, Operation, PASSWORD, Security, Target, USER};
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
            Security::ExplicitTls12 => "explicit_1.2",
            Security::Implicit => "implicit",
        };
        if let Operation::FetchTree { .. } | Operation::StoreTree { .. } = operation {
            return None;
        }
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
                .args(operation.words()),
        )
    }
}
