//! What the contract names and this version cannot do. Whoever builds it removes its line.

use crate::args::Args;
use crate::config::{AuthorizerKind, Concurrency, Config, ConfigFile, FilesystemKind};
use crate::error::ConfigError;

/// Refuses options and keys that would have to be ignored.
pub(crate) fn refuse(args: &Args, file: Option<&ConfigFile>) -> Result<(), ConfigError> {
    if let Some((option, what)) = first(&options(args)) {
        return Err(ConfigError::option(option, problem(what)));
    }
    if let Some(file) = file
        && let Some((key, what)) = first(&keys(args, file.config()))
    {
        return Err(file.error(key, problem(what)));
    }
    Ok(())
}

type Row = (&'static str, bool, &'static str);

fn options(args: &Args) -> [Row; 1] {
    let concurrency = args.concurrency.unwrap_or(Concurrency::Async);
    [("--concurrency", needs_processes(concurrency), OTHER_MODELS)]
}

fn keys(args: &Args, config: &Config) -> [Row; 5] {
    let server = &config.server;
    let concurrency = args.concurrency.unwrap_or(server.concurrency);
    let kind = config.authorizer.kind;
    [
        (
            "server.concurrency",
            needs_processes(concurrency),
            OTHER_MODELS,
        ),
        ("server.user", server.user.is_some(), "giving up root"),
        ("server.group", server.group.is_some(), "giving up root"),
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

const OTHER_MODELS: &str = "any model but async and multi-thread";

fn needs_processes(concurrency: Concurrency) -> bool {
    matches!(concurrency, Concurrency::PreFork | Concurrency::MultiProc)
}

fn first(rows: &[Row]) -> Option<(&'static str, &'static str)> {
    rows.iter()
        .find(|(_, used, _)| *used)
        .map(|&(name, _, what)| (name, what))
}

fn problem(what: &str) -> String {
    format!("{what} is not available in this version")
}
