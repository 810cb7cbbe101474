//! Pure-FTPd: a database of one virtual user, no look-ups.

use std::fs;
use std::io;
use std::process::{Command, Stdio};

use super::{CRYPTED, Launch, Recipe, TlsSupport, USERNAME, prepared};
use crate::site::ORDINARY;

pub(super) const RECIPE: Recipe = Recipe {
    name: "pure-ftpd",
    file: "pure-ftpd",
    hint: "apt-get download pure-ftpd pure-ftpd-common, then dpkg -x each into target/rivals/debian",
    version: &["--help"],
    username: USERNAME,
    tls: TlsSupport::FULL,
    command,
};

fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let users = launch.scratch.join("users");
    let database = launch.scratch.join("users.pdb");
    let root = launch.root.display();
    let limits = ":".repeat(12);
    let user = format!("{USERNAME}:{CRYPTED}:{ORDINARY}:{ORDINARY}::{root}/./{limits}\n");
    fs::write(&users, user)?;
    // PREFIX/sbin/pure-ftpd, PREFIX/bin/pure-pw
    let tool = launch
        .program
        .ancestors()
        .nth(2)
        .map_or_else(|| "pure-pw".into(), |prefix| prefix.join("bin/pure-pw"));
    let made = prepared(&tool)
        .arg("mkdb")
        .arg(&database)
        .arg("-f")
        .arg(&users)
        .stdout(Stdio::null())
        .status()?;
    if !made.success() {
        return Err(io::Error::other(format!("{}: {made}", tool.display())));
    }
    let mut command = prepared(launch.program);
    command
        .arg("--login")
        .arg(format!("puredb:{}", database.display()))
        .args(["--bind", &format!("127.0.0.1,{}", launch.port)])
        .args(["--maxclientsnumber", "100000"])
        .args(["--dontresolve", "--noanonymous", "--minuid", "1"])
        .args(["--chrooteveryone", "--umask", "133:022"])
        .args(["--limitrecursion", "200000:8", "--syslogfacility", "none"])
        .arg("--pidfile")
        .arg(launch.scratch.join("pid"));
    if let Some(files) = launch.identity_files(None)? {
        // Both TLS and none are taken.
        command.args(["--tls", "1"]);
        command.arg("--certfile").arg(files.both);
    }
    Ok(command)
}
