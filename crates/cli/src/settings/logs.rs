//! The files that transfers are logged to.

use ftpdlib::servers::process::{Identity, others_can_redirect};

use super::named::NamedFile;
use crate::args::Args;
use crate::config::ConfigFile;
use crate::error::ConfigError;

/// The files of the transfer logs, if any.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct LogFiles {
    pub(crate) xferlog: Option<NamedFile>,
    pub(crate) json: Option<NamedFile>,
}

impl LogFiles {
    /// Returns the files that the options and the file name.
    ///
    /// # Errors
    ///
    /// Both logs go to the same file, which no reader of either format could parse.
    pub(super) fn find(args: &Args, file: Option<&ConfigFile>) -> Result<Self, ConfigError> {
        let option = |path: &Option<_>, name| Some(NamedFile::by_option(path.as_deref()?, name));
        let log = file.map(|file| (file, &file.config().log));
        let xferlog = || {
            let (file, log) = log?;
            let path = log.xferlog.as_deref()?;
            Some(NamedFile::by_key(path, "log.xferlog", file))
        };
        let json = || {
            let (file, log) = log?;
            Some(NamedFile::by_key(log.json.as_deref()?, "log.json", file))
        };
        let xferlog = option(&args.xferlog, "--xferlog").or_else(xferlog);
        let json = option(&args.json_log, "--json-log").or_else(json);
        if let (Some(xferlog), Some(json)) = (&xferlog, &json)
            && xferlog.real() == json.real()
        {
            let path = json.path();
            let problem = format!("found {path:?}, which is the xferlog, expected another file");
            return Err(json.error(problem));
        }
        Ok(Self { xferlog, json })
    }

    /// Returns the files that are configured.
    pub(crate) fn named(&self) -> impl Iterator<Item = &NamedFile> {
        [&self.xferlog, &self.json].into_iter().flatten()
    }

    /// One warning for each that others than root, and than the user that serves, can have lead
    /// elsewhere.
    pub(super) fn redirectable(&self, run_as: Option<&Identity>) -> Vec<String> {
        let named = self.named();
        let named = named.filter(|named| others_can_redirect(named.path(), run_as));
        let (others, whose) = match run_as {
            None => ("root", "root's"),
            Some(_) => ("root and server.user", "that user's"),
        };
        let warning = |named: &NamedFile| {
            let path = named.path();
            let problem = format!(
                "found {path:?}, which others than {others} can make lead to any file of {whose}, \
                 expected a place where only root can"
            );
            named.error(problem).to_string()
        };
        named.map(warning).collect()
    }
}
