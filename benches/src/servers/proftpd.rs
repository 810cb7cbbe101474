//! ProFTPD: a user file, no look-ups, sendfile on (its default).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::{CRYPTED, Launch, Recipe, TlsSupport, USERNAME, prepared};
use crate::site::ORDINARY;

pub(super) const RECIPE: Recipe = Recipe {
    name: "proftpd",
    file: "proftpd",
    hint: "apt-get download proftpd-core proftpd-mod-crypto libhiredis0.14 libmemcached11 \
           libmemcachedutil2 libhashkit2 libpcre2-posix3, then dpkg -x each into \
           target/rivals/debian",
    version: &["-v"],
    username: USERNAME,
    tls: TlsSupport::FULL,
    command,
};

fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let users = launch.scratch.join("users");
    let root = launch.root.display();
    let user = format!("{USERNAME}:{CRYPTED}:{ORDINARY}:{ORDINARY}::{root}:/bin/sh\n");
    fs::write(&users, user)?;
    // It refuses a file of passwords that others may read.
    fs::set_permissions(&users, Permissions::from_mode(0o600))?;
    let mut settings = format!(
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
    if let Some(files) = launch.identity_files(None)? {
        settings += &format!(
            "{modules}<IfModule mod_tls.c>
TLSEngine on
TLSECCertificateFile {certificate}
TLSECCertificateKeyFile {key}
TLSOptions NoSessionReuseRequired
TLSRequired off
TLSVerifyClient off
TLSLog none
</IfModule>
",
            modules = modules(launch.program),
            certificate = files.certificate.display(),
            key = files.key.display(),
        );
    }
    let file = launch.scratch.join("proftpd.conf");
    fs::write(&file, settings)?;
    let mut command = prepared(launch.program);
    command.arg("--nodaemon").arg("--config").arg(file);
    Ok(command)
}

/// The lines that load TLS: Debian has it as a module in a package of its own. One that is compiled
/// in needs none.
fn modules(program: &Path) -> String {
    // PREFIX/sbin/proftpd, PREFIX/lib/proftpd
    let directory = program.ancestors().nth(2).map(|p| p.join("lib/proftpd"));
    match directory {
        Some(directory) if directory.join("mod_tls.so").is_file() => {
            format!("ModulePath {}\nLoadModule mod_tls.c\n", directory.display())
        }
        _ => String::new(),
    }
}
