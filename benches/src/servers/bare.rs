//! Not a rival but the ceiling: what the kernel can do with the least of FTP around it.

use std::io;
use std::process::Command;

use super::{Launch, Recipe, TlsSupport, USERNAME, ordinary};

pub(super) const RECIPE: Recipe = Recipe {
    name: "bare",
    file: "bare",
    hint: "cargo build --release --package ftpdlib-benches",
    version: &[],
    username: USERNAME,
    tls: TlsSupport::FULL,
    command,
};

/// The workloads it is made for. Of any other it is no ceiling: its threads are dear when idle, and
/// it knows no lists.
pub(super) const WORKLOADS: &[&str] = &["download", "small-download", "small-upload", "small-many"];

/// `PROGRAM PORT DIRECTORY`.
pub(super) fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let mut command = Command::new(launch.program);
    command.arg(launch.port.to_string()).arg(launch.root);
    Ok(ordinary(command))
}
