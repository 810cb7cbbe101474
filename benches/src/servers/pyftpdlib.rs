//! pyftpdlib: one process, its own sendfile, no limit on connections.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{Launch, PASSWORD, Recipe, USERNAME};

pub(super) const RECIPE: Recipe = Recipe {
    name: "pyftpdlib",
    file: FILE,
    hint: "python3 -m venv target/rivals/venv && target/rivals/venv/bin/pip install pyftpdlib",
    version: &[
        "-c",
        "import pyftpdlib; print('pyftpdlib', pyftpdlib.__ver__)",
    ],
    username: USERNAME,
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
port, root, user, password = sys.argv[1:]
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, root, perm='elradfmwMT')
FTPHandler.authorizer = authorizer
server = FTPServer(('127.0.0.1', int(port)), FTPHandler)
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
    Ok(command)
}

/// The interpreter that finds the package.
pub(super) fn interpreter(script: &Path) -> Command {
    Command::new(script.with_file_name("python3"))
}
