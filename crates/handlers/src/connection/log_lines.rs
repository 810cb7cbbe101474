//! The log lines of a session.

use std::fmt;
use std::io;

use ftpdlib_authorizers::CertificateError;
use ftpdlib_proto::{
    Command, CommandLine, Escaped, NameEncoding, Reply, TransferEnd, Transferred, Verb, VirtualPath,
};
use ftpdlib_session::{Refusal, Session, SessionEvent};
use log::Level;

use super::secrets;
use super::transfer::Begun;
use crate::Service;
use crate::client::Client;
use crate::jobs::{Account, Payload, real_path};
use crate::log_prefix::Prefix;

pub(super) fn opened(prefix: &Prefix<'_>) {
    log::info!("{prefix} FTP session opened (connect)");
}

pub(super) fn closed(prefix: &Prefix<'_>) {
    log::info!("{prefix} FTP session closed (disconnect).");
}

/// Logs that a TLS handshake has failed, or TLS has broken. The client causes it, so it is no
/// warning.
pub(super) fn tls_failed(prefix: &Prefix<'_>, error: &io::Error) {
    log::info!("{prefix} TLS: {error}");
}

/// Logs that a certificate is good for TLS, but cannot be read here: it logs nobody in.
pub(super) fn certificate_unread(prefix: &Prefix<'_>, error: &CertificateError) {
    log::warn!("{prefix} client certificate: {error}");
}

/// Logs the reason on this side for the end of a transfer, such as a full disk: the line of its end
/// gives none.
pub(super) fn transfer_failed(prefix: &Prefix<'_>, refusal: &Refusal) {
    let Refusal { code, text } = refusal;
    log::warn!("{prefix} transfer failed: {code} {text}");
}

/// Logs that no passive port could be opened, usually since all configured ones are in use.
pub(super) fn no_passive_port(prefix: &Prefix<'_>, error: &io::Error) {
    log::warn!("{prefix} no passive port: {error}");
}

/// Logs a command line, without any password.
pub(super) fn command(prefix: &Prefix<'_>, line: &[u8], service: &Service) {
    if !log::log_enabled!(Level::Debug) {
        return;
    }
    let line = secrets::hide(line, service);
    log::debug!("{prefix} -> {}", Escaped(&line));
}

/// The commands whose outcome is not logged yet. Another command may come before the reply.
#[derive(Default)]
pub(super) struct CommandLog {
    /// The latest command, until its turn comes.
    received: Option<LoggedCommand>,
    /// The command whose turn has come, until its last reply.
    answering: Option<LoggedCommand>,
}

impl CommandLog {
    /// Notes the latest line, if it is such a command.
    pub(super) fn received(&mut self, command: Option<LoggedCommand>) {
        self.received = command;
    }

    /// Notes that the replies from now on answer the latest line.
    pub(super) fn begin_answer(&mut self) {
        self.answering = self.received.take();
    }

    /// Logs the command that is being answered, if `reply` is its last one.
    pub(super) fn replied(&mut self, prefix: &Prefix<'_>, reply: &Reply) {
        if let Some(command) = self.answering.take_if(|_| !reply.code().is_preliminary()) {
            command.log(prefix, reply);
        }
    }
}

/// A command whose outcome is logged, as pyftpdlib does, until that is known.
pub(super) struct LoggedCommand(Box<str>);

impl LoggedCommand {
    /// The command of a line, if it is one of these and the log is on.
    ///
    /// Without a login it does nothing, and would let anybody fill the disk of the log.
    ///
    /// A path is made absolute and real, as pyftpdlib does: what was sent does not tell which file
    /// it was.
    pub(super) fn of(
        session: &Session<Payload>,
        account: Option<&Account>,
        line: &[u8],
        service: &Service,
    ) -> Option<Self> {
        let account = account?;
        let (verb, _) = CommandLine::split(line).resolve().ok()?;
        let info = verb.info();
        if !info.logged || !log::log_enabled!(Level::Info) {
            return None;
        }
        // A custom command in its place may have a secret argument.
        let shown = secrets::cut(line, service);
        let (_, argument) = CommandLine::split(shown).resolve().ok()?;
        let path = path_in(verb, argument, session).map(|path| {
            let real_path = real_path(account, &path);
            real_path.map_or_else(
                || path.as_bytes().to_vec(),
                |path| path.into_os_string().into_encoded_bytes(),
            )
        });
        let argument = path.as_deref().unwrap_or(argument);
        Some(Self(format!("{} {}", info.name, Escaped(argument)).into()))
    }

