//! basic-ftp.

use super::operation::{Client, Operation, PASSWORD, Security, Target, USER};
use super::run::{Invocation, packages};

/// The script that turns its arguments into calls of basic-ftp.
const SCRIPT: &str = include_str!("basic_ftp.js");

/// `basic-ftp`: Node.js; `OPTS MLST` with facts of its own, EPSV, MLSD, else `LIST -a`.
#[derive(Debug)]
pub struct BasicFtp;

impl Client for BasicFtp {
    fn programs(&self) -> &'static [&'static str] {
        &["node"]
    }

    fn packages(&self) -> &'static [&'static str] {
        &["node_modules/basic-ftp"]
    }

    fn resumes_tls(&self) -> bool {
        true
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        // It has no patterns.
        if let Operation::FetchMatching { .. } = operation {
            return None;
        }
        let security = match target.security {
            Security::Clear => "clear",
            Security::Explicit => "explicit",
            Security::ExplicitTls12 => "explicit_1.2",
            Security::Implicit => "implicit",
        };
        Some(
            Invocation::new("node")
                .env("NODE_PATH", packages().join("node_modules"))
                .args(["-e", SCRIPT, "--", &target.host(), &target.port()])
                .args([USER, PASSWORD, security])
                .args(operation.words()),
        )
    }
}
