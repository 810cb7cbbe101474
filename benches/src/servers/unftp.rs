//! unftp: its filesystem back end, everyone let in.

use std::io;
use std::process::Command;

use super::{Launch, Recipe, TlsSupport, USERNAME, prepared};

pub(super) const RECIPE: Recipe = Recipe {
    name: "unftp",
    file: "unftp",
    hint: "cargo install unftp --root target/rivals",
    version: &["--version"],
    username: USERNAME,
    tls: TlsSupport::FULL,
    command,
};

fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let mut command = prepared(launch.program);
    command
        .args(["--auth-type", "anonymous", "--passive-ports", "20000-60000"])
        .args(["--bind-address", &format!("127.0.0.1:{}", launch.port)])
        .arg("--root-dir")
        .arg(launch.root);
    if let Some(files) = launch.identity_files(None)? {
        command.arg("--ftps-certs-file").arg(files.certificate);
        command.arg("--ftps-key-file").arg(files.key);
    }
    Ok(command)
}
