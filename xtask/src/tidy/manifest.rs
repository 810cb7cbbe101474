//! The checks of manifests: which crate may use which, and what a published one says of itself.

use toml::{Table, Value};

use super::Finding;
use crate::Failure;

/// A crate and what it may use, as the table in docs/architecture.md says.
struct Arrows {
    /// Directory name.
    name: &'static str,
    /// Directory names of crates of this workspace.
    ours: &'static [&'static str],
    /// Names of other packages.
    others: &'static [&'static str],
}

/// Every crate, lower ones first.
const ARROWS: &[Arrows] = &[
    Arrows {
        name: "proto",
        ours: &[],
        others: &["encoding_rs", "memchr", "thiserror"],
    },
    Arrows {
        name: "session",
        ours: &["proto"],
        others: &[],
    },
    Arrows {
        name: "sys",
        ours: &[],
        others: &["libc", "windows-sys"],
    },
    Arrows {
        name: "authorizers",
        ours: &["proto", "sys"],
        others: &["argon2", "auto_impl", "log", "thiserror", "x509-cert"],
    },
    Arrows {
        name: "filesystems",
        ours: &["proto", "sys"],
        others: &["auto_impl", "thiserror"],
    },
    Arrows {
        name: "ioloop",
        ours: &["sys"],
        others: &["log", "mio", "socket2"],
    },
    Arrows {
        name: "tls",
        ours: &["ioloop"],
        others: &["log", "rcgen", "rustls", "thiserror", "x509-cert"],
    },
    Arrows {
        name: "handlers",
        ours: &[
            "authorizers",
            "filesystems",
            "ioloop",
            "proto",
            "session",
            "sys",
            "tls",
        ],
        others: &[
            "auto_impl",
            "crc32fast",
            "ipnet",
            "log",
            "md-5",
            "mio",
            "proxy-header",
            "sha1",
            "sha2",
            "socket2",
            "thiserror",
        ],
    },
    Arrows {
        name: "servers",
        ours: &["handlers", "ioloop", "sys"],
        others: &["log", "mio", "socket2", "thiserror"],
    },
    Arrows {
        name: "ftpdlib",
        ours: &[
            "authorizers",
            "filesystems",
            "handlers",
            "ioloop",
            "proto",
            "servers",
            "session",
            "tls",
        ],
        others: &[],
    },
    Arrows {
        name: "cli",
        ours: &["ftpdlib"],
        others: &[
            "clap",
            "env_filter",
            "env_logger",
            "log",
            "sd-notify",
            "serde",
            "toml",
        ],
    },
];

/// A package's `Cargo.toml`.
pub(super) struct Manifest {
    path: String,
    text: String,
    table: Table,
}

impl Manifest {
    /// Reads `text`.
    pub(super) fn new(path: &str, text: &str) -> Result<Self, Failure> {
        let table = text.parse().map_err(|error| format!("{path}: {error}"))?;
        Ok(Self {
            path: path.into(),
            text: text.into(),
            table,
        })
    }

