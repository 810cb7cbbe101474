//! The checks that a change has to pass, in the order in which they fail fastest.

use std::path::Path;
use std::process::Command;

use crate::{Failure, tidy};

/// Everything but the tests of the workspace: format, lints, documentation, [`tidy`], the content of
/// packages, and TLS as the library has it.
pub(crate) fn check(root: &Path) -> Result<(), Failure> {
    step("format", cargo(root, "fmt --all --check"))?;
    step(
        "lints",
        cargo(
            root,
            "clippy --quiet --workspace --all-targets -- -D warnings",
        ),
    )?;
    // The program, and with it the workspace, has both.
    for (provider, features) in [
        ("ring", "--package ftpdlib"),
        ("aws-lc-rs", "--no-default-features --features aws-lc-rs"),
    ] {
        let lints =
            format!("clippy --quiet --package ftpdlib-tls {features} --all-targets -- -D warnings");
        step(
            &format!("lints with the cryptography of {provider} alone"),
            cargo(root, &lints),
        )?;
    }
    step(
        "tests with the cryptography of ring alone",
        cargo(root, "test --quiet --package ftpdlib-tls"),
    )?;
    let mut documentation = cargo(root, "doc --quiet --workspace --no-deps");
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    step("documentation", documentation)?;
    heading("tidy");
    tidy::tidy(root)?;
    heading("packages");
    tidy::publishable(root)?
        .iter()
        .try_for_each(|package| package_list(root, package))
}

/// [`check`], then all tests.
pub(crate) fn ci(root: &Path) -> Result<(), Failure> {
    check(root)?;
    step("tests", cargo(root, "test --quiet --workspace"))
}

/// Builds the program as it is shipped, and has real clients drive it.
pub(crate) fn clients(root: &Path) -> Result<(), Failure> {
    step(
        "client matrix",
        cargo(
            root,
            "test --release --package ftpdlib-tests --test clients",
        ),
    )
}

/// Checks that a package would hold its sources and nothing that only this workspace needs.
fn package_list(root: &Path, package: &str) -> Result<(), Failure> {
    let mut command = cargo(root, "package --list --allow-dirty --package");
    let output = command
        .arg(package)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let files = String::from_utf8_lossy(&output.stdout);
    let faults = package_faults(files.lines());
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("package {package} {}", faults.join(", ")))
    }
}

/// What is wrong with the list of a package's files.
fn package_faults<'a>(files: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut has_root = false;
    let mut faults = Vec::new();
    for file in files {
        has_root |= matches!(file, "src/lib.rs" | "src/main.rs");
        if file.starts_with("fuzz/") || file.starts_with("target/") {
            faults.push(format!(
                "holds {file}, which is to be kept out by `exclude`"
            ));
        }
    }
    if !has_root {
        faults.push("has neither src/lib.rs nor src/main.rs".into());
    }
    faults
}

/// `cargo` in the workspace's directory, with `arguments` separated by blanks.
pub(crate) fn cargo(root: &Path, arguments: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).args(arguments.split(' '));
    command
}

/// Runs one step under its heading.
pub(crate) fn step(title: &str, mut command: Command) -> Result<(), Failure> {
    heading(title);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{title} failed: {status}")),
        Err(error) => Err(format!("{title}: cannot start {command:?}: {error}")),
    }
}

fn heading(title: &str) {
    eprintln!("== {title}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_hold_sources_only() {
        assert!(package_faults(["Cargo.toml", "src/lib.rs"].into_iter()).is_empty());
        assert_eq!(
            package_faults(["Cargo.toml", "fuzz/fuzz_targets/line.rs"].into_iter()),
            [
                "holds fuzz/fuzz_targets/line.rs, which is to be kept out by `exclude`",
                "has neither src/lib.rs nor src/main.rs"
            ]
        );
    }
}
