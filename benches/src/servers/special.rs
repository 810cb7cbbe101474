//! Ours once more, for workloads that the configuration of all the others does not allow.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Launch, PASSWORD, Recipe, USERNAME, bare, ftpdlib, ordinary, prepared};

/// The user whose every call waits, of [`SLOW_DISK`], and whose password is hashed, of [`HASHES`].
pub(crate) const DISTURBER: &str = "slow";

/// A server with one file system that takes 50 ms for each call.
pub(super) const SLOW_DISK: Recipe = Recipe {
    file: "slow_disk",
    hint: "cargo build --release --package ftpdlib-benches",
    version: &[],
    command: bare::command,
    ..ftpdlib::RECIPE
};

/// The program with a user whose password is known by its hash.
pub(super) const HASHES: Recipe = Recipe {
    command: hashes,
    ..ftpdlib::RECIPE
};

/// `pw` by argon2id, with the parameters that OWASP names and the documentation shows.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBpdA\
                    $g92tNkTOkC5h3hwH/ulAwhAxg+tA4ci2WsbxF6fo5ug";

fn hashes(launch: &Launch<'_>) -> io::Result<Command> {
    let settings = format!(
        r#"[server]
listen = ["127.0.0.1:{port}"]
max_cons = 0

[[users]]
name = "{USERNAME}"
password = "{PASSWORD}"
home = {root:?}
perm = "elradfmwMT"

[[users]]
name = "{DISTURBER}"
password_hash = "{HASH}"
home = {root:?}
"#,
        port = launch.port,
        root = launch.root,
    );
    let file = launch.scratch.join("ftpdlib.toml");
    fs::write(&file, settings)?;
    // The ordinary user reads it, as the program will not as root.
    fs::set_permissions(&file, Permissions::from_mode(0o644))?;
    fs::set_permissions(launch.scratch, Permissions::from_mode(0o755))?;
    let mut command = prepared(launch.program);
    command.arg("--config").arg(file).args(launch.arguments);
    Ok(ordinary(command))
}
