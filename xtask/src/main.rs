//! Tasks of the workspace: `cargo xtask TASK`.
#![forbid(unsafe_code)]

mod bench;
mod checks;
mod commands;
mod packages;
mod tidy;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Text for a wrong or missing task.
const USAGE: &str = "\
usage: cargo xtask TASK
  tidy      check what docs/architecture.md says must stay true
  commands  write docs/commands.md from the verb table
  check     format, lints, documentation, tidy, fuzz targets, packages
  ci        check, and all tests
  clients   build the release program and run real clients against it
  clients --install
            install the clients that are Python or Node.js packages into target/clients
  bench     compare the release program with other servers (bench --help)";

/// Why a task failed, for the person who started it.
type Failure = String;

fn main() -> ExitCode {
    let root = workspace_root();
    let task: Vec<String> = env::args().skip(1).collect();
    let result = match task.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy::tidy(&root),
        ["commands"] => commands::write(&root),
        ["check"] => checks::check(&root),
        ["ci"] => checks::ci(&root),
        ["clients"] => checks::clients(&root),
        ["clients", "--install"] => packages::install(&root),
        ["bench", ref options @ ..] => bench::bench(&root, options),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The directory of the workspace, wherever the task was started.
fn workspace_root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).into()
}
