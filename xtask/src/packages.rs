//! Installs the clients that are packages of a language, not of the system.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::checks::step;

/// Puts what `tests/packages` lists into `target/clients`: packages of Python into the virtual
/// environment `python`, packages of Node.js into `node_modules`.
///
/// What is there already is kept or replaced, so that this can be done again at any time.
pub(crate) fn install(root: &Path) -> Result<(), Failure> {
    let lists = root.join("tests/packages");
    let directory = root.join("target/clients");
    let environment = directory.join("python");
    fs::create_dir_all(&directory).map_err(|error| error.to_string())?;

    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(&environment);
    step("virtual environment of Python", create)?;

    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--requirement"])
        .arg(lists.join("requirements.txt"));
    step("packages of Python", pip)?;

    // npm installs beside the list, which therefore has to be in the same place.
    for list in ["package.json", "package-lock.json"] {
        fs::copy(lists.join(list), directory.join(list)).map_err(|error| error.to_string())?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        .current_dir(&directory);
    step("packages of Node.js", npm)
}