    /// Logs the command with its last reply.
    fn log(self, prefix: &Prefix<'_>, reply: &Reply) {
        let (Self(command), code) = (self, reply.code());
        if code.is_transient() || code.is_permanent() {
            let mut text = Vec::new();
            reply.encode(NameEncoding::UTF_8, &mut text);
            let text = text.get(4..).unwrap_or_default().trim_ascii_end();
            log::info!("{prefix} {command} {code} '{}'", Escaped(text));
        } else {
            log::info!("{prefix} {command} {code}");
        }
    }
}

/// The path in the argument of a logged command, if there is one.
fn path_in(verb: Verb, argument: &[u8], session: &Session<Payload>) -> Option<VirtualPath> {
    let (Command::Cwd(name)
    | Command::Dele(name)
    | Command::Mkd(name)
    | Command::Rmd(name)
    | Command::Rnfr(name)
    | Command::Rnto(name)
    | Command::Mfmt { path: name, .. }
    | Command::SiteChmod { path: name, .. }) =
        Command::parse(verb, argument, session.encoding()).ok()?
    else {
        return None;
    };
    session.working_directory().join(&name).ok()
}

pub(super) fn reply(prefix: &Prefix<'_>, reply: &Reply, encoding: NameEncoding) {
    if !log::log_enabled!(Level::Debug) {
        return;
    }
    let mut text = Vec::new();
    reply.encode(encoding, &mut text);
    let text = text.strip_suffix(b"\r\n").unwrap_or(&text);
    log::debug!("{prefix} <- {}", Escaped(&secrets::hide_repeated(text)));
}

/// Logs an event; `begun` is the transfer that has ended, if one has.
pub(super) fn event(
    client: &Client,
    username: Option<&str>,
    event: &SessionEvent,
    begun: Option<&Begun>,
) {
    // The session may have forgotten by now who was logged in; the event has not.
    let username = match event {
        SessionEvent::LoggedOut { username } | SessionEvent::TransferEnded { username, .. } => {
            Some(username.as_str())
        }
        SessionEvent::LoggedIn { .. }
        | SessionEvent::LoginFailed { .. }
        | SessionEvent::ForeignData { .. }
        | SessionEvent::DataUnused
        | SessionEvent::Changed { .. }
        | SessionEvent::Combined { .. } => username,
    };
    let prefix = client.prefix(username);
    match event {
        SessionEvent::LoggedIn { username } => user(&prefix, username, "logged in"),
        SessionEvent::LoginFailed { username, .. } => user(&prefix, username, "failed login"),
        SessionEvent::LoggedOut { username } => user(&prefix, username, "logged out"),
        SessionEvent::ForeignData { peer } => {
            log::warn!("{prefix} data connection from foreign address {peer} rejected");
        }
        SessionEvent::DataUnused => {
            log::debug!("{prefix} data connection closed: no transfer command came for it");
        }
        SessionEvent::TransferEnded {
            verb,
            path,
            end,
            bytes,
            duration,
            ..
        } => {
            // pyftpdlib does not count listings as transfers.
            let level = match verb.transfers() {
                Some(Transferred::File(_)) => Level::Info,
                Some(Transferred::Listing) | None => Level::Debug,
            };
            let (verb, seconds) = (verb.info().name, duration.as_secs_f64());
            let completed = u8::from(*end == TransferEnd::Complete);
            let real_path = begun.and_then(|begun| real_path(&begun.account, path));
            let path = match &real_path {
                Some(path) => path.as_os_str().as_encoded_bytes(),
                None => path.as_bytes(),
            };
            log::log!(
                level,
                "{prefix} {verb} {} completed={completed} bytes={bytes} seconds={seconds:.3}",
                Escaped(path)
            );
        }
        // The command is logged with its reply.
        SessionEvent::Changed { .. } | SessionEvent::Combined { .. } => {}
    }
}

/// Logs the outcome of a login.
fn user(prefix: &impl fmt::Display, username: &str, outcome: &str) {
    let username = Escaped(username.as_bytes());
    log::info!("{prefix} USER '{username}' {outcome}.");
}
