//! vsftpd: anonymous, since local users come from PAM; its sandboxes off, as vsftpd.conf(5) advises
//! where speed counts. The anonymous user is one of Debian's whose home exists.
//!
//! Its names of certificate files say RSA, and take any. A data connection need not resume a
//! session (`require_ssl_reuse`), so that the cost of one that does not can be measured; one that
//! does may. Which versions of TLS there are is not said, since each release has other options for
//! that.

use std::fs;
use std::io;
use std::process::Command;

use super::{Launch, Recipe, TlsSupport, prepared};

pub(super) const RECIPE: Recipe = Recipe {
    name: "vsftpd",
    file: "vsftpd",
    hint: "apt-get download vsftpd libwrap0, then dpkg -x each into target/rivals/debian",
    version: &["-v"],
    username: "anonymous",
    tls: TlsSupport::FULL,
    command,
};

fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let mut settings = format!(
        "listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_root={root}
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
anon_umask=022
allow_writeable_chroot=YES
ftp_username=daemon
nopriv_user=nobody
secure_chroot_dir={empty}
max_clients=0
max_per_ip=0
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
use_sendfile=YES
xferlog_enable=NO
tcp_wrappers=NO
delay_failed_login=0
delay_successful_login=0
",
        port = launch.port,
        root = launch.root.display(),
        empty = launch.scratch.join("empty").display(),
    );
    if let Some(files) = launch.identity_files(None)? {
        settings += &format!(
            "ssl_enable=YES
allow_anon_ssl=YES
require_ssl_reuse=NO
ssl_ciphers=HIGH
rsa_cert_file={certificate}
rsa_private_key_file={key}
",
            certificate = files.certificate.display(),
            key = files.key.display(),
        );
    }
    let file = launch.scratch.join("vsftpd.conf");
    fs::create_dir(launch.scratch.join("empty"))?;
    fs::write(&file, settings)?;
    let mut command = prepared(launch.program);
    command.arg(file);
    Ok(command)
}
