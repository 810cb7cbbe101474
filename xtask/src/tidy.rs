//! `cargo xtask tidy`: what must stay true, as far as the text of the sources shows it.
//!
//! Each check is a function from a source file, or from a manifest, to findings, so that a test
//! gives it a few lines. What cannot be seen in the text is left to tests and to readers.

mod manifest;
mod rules;
mod source;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Failure, commands};
use manifest::Manifest;
use source::Source;

/// Directories below the workspace's that hold packages.
const PACKAGE_PARENTS: &[&str] = &["crates", "."];

/// Something to mend.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Finding {
    /// From the workspace's directory.
    path: String,
    /// Counted from 1.
    line: usize,
    /// What is wrong and what to do.
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Checks the whole workspace.
pub(crate) fn tidy(root: &Path) -> Result<(), Failure> {
    let mut findings = Vec::new();
    for package in packages(root).map_err(describe)? {
        findings.extend(manifest::check(&read_manifest(root, &package)?));
        for path in sources(&root.join(&package)).map_err(describe)? {
            let text = fs::read_to_string(&path).map_err(describe)?;
            findings.extend(rules::check(&Source::new(&relative(root, &path), &text)));
        }
    }
    findings.extend(check_commands(root));
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Err(format!("{}\n{} to mend", lines.join("\n"), lines.len()))
}

/// The names of the packages that are published.
pub(crate) fn publishable(root: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for package in packages(root).map_err(describe)? {
        let manifest = read_manifest(root, &package)?;
        if manifest.is_published() {
            names.push(manifest.name().to_owned());
        }
    }
    Ok(names)
}

/// The table of commands in the documentation is the one that the verb table gives.
fn check_commands(root: &Path) -> Option<Finding> {
    let expected = commands::table(ftpdlib_proto::verbs());
    let found = fs::read_to_string(root.join(commands::PATH)).unwrap_or_default();
    let same = found
        .lines()
        .zip(expected.lines())
        .take_while(|(a, b)| a == b)
        .count();
    (found != expected).then(|| Finding {
        path: commands::PATH.into(),
        line: same + 1,
        message: "differs from the verb table: run `cargo xtask commands`".into(),
    })
}

/// The directories of all packages, from `root`, in order.
fn packages(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for parent in PACKAGE_PARENTS {
        for entry in fs::read_dir(root.join(parent))? {
            let directory = Path::new(parent).join(entry?.file_name());
            if root.join(&directory).join("Cargo.toml").is_file() {
                found.push(
                    directory
                        .strip_prefix(".")
                        .map(Into::into)
                        .unwrap_or(directory),
                );
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The Rust files of a package, fuzz targets included, in order.
fn sources(package: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![package.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if entry.file_name() != "target" {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read_manifest(root: &Path, package: &Path) -> Result<Manifest, Failure> {
    let path = root.join(package).join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(describe)?;
    Manifest::new(&relative(root, &path), &text)
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn describe(error: io::Error) -> Failure {
    error.to_string()
}
