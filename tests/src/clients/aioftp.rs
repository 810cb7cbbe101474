//! aioftp.

use super::operation::{Client, Operation, PASSWORD, Target, USER};
use super::run::{Invocation, packages};

/// The script that turns its arguments into calls of aioftp.
const SCRIPT: &str = include_str!("aioftp.py");

/// `aioftp`: asyncio; EPSV for IPv4 too, MLSD with paths, MLST before most things.
#[derive(Debug)]
pub struct Aioftp;

impl Client for Aioftp {
    fn programs(&self) -> &'static [&'static str] {
        &["python3"]
    }

    fn packages(&self) -> &'static [&'static str] {
        &["python/bin/python"]
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        // It has no patterns.
        if let Operation::FetchMatching { .. } = operation {
            return None;
        }
        Some(
            Invocation::new(packages().join("python/bin/python"))
                .args(["-c", SCRIPT, &target.host(), &target.port()])
                .args([USER, PASSWORD])
                .args(operation.words()),
        )
    }
}
