//! The files that transfers are logged to.

use ftpdlib::servers::process::others_can_redirect;

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

    /// Returns one warning for each file that root opens and that others can redirect.
    pub(super) fn redirectable(&self) -> Vec<String> {
        let named = self.named();
        let named = named.filter(|named| others_can_redirect(named.path()));
        let warning = |named: &NamedFile| {
            let path = named.path();
            let problem = format!(
                "found {path:?}, which others than root can make lead to any file of root's, \
                 expected a place where only root can"
            );
            named.error(problem).to_string()
        };
        named.map(warning).collect()
    }
}
