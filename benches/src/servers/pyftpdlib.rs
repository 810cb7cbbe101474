//! pyftpdlib: one process, its own sendfile, no limit on connections.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{Launch, PASSWORD, Recipe, TlsSupport, USERNAME};

pub(super) const RECIPE: Recipe = Recipe {
    name: "pyftpdlib",
    file: FILE,
    hint: "python3 -m venv target/rivals/venv && target/rivals/venv/bin/pip install pyftpdlib \
           pyOpenSSL",
    version: &[
        "-c",
        "import pyftpdlib; print('pyftpdlib', pyftpdlib.__ver__)",
    ],
    username: USERNAME,
    tls: TlsSupport::FULL,
    command,
};

/// The script that comes with it; it stands beside its interpreter.
pub(super) const FILE: &str = "ftpbench";

const SCRIPT: &str = "\
import logging, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

logging.basicConfig(level=logging.WARNING)
port, root, user, password, *certificate = sys.argv[1:]
handler = FTPHandler
if certificate:
    from pyftpdlib.handlers import TLS_FTPHandler as handler
    handler.certfile, handler.keyfile = certificate
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, root, perm='elradfmwMT')
handler.authorizer = authorizer
server = FTPServer(('127.0.0.1', int(port)), handler)
server.max_cons = 1000000
server.serve_forever()
";

fn command(launch: &Launch<'_>) -> io::Result<Command> {
    let file = launch.scratch.join("serve.py");
    fs::write(&file, SCRIPT)?;
    let mut command = interpreter(launch.program);
    command
        .arg(file)
        .arg(launch.port.to_string())
        .arg(launch.root)
        .args([USERNAME, PASSWORD]);
    if let Some(files) = launch.identity_files(None)? {
        command.args([files.certificate, files.key]);
    }
    Ok(command)
}

/// The interpreter that finds the package.
pub(super) fn interpreter(script: &Path) -> Command {
    Command::new(script.with_file_name("python3"))
}
