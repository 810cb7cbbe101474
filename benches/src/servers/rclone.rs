//! rclone's FTP server over a local directory.

use std::io;
use std::process::Command;

use super::{Launch, PASSWORD, Recipe, USERNAME, prepared};

pub(super) const RECIPE: Recipe = Recipe {
    name: "rclone",
    file: "rclone",
    hint: "from rclone.org, as target/rivals/bin/rclone: Debian's has no FTP server",
    version: &["version"],
    username: USERNAME,
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
    Ok(command)
}
