//! Ours, as it is shipped, but without the limit on connections.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Launch, PASSWORD, Recipe, TlsSupport, USERNAME, is_root, ordinary, prepared};
use crate::site::ORDINARY;

pub(super) const RECIPE: Recipe = Recipe {
    name: "ftpdlib",
    file: "ftpdlib",
    hint: "cargo build --release --package ftpdlib-cli",
    version: &["--version"],
    username: USERNAME,
    tls: TlsSupport::FULL,
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
    let owner = is_root().then_some(ORDINARY);
    if let Some(files) = launch.identity_files(owner)? {
        // It looks for them as the ordinary user.
        fs::set_permissions(launch.scratch, Permissions::from_mode(0o711))?;
        command
            .arg("--tls")
            .arg("--certfile")
            .arg(files.certificate);
        command.arg("--keyfile").arg(files.key);
    }
    Ok(ordinary(command))
}
