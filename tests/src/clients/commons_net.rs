//! Apache Commons Net, for Java.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::operation::{Client, Mode, Operation, PASSWORD, Security, Target, USER};
use super::run::{Invocation, packages};

/// Where Debian has the library.
const LIBRARY: &str = "/usr/share/java/commons-net.jar";

/// The program that turns its arguments into calls of the library.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/clients/CommonsNet.java");

/// `commons-net`: Java; TLS is JSSE's, which uses a ticket once and resumes no session of a control
/// connection by itself.
#[derive(Debug)]
pub struct CommonsNet;

impl Client for CommonsNet {
    fn programs(&self) -> &'static [&'static str] {
        &["java", "javac"]
    }

    fn packages(&self) -> &'static [&'static str] {
        &[LIBRARY]
    }

    /// A whole Java is much to ask for one client.
    fn is_optional(&self) -> bool {
        true
    }

    fn invocation(&self, target: &Target, operation: &Operation<'_>) -> Option<Invocation> {
        match operation {
            Operation::FetchTree { .. }
            | Operation::StoreTree { .. }
            | Operation::FetchMatching { .. }
            | Operation::AbortThenFetch { .. } => return None,
            _ => {}
        }
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
        let classes = compiled().display();
        // For a program as short as this one, nothing is worth optimising.
        Some(
            Invocation::new("java")
                .args([
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+UseSerialGC",
                    "-Xshare:auto",
                ])
                .args(["-cp", &format!("{LIBRARY}:{classes}"), "CommonsNet"])
                .args([&target.host(), &target.port()])
                .args([USER, PASSWORD, mode, security])
                .args(operation.words()),
        )
    }
}

/// The directory with the program, compiled once for all tests.
fn compiled() -> &'static PathBuf {
    static CLASSES: OnceLock<PathBuf> = OnceLock::new();
    CLASSES.get_or_init(|| {
        let classes = packages().join("java");
        let compiler = Command::new("javac")
            .args(["-cp", LIBRARY, "-d"])
            .arg(&classes)
            .arg(PROGRAM)
            .status();
        let done = compiler.is_ok_and(|status| status.success());
        assert!(done, "{PROGRAM} does not compile");
        classes
    })
}
