//! ProFTPD: a user file, no look-ups, sendfile on (its default).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{CRYPTED, Launch, Recipe, USERNAME, prepared};
use crate::site::ORDINARY;

pub(super) const RECIPE: Recipe = Recipe {
    name: "proftpd",
    file: "proftpd",
    hint: "apt-get download proftpd-core libhiredis0.14 libmemcached11 libmemcachedutil2 \
           libhashkit2 libpcre2-posix3, then dpkg -x each into target/rivals/debian",
    version: &["-v"],
    username: USERNAME,
    command,
};

fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let users = launch.scratch.join("users");
    let root = launch.root.display();
    let user = format!("{USERNAME}:{CRYPTED}:{ORDINARY}:{ORDINARY}::{root}:/bin/sh\n");
    fs::write(&users, user)?;
    // It refuses a file of passwords that others may read.
    fs::set_permissions(&users, Permissions::from_mode(0o600))?;
    let settings = format!(
        "ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port {port}
User nobody
Group nogroup
UseReverseDNS off
UseIPv6 off
PidFile {scratch}/pid
ScoreboardFile {scratch}/scoreboard
DelayEngine off
MaxInstances none
MaxClients none
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
DefaultRoot ~
Umask 022
AllowOverwrite on
TransferLog NONE
WtmpLog off
SystemLog none
",
        port = launch.port,
        scratch = launch.scratch.display(),
        users = users.display(),
    );
    let file = launch.scratch.join("proftpd.conf");
    fs::write(&file, settings)?;
    let mut command = prepared(launch.program);
    command.arg("--nodaemon").arg("--config").arg(file);
    Ok(command)
}
