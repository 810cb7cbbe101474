//! All settings, merged from the options and the file, and checked.

mod access;
mod exposure;
mod listening;
mod logs;
mod named;
mod overlay;
mod processes;
mod system_users;
mod tls;
mod virtual_users;

#[cfg(test)]
mod tests;

use std::io;

use ftpdlib::servers::Upgrade;
use ftpdlib::servers::process::{Identity, is_root};

use crate::args::Args;
use crate::config::{Concurrency, Config, ConfigFile, Control, Data, FilesystemKind, Server};
use crate::environment::Environment;
use crate::error::{ConfigError, Place};
use crate::unavailable;
pub(crate) use access::Access;
pub(crate) use listening::Listening;
pub(crate) use logs::LogFiles;
pub(crate) use named::NamedFile;
use named::place;
pub(crate) use tls::TlsOffer;

/// Everything that a server is built from.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) listening: Listening,
    /// The user that serving processes become.
    pub(crate) run_as: Option<Identity>,
    /// The setting that names that user.
    named_by: Place,
    pub(crate) control: Control,
    pub(crate) data: Data,
    pub(crate) filesystem: FilesystemKind,
    pub(crate) log: LogFiles,
    pub(crate) access: Access,
    pub(crate) tls: Option<TlsOffer>,
    /// Whether there is a file, and it sets no key.
    pub(crate) by_empty_file: bool,
    /// Settings that are valid but probably not intended.
    pub(crate) warnings: Warnings,
}

/// Warnings for the log, to be written once it is certain that there is no error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings(Vec<String>);

impl Warnings {
    pub(crate) fn tell(&self) {
        for line in &self.0 {
            log::warn!("{line}");
        }
    }

    pub(crate) fn push(&mut self, line: String) {
        self.0.push(line);
    }
}

impl Settings {
    /// Reads the configuration file, if one is named, and applies the options over it.
    ///
    /// Nothing is kept between two calls, so a later call sees the file as it is then. If the file
    /// has become empty since the server was configured, it is being written, was truncated, or is
    /// a pipe that was read before: it must not move the server to the default port without its
    /// users, nor keep the next program from dropping root.
    ///
    /// # Errors
    ///
    /// Such an empty file, or the first wrong option or key.
    pub(crate) fn load(args: &Args, environment: &Environment) -> Result<Self, ConfigError> {
        let file = read_file(args, environment)?;
        let is_configured = environment.is_configured;
        if let Some(file) = file
            .as_ref()
            .filter(|file| is_configured && file.is_empty())
        {
            return Err(file.empty_error());
        }
        Self::merge(args, environment, file.as_ref())
    }

    /// Merges the options with the `file` that was read.
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
            && let Some(problem) = threads_problem(&config.server)
        {
            return Err(file.error("server.threads", problem));
        }
        let idle_workers = workers_problem(&config.server).map(|problem| {
            let place = place(args.workers.is_some(), "--workers", file, "server.workers");
            place.error(problem).to_string()
        });
        let listening = Listening::find(args, file);
        listening.check(&config.server.listen)?;
        let run_as = processes::check(args, file, &config)?;
        let closed_ports = processes::closed_ports(args, file, &config, run_as.as_ref());
        let access = Access::load(args, environment, file)?;
        let tls = TlsOffer::load(args, file)?;
        let log = LogFiles::find(args, file)?;
        let mut warnings = warnings(args, file, run_as.as_ref(), &access, tls.as_ref(), &log);
        warnings
            .0
            .extend(idle_workers.into_iter().chain(closed_ports));
        Ok(Self {
            warnings,
            run_as,
            named_by: processes::place_of_user(args, file),
            server: config.server,
            listening,
            control: config.control,
            data: config.data,
            filesystem: config.filesystem.kind,
            log,
            access,
            tls,
            by_empty_file: file.is_some_and(ConfigFile::is_empty),
        })
    }

    /// Tries in a child process whether the system lets serving processes become their user. This
    /// process must have a single thread.
    ///
    /// # Errors
    ///
    /// The system's error, with the option or key that names the user.
    pub(crate) fn try_user(&self) -> Result<(), ConfigError> {
        let Some(Err(error)) = self.run_as.as_ref().map(Identity::try_out) else {
            return Ok(());
        };
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => {
                let expected = "expected one that the system lets root become";
                let problem = format!("cannot become another user: {error}, {expected}");
                Err(self.named_by.error(problem))
            }
            // The system may be out of processes at the moment; the start finds out.
            _ => Ok(()),
        }
    }

    /// Returns warnings about certificates that are not valid now. A server logs these itself, also
    /// when it reads the files again.
    pub(crate) fn certificate_warnings(&self) -> Warnings {
        let lines = self.tls.as_ref().map(TlsOffer::untimely_certificates);
        Warnings(lines.unwrap_or_default())
    }
}

