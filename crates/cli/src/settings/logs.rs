//! Where transfers are written down.

use std::io;
use std::path::{Path, PathBuf};

use crate::args::Args;
use crate::config::{ConfigFile, Log};
use crate::error::{ConfigError, Place};

/// The files of the transfer logs, where there are any.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LogFiles {
    pub(crate) xferlog: Option<LogFile>,
    pub(crate) json: Option<LogFile>,
}

/// One of them, and where it was named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct LogFile {
    path: PathBuf,
    place: Place,
}

impl LogFiles {
    /// What options and file say.
    pub(super) fn find(args: &Args, file: Option<&ConfigFile>) -> Self {
        let option = |path: &Option<PathBuf>, name| {
            path.clone().map(|path| LogFile {
                path,
                place: Place::option(name),
            })
        };
        let key = |path: fn(&Log) -> &Option<PathBuf>, name| {
            let file = file?;
            let path = path(&file.config().log).as_ref()?;
            Some(LogFile {
                path: file.resolve(path),
                place: file.place(name),
            })
        };
        Self {
            xferlog: option(&args.xferlog, "--xferlog")
                .or_else(|| key(|log| &log.xferlog, "log.xferlog")),
            json: option(&args.json_log, "--json-log").or_else(|| key(|log| &log.json, "log.json")),
        }
    }
}

impl LogFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// That it cannot be opened.
    pub(crate) fn error(&self, error: &io::Error) -> ConfigError {
        let path = &self.path;
        self.place.error(format!(
            "found {path:?}, which cannot be opened ({error}), expected a file to append to"
        ))
    }
}