    /// The package's name.
    pub(super) fn name(&self) -> &str {
        self.package("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Whether the package goes to a registry.
    pub(super) fn is_published(&self) -> bool {
        self.package("publish").and_then(Value::as_bool) != Some(false)
    }

    fn package(&self, key: &str) -> Option<&Value> {
        self.table.get("package")?.get(key)
    }

    /// The directory's name, for a crate of `crates/`.
    fn crate_name(&self) -> Option<&str> {
        self.path
            .strip_prefix("crates/")?
            .strip_suffix("/Cargo.toml")
    }

    /// Names of everything in the tables `section`, on every target.
    fn dependencies(&self, section: &str) -> Vec<&str> {
        let targets = self.table.get("target").and_then(Value::as_table);
        let on_targets = targets
            .into_iter()
            .flat_map(Table::values)
            .filter_map(|t| t.get(section));
        self.table
            .get(section)
            .into_iter()
            .chain(on_targets)
            .filter_map(Value::as_table)
            .flat_map(Table::keys)
            .map(String::as_str)
            .collect()
    }

    fn finding(&self, key: &str, message: String) -> Finding {
        let place = self.text.lines().position(|line| line.starts_with(key));
        Finding {
            path: self.path.clone(),
            line: place.map_or(1, |index| index + 1),
            message,
        }
    }
}

/// Runs every check on one manifest.
pub(super) fn check(manifest: &Manifest) -> Vec<Finding> {
    let mut findings = arrows(manifest);
    findings.extend(lints(manifest));
    if manifest.is_published() {
        findings.extend(registry_facts(manifest));
    }
    findings
}

/// Dependencies point one way.
fn arrows(manifest: &Manifest) -> Vec<Finding> {
    let Some(name) = manifest.crate_name() else {
        return Vec::new();
    };
    let Some(arrows) = ARROWS.iter().find(|arrows| arrows.name == name) else {
        let message = format!("no arrows for {name}: add it to the table of xtask and to docs");
        return vec![manifest.finding("name", message)];
    };
    let mut findings = Vec::new();
    for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for dependency in manifest.dependencies(section) {
            let for_tests = section == "dev-dependencies";
            let allowed = match our_crate(dependency) {
                Some(ours) => arrows.ours.contains(&ours) || (for_tests && is_below(ours, arrows)),
                // Dependencies of tests affect no other crate.
                None => for_tests || arrows.others.contains(&dependency),
            };
            if !allowed {
                let message = format!(
                    "{name} may not use {dependency}: move the code to where it may be used"
                );
                findings.push(manifest.finding(dependency, message));
            }
        }
    }
    findings
}

/// Whether the crate `name` can be reached from another by its arrows.
fn is_below(name: &str, arrows: &Arrows) -> bool {
    arrows.ours.contains(&name)
        || ARROWS
            .iter()
            .filter(|lower| arrows.ours.contains(&lower.name))
            .any(|lower| is_below(name, lower))
}

/// The directory name of a package of this workspace.
fn our_crate(package: &str) -> Option<&str> {
    package
        .strip_prefix("ftpdlib-")
        .or_else(|| (package == "ftpdlib").then_some(package))
}

/// Every package takes the workspace's lints.
fn lints(manifest: &Manifest) -> Option<Finding> {
    let lints = manifest
        .table
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    (lints.and_then(Value::as_bool) != Some(true)).then(|| {
        manifest.finding(
            "[lints]",
            "without the workspace's lints: add `workspace = true`".into(),
        )
    })
}

/// What a registry asks of a package, and what a reader of its page wants.
fn registry_facts(manifest: &Manifest) -> Vec<Finding> {
    ["description", "categories", "keywords", "license"]
        .into_iter()
        .filter(|key| manifest.package(key).is_none_or(is_empty))
        .map(|key| manifest.finding("[package]", format!("a published package needs `{key}`")))
        .collect()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[track_caller]
    fn messages(path: &str, text: &str) -> Vec<String> {
        let manifest = Manifest::new(path, text).expect("TOML");
        check(&manifest).iter().map(Finding::to_string).collect()
    }

    #[track_caller]
    fn check_arrow(name: &str, dependencies: &str, expected: &[&str]) {
        let path = format!("crates/{name}/Cargo.toml");
        let text = format!("[package]\npublish = false\n{dependencies}\n{LINTS}");
        assert_eq!(messages(&path, &text), expected);
    }

    #[test]
    fn dependencies_point_one_way() {
        check_arrow(
            "session",
            "[dependencies]\nftpdlib-proto.workspace = true",
            &[],
        );
        check_arrow(
            "proto",
            "[dependencies]\nftpdlib-session.workspace = true",
            &[
                "crates/proto/Cargo.toml:4: proto may not use ftpdlib-session: \
               move the code to where it may be used",
            ],
        );
        check_arrow(
            "session",
            "[target.'cfg(unix)'.dependencies]\nlibc.workspace = true",
            &["crates/session/Cargo.toml:4: session may not use libc: \
               move the code to where it may be used"],
        );
        check_arrow(
            "session",
            "[dev-dependencies]\nproptest.workspace = true",
            &[],
        );
        check_arrow(
            "servers",
            "[dev-dependencies]\nftpdlib-authorizers.workspace = true",
            &[],
        );
        check_arrow("sys", "[dependencies]\nlibc.workspace = true", &[]);
    }

    #[test]
    fn the_map_says_what_may_be_used() {
        const MAP: &str = include_str!("../../../docs/architecture.md");
        for crate_ in ARROWS {
            let row = MAP
                .lines()
                .find(|line| line.starts_with(&format!("| `{}` | ", crate_.name)))
                .expect("a row for each crate");
            let cell = row.trim_end_matches(" |").rsplit(" | ").next();
            let expected = match crate_.ours {
                [] => "none".to_owned(),
                ours => format!("`{}`", ours.join("`, `")),
            };
            assert_eq!(cell, Some(&*expected), "{}", crate_.name);
        }
    }

    #[test]
    fn a_new_crate_needs_arrows() {
        check_arrow(
            "telnet",
            "",
            &["crates/telnet/Cargo.toml:1: no arrows for telnet: \
               add it to the table of xtask and to docs"],
        );
    }

    #[test]
    fn published_packages_describe_themselves() {
        let text = format!(
            "[package]\nname = \"a\"\ndescription = \"b\"\ncategories = [\"c\"]\nkeywords = []\n\
             license.workspace = true\n{LINTS}"
        );
        assert_eq!(
            messages("a/Cargo.toml", &text),
            ["a/Cargo.toml:1: a published package needs `keywords`"]
        );
        assert_eq!(
            messages(
                "a/Cargo.toml",
                &format!("[package]\npublish = false\n{LINTS}")
            ),
            [""; 0]
        );
        assert_eq!(
            messages("a/Cargo.toml", "[package]\npublish = false\n"),
            ["a/Cargo.toml:1: without the workspace's lints: add `workspace = true`"]
        );
    }
}
