//! jsftp.

use super::operation::{Client, Operation, PASSWORD, Target, USER};
use super::run::{Invocation, packages};

/// The script that turns its arguments into calls of jsftp.
const SCRIPT: &str = include_str!("jsftp.js");

/// `jsftp`: Node.js; verbs in small letters, FEAT before login, STAT for listings, PASV only.
#[derive(Debug)]
pub struct Jsftp;

impl Client for Jsftp {
    fn programs(&self) -> &'static [&'static str] {
        &["node"]
    }

    fn packages(&self) -> &'static [&'static str] {
        &["node_modules/jsftp"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        // It sends PASV and the transfer command in one go: there is no room for REST, nor is APPE
        // among its calls.
        if let Operation::Append { .. }
        | Operation::ResumeFetch { .. }
        | Operation::ResumeStore { .. }
        | Operation::FetchMatching { .. }
        | Operation::FetchTree { .. }
        | Operation::StoreTree { .. } = operation
        {
            return None;
        }
        Some(
            Invocation::new("node")
                .env("NODE_PATH", packages().join("node_modules"))
                .args(["-e", SCRIPT, "--", &target.host(), &target.port()])
                .args([USER, PASSWORD])
                .args(operation.words()),
        )
    }
}