/// Reads the configuration file, if one is named.
fn read_file(args: &Args, environment: &Environment) -> Result<Option<ConfigFile>, ConfigError> {
    let path = args.config.as_deref();
    path.map(|path| ConfigFile::read(path, environment.readable))
        .transpose()
}

/// Returns warnings about settings that are valid but probably not intended.
fn warnings(
    args: &Args,
    file: Option<&ConfigFile>,
    run_as: Option<&Identity>,
    access: &Access,
    tls: Option<&TlsOffer>,
    log: &LogFiles,
) -> Warnings {
    let mut lines = Vec::new();
    lines.extend(file.and_then(tls::idle_requirement));
    lines.extend(
        file.zip(tls)
            .and_then(|(file, tls)| tls::open_door(file, tls)),
    );
    // System users have their own rights everywhere.
    if let Access::Virtual(authorizer) = access {
        let shares = exposure::shares(authorizer, virtual_users::named(args, file));
        lines
            .extend(run_as.and_then(|run_as| processes::closed_homes(args, file, run_as, &shares)));
        match file {
            Some(file) if file.config().filesystem.kind == FilesystemKind::Unix => {
                let place = file.place("filesystem.kind");
                let as_root = run_as.is_none() && is_root();
                lines.extend(exposure::of_disk(&shares, &place, as_root));
            }
            _ => {
                lines.extend(exposure::of_own_files(&shares, &own_files(args, tls, log)));
                lines.extend(exposure::of_directories(&shares));
                let upgrade = Upgrade::to_this_program();
                lines.extend(
                    upgrade
                        .ok()
                        .and_then(|upgrade| exposure::of_program(&shares, upgrade.program())),
                );
            }
        }
    }
    if is_root() {
        lines.extend(log.redirectable(run_as));
    }
    Warnings(lines)
}

/// Returns the files that configure the program, and those that it writes.
fn own_files(args: &Args, tls: Option<&TlsOffer>, log: &LogFiles) -> Vec<NamedFile> {
    let options = [
        ("--config", &args.config),
        ("--password-file", &args.password_file),
    ];
    let named = options.into_iter();
    let named = named.filter_map(|(name, path)| Some(NamedFile::by_option(path.as_deref()?, name)));
    let of_tls = tls.into_iter().flat_map(|tls| tls.files.iter().cloned());
    let logs = log.named().cloned();
    named.chain(of_tls).chain(logs).collect()
}

/// Applies `set` to what is being built, if there is a setting.
fn given<B, T>(built: B, setting: Option<T>, set: impl FnOnce(B, T) -> B) -> B {
    match setting {
        Some(setting) => set(built, setting),
        None => built,
    }
}

/// Returns the problem if a number of loops is set for a model other than `async`.
fn threads_problem(server: &Server) -> Option<String> {
    let threads = server.threads;
    (threads != 0 && server.concurrency != Concurrency::Async).then(|| {
        format!("found {threads} beside another model, expected with concurrency \"async\" only")
    })
}

/// Returns the problem if a number of worker processes is set without effect.
fn workers_problem(server: &Server) -> Option<String> {
    let workers = server.workers;
    (workers != 0 && server.concurrency != Concurrency::PreFork).then(|| {
        format!("found {workers} without effect, expected with concurrency \"pre-fork\" only")
    })
}
