//! What to serve, to whom and how: options and file merged and checked.

mod access;
mod logs;
mod named;
mod overlay;
mod processes;
mod system_users;
mod tls;
mod virtual_users;

#[cfg(test)]
mod tests;

use ftpdlib::servers::Identity;

use crate::args::Args;
use crate::config::{Concurrency, Config, ConfigFile, Control, Data, FilesystemKind, Server};
use crate::error::ConfigError;
use crate::password::Environment;
use crate::unavailable;
pub(crate) use access::Access;
pub(crate) use logs::LogFiles;
pub(crate) use named::NamedFile;
use tls::TlsOffer;

/// Everything a server is built from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    /// Whom the processes that serve become.
    pub(crate) run_as: Option<Identity>,
    pub(crate) control: Control,
    pub(crate) data: Data,
    pub(crate) filesystem: FilesystemKind,
    pub(crate) log: LogFiles,
    pub(crate) access: Access,
    pub(crate) tls: Option<TlsOffer>,
}

impl Settings {
    /// Reads the configuration file, if one is named, and puts the options over it.
    ///
    /// Nothing is kept between two calls, so a later one sees the file as it is then.
    ///
    /// # Errors
    ///
    /// The first wrong option or key.
    pub(crate) fn load(args: &Args, environment: &Environment) -> Result<Self, ConfigError> {
        let file = args.config.as_deref().map(ConfigFile::read).transpose()?;
        Self::merge(args, environment, file.as_ref())
    }

    /// The same with the `file` that was read.
    ///
    /// # Errors
    ///
    /// The first wrong option or key.
    pub(crate) fn merge(
        args: &Args,
        environment: &Environment,
        file: Option<&ConfigFile>,
    ) -> Result<Self, ConfigError> {
        unavailable::refuse(file)?;
        let mut config = file.map_or_else(Config::default, |file| file.config().clone());
        overlay::apply(args, &mut config);
        if let Some(file) = file
            && let Some(problem) = threads_problem(file.config().server.threads, &config.server)
        {
            return Err(file.error("server.threads", problem));
        }
        Ok(Self {
            run_as: processes::check(args, file, &config)?,
            server: config.server,
            control: config.control,
            data: config.data,
            filesystem: config.filesystem.kind,
            log: LogFiles::find(args, file),
            access: Access::load(args, environment, file)?,
            tls: TlsOffer::load(args, file)?,
        })
    }
}

/// The most loops that can be meant.
const MOST_THREADS: u32 = 1024;

/// What is wrong with the number of loops that the file says, if anything.
fn threads_problem(threads: u32, server: &Server) -> Option<String> {
    if threads > MOST_THREADS {
        return Some(format!(
            "found {threads}, expected a number from 0 to {MOST_THREADS}"
        ));
    }
    (server.threads != 0 && server.concurrency != Concurrency::Async).then(|| {
        format!("found {threads} beside another model, expected with concurrency \"async\" only")
    })
}
