//! What to serve, to whom and how: options and file merged and checked.

mod access;
mod exposure;
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
use virtual_users::ANONYMOUS;

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
    /// What can be meant, but hardly is.
    pub(crate) warnings: Warnings,
}

/// Lines for the log, once it is sure that there is no error to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings(Vec<String>);

impl Warnings {
    pub(crate) fn tell(&self) {
        for line in &self.0 {
            log::warn!("{line}");
        }
    }
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
        let run_as = processes::check(args, file, &config)?;
        let access = Access::load(args, environment, file)?;
        let tls = TlsOffer::load(args, file)?;
        Ok(Self {
            warnings: warnings(args, &config, &access, tls.as_ref()),
            run_as,
            server: config.server,
            control: config.control,
            data: config.data,
            filesystem: config.filesystem.kind,
            log: LogFiles::find(args, file),
            access,
            tls,
        })
    }
}

/// What virtual users could reach. Those of the system have their own rights everywhere.
fn warnings(args: &Args, config: &Config, access: &Access, tls: Option<&TlsOffer>) -> Warnings {
    let Access::Virtual(authorizer) = access else {
        return Warnings::default();
    };
    let named = args.username.iter();
    let named = named.chain(config.users.iter().map(|user| &user.name));
    let names = named.map(String::as_str).chain([ANONYMOUS]);
    let shares = exposure::shares(authorizer, names);
    let options = [
        ("--config", &args.config),
        ("--password-file", &args.password_file),
    ];
    let mut own = Vec::new();
    for (option, path) in options {
        own.extend(
            path.as_deref()
                .map(|path| NamedFile::by_option(path, option)),
        );
    }
    own.extend(tls.into_iter().flat_map(|tls| tls.files.iter().cloned()));
    Warnings(exposure::of_own_files(&shares, &own))
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
