//! What the contract names and this version cannot do. Whoever builds it removes its line.

use crate::config::{AuthorizerKind, Config, ConfigFile, FilesystemKind};
use crate::error::ConfigError;

/// Refuses keys that would have to be ignored.
pub(crate) fn refuse(file: Option<&ConfigFile>) -> Result<(), ConfigError> {
    if let Some(file) = file
        && let Some((key, what)) = first(&keys(file.config()))
    {
        return Err(file.error(key, problem(what)));
    }
    Ok(())
}

type Row = (&'static str, bool, &'static str);

fn keys(config: &Config) -> [Row; 2] {
    let kind = config.authorizer.kind;
    [
        (
            "authorizer.kind",
            kind != AuthorizerKind::Dummy,
            "any kind but \"dummy\"",
        ),
        (
            // Overrides are looked up by paths below the home, and there paths begin at the root.
            "filesystem.kind",
            config.filesystem.kind == FilesystemKind::Unix
                && config
                    .users
                    .iter()
                    .any(|user| !user.override_perm.is_empty()),
            "\"unix\" beside override_perm",
        ),
    ]
}

fn first(rows: &[Row]) -> Option<(&'static str, &'static str)> {
    rows.iter()
        .find(|(_, used, _)| *used)
        .map(|&(name, _, what)| (name, what))
}

fn problem(what: &str) -> String {
    format!("{what} is not available in this version")
}
