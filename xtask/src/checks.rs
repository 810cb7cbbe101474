//! The checks that a change has to pass, in the order in which they fail fastest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, tidy};

/// Everything except the tests of the workspace: format, lints, documentation, [`tidy`], fuzz
/// targets, the content of packages, and TLS with the library's features.
pub(crate) fn check(root: &Path) -> Result<(), Failure> {
    step("format", cargo(root, "fmt --all --check"))?;
    step(
        "lints",
        cargo(
            root,
            "clippy --quiet --workspace --all-targets -- -D warnings",
        ),
    )?;
    lint_for_another_system(root)?;
    check_with_oldest_toolchain(root)?;
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
    fuzz_crates(root)?
        .iter()
        .try_for_each(|fuzz| check_fuzz_targets(root, fuzz))?;
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

/// Builds the release program and runs real clients against it.
pub(crate) fn clients(root: &Path) -> Result<(), Failure> {
    step(
        "client matrix",
        cargo(
            root,
            "test --release --package ftpdlib-tests --test clients",
        ),
    )
}

/// The lints of the crate with the system calls for a system without those of Linux, if its part of
/// the toolchain is installed (`rustup target add`).
fn lint_for_another_system(root: &Path) -> Result<(), Failure> {
    const TARGET: &str = "x86_64-unknown-freebsd";
    let mut ask = Command::new("rustc");
    ask.args(["--print", "target-libdir", "--target", TARGET]);
    let libraries = ask.current_dir(root).output();
    let libraries = libraries.map_err(|error| format!("cannot start {ask:?}: {error}"))?;
    if !Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).exists() {
        heading(&format!(
            "lints for another system: skipped, since {TARGET} is not installed"
        ));
        return Ok(());
    }
    let lints = format!("clippy --quiet --package ftpdlib-sys --target {TARGET} -- -D warnings");
    step("lints for another system", cargo(root, &lints))
}

/// Type-checks the workspace with the version of Rust that its manifest promises, if that is
/// installed (`rustup toolchain install`).
fn check_with_oldest_toolchain(root: &Path) -> Result<(), Failure> {
    const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");
    let mut ask = Command::new("rustup");
    ask.args(["which", "--toolchain", OLDEST, "cargo"]);
    if !ask.output().is_ok_and(|found| found.status.success()) {
        heading(&format!(
            "Rust {OLDEST}: skipped, since it is not installed"
        ));
        return Ok(());
    }
    // `cargo` would be that of this toolchain here, which knows no `+`.
    let mut check = Command::new("rustup");
    check.args(["run", OLDEST, "cargo", "check", "--quiet", "--workspace"]);
    check.current_dir(root);
    step(&format!("Rust {OLDEST}"), check)
}

/// The directories of the fuzz crates, which are outside the workspace.
fn fuzz_crates(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let crates = fs::read_dir(root.join("crates")).map_err(|error| error.to_string())?;
    let mut found: Vec<_> = crates
        .filter_map(|entry| Some(entry.ok()?.path().join("fuzz")))
        .filter(|fuzz| fuzz.join("Cargo.toml").exists())
        .collect();
    found.sort();
    Ok(found)
}

/// Type-checks the targets of one fuzz crate, which needs neither nightly nor cargo-fuzz.
fn check_fuzz_targets(root: &Path, fuzz: &Path) -> Result<(), Failure> {
    // The lock file is not in the repository. The workspace's versions are a start without
    // surprises.
    let lock = fuzz.join("Cargo.lock");
    if !lock.exists() {
        fs::copy(root.join("Cargo.lock"), lock).map_err(|error| error.to_string())?;
    }
    let mut command = cargo(root, "check --quiet --target-dir target/fuzz");
    command.arg("--manifest-path").arg(fuzz.join("Cargo.toml"));
    // Nothing is linked, so the fuzzer itself, which is C++, need not be compiled.
    command.env("CUSTOM_LIBFUZZER_PATH", "/dev/null");
    let name = fuzz.strip_prefix(root).unwrap_or(fuzz).display();
    step(&format!("fuzz targets of {name}"), command)
}

/// Checks that a package would hold its sources, the texts of its licences, and nothing that only
/// this workspace needs.
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
    let mut missing = vec!["LICENSE-APACHE", "LICENSE-MIT"];
    let mut faults = Vec::new();
    for file in files {
        has_root |= matches!(file, "src/lib.rs" | "src/main.rs");
        missing.retain(|licence| *licence != file);
        if file.starts_with("fuzz/") || file.starts_with("target/") {
            faults.push(format!(
                "holds {file}, which is to be kept out by `exclude`"
            ));
        }
    }
    if !has_root {
        faults.push("has neither src/lib.rs nor src/main.rs".into());
    }
    for licence in missing {
        faults.push(format!("has no link to the workspace's {licence}"));
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
    fn packages_hold_sources_and_licences_only() {
        let licences = ["LICENSE-APACHE", "LICENSE-MIT"].into_iter();
        let whole = licences.clone().chain(["Cargo.toml", "src/lib.rs"]);
        assert!(package_faults(whole).is_empty());
        assert_eq!(
            package_faults(licences.clone().skip(1).chain(["src/lib.rs"])),
            ["has no link to the workspace's LICENSE-APACHE"]
        );
        assert_eq!(
            package_faults(licences.chain(["Cargo.toml", "fuzz/fuzz_targets/line.rs"])),
            [
                "holds fuzz/fuzz_targets/line.rs, which is to be kept out by `exclude`",
                "has neither src/lib.rs nor src/main.rs"
            ]
        );
    }
}
