//! Ours, as it is shipped, but without the limit on connections.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{Launch, PASSWORD, Recipe, USERNAME, is_root, prepared};
use crate::site::ORDINARY;

pub(super) const RECIPE: Recipe = Recipe {
    name: "ftpdlib",
    file: "ftpdlib",
    hint: "cargo build --release --package ftpdlib-cli",
    version: &["--version"],
    username: USERNAME,
    command,
};

fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let mut command = prepared(launch.program);
    command
        .args(["--interface", "127.0.0.1", "--write", "--max-cons", "0"])
        .args(["--username", USERNAME, "--password", PASSWORD])
        .args(["--port", &launch.port.to_string(), "--directory"])
        .arg(launch.root)
        .args(launch.arguments);
    if is_root() {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    Ok(command)
}
