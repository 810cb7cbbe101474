//! Custom commands.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_authorizers::Login;
use ftpdlib_filesystems::Filesystem;
use ftpdlib_proto::{ArgumentRule, Perm, Reply, Verb, VirtualPath};
use ftpdlib_session::{Refusal, RegisteredCommand};

use crate::SettingsError;
use crate::client::Client;
use crate::jobs::Account;
use crate::log_prefix::Prefix;

/// Longest name of a command or sub-command.
const MAX_NAME: usize = 16;

/// What a command does.
type CommandFunction = dyn Fn(&mut CommandContext<'_>) -> Reply + Send + Sync;

/// A custom command, which may replace a built-in one (pyftpdlib: a new `ftp_SITE_X` method with
/// its `proto_cmds` entry, or an overridden `ftp_X`).
///
/// Its function runs on a thread and may block; the session's next command waits for it. HELP or
/// SITE HELP lists it, and FEAT does if asked to. A reply of 421 ends the session, and aborts a
/// transfer in progress.
///
/// The function cannot change the session (the working directory, the type, a restart offset, the
/// name given by RNFR), and cannot use a data connection. So it can only refuse commands that do,
/// such as CWD, TYPE, REST, RNFR, PASV or RETR: after a reply of 250 to CWD, or 350 to REST, the
/// client would continue as if that had been done. SITE itself, USER, PASS, REIN, QUIT, ABOR, AUTH,
/// PBSZ, PROT, CCC and ADAT cannot be replaced.
///
/// A custom command cannot call the command that it replaces. To decide whether a built-in command
/// is carried out, use [`Observer::on_command`](crate::Observer::on_command); to change what it
/// does to files, a [`Layer`](ftpdlib_filesystems::Layer).
///
/// If the authorizer impersonates, the function acts as the user, but a program that it starts does
/// not: that has root's real ID and can become root again. The program must be started with the
/// user's IDs and groups; see
/// [`Authorizer::impersonate`](ftpdlib_authorizers::Authorizer::impersonate).
///
/// # Examples
///
/// ```
/// use ftpdlib_authorizers::DummyAuthorizer;
/// use ftpdlib_handlers::{CustomCommand, FtpHandler};
/// use ftpdlib_proto::{ArgumentRule, Perm, Reply};
///
/// let ping = CustomCommand::new("SITE PING", |_| Reply::new(200, "Pong."));
/// let lines = CustomCommand::new("SITE LINES", |cx| {
///     let (Some(filesystem), path) = (cx.filesystem(), cx.path()) else {
///         return Reply::new(530, "Log in first.");
///     };
///     match filesystem.stat(path) {
///         Ok(facts) => Reply::new(213, format!("{} bytes.", facts.size)),
///         Err(error) => Reply::new(error.reply_code().value(), error.to_string()),
///     }
/// })
/// .perm(Perm::Retrieve)
/// .argument(ArgumentRule::Required)
/// .help("Syntax: SITE LINES <SP> file-name (tell how long a file is).");
/// let password = CustomCommand::new("SITE NEWPASS", |cx| match cx.is_secure() {
///     true => Reply::new(200, "Password changed."),
///     false => Reply::new(534, "Not in the clear."),
/// })
/// .secret(true);
/// let handler = FtpHandler::new(DummyAuthorizer::new());
/// let handler = handler.command(ping).command(lines).command(password);
/// # handler.check().unwrap();
/// ```
#[derive(Clone)]
#[must_use = "it has to be given to a handler"]
pub struct CustomCommand {
    pub(crate) registered: RegisteredCommand,
    pub(crate) function: Arc<CommandFunction>,
    pub(crate) secret: bool,
}

impl CustomCommand {
    /// Creates a command with this name: a verb, or `SITE` and a verb, in any case. By default it
    /// needs a login, and takes an optional argument. It replaces a built-in command of that name.
    /// In the place of `MKD` it is also called by `XMKD` and `SITE MKDIR`, unless these have custom
    /// commands of their own; likewise for `CWD`, `CDUP`, `PWD`, `RMD`, `CPFR` and `CPTO`.
    pub fn new<F>(name: impl AsRef<str>, function: F) -> Self
    where
        F: Fn(&mut CommandContext<'_>) -> Reply + Send + Sync + 'static,
    {
        let name = name.as_ref().to_ascii_uppercase();
        let help = format!("Syntax: {name} [<SP> argument].");
        Self {
            registered: RegisteredCommand {
                name,
                login_required: true,
                perm: None,
                argument: ArgumentRule::Optional,
                help,
                feature: None,
            },
            function: Arc::new(function),
            secret: false,
        }
    }

    /// Sets the permission that the user needs for the path named by the argument, or for the
    /// working directory if there is no argument.
    pub fn perm(mut self, perm: Perm) -> Self {
        self.registered.perm = Some(perm);
        self
    }

    /// Sets whether the user must have logged in.
    pub fn login_required(mut self, required: bool) -> Self {
        self.registered.login_required = required;
        self
    }

    /// Sets whether the command takes an argument.
    pub fn argument(mut self, rule: ArgumentRule) -> Self {
        self.registered.argument = rule;
        self
    }

    /// Sets the text for HELP: one line.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.registered.help = text.into();
        self
    }

    /// Shows this line in FEAT.
    pub fn feature(mut self, line: impl Into<String>) -> Self {
        self.registered.feature = Some(line.into());
        self
    }

    /// Hides the argument from the log and from observers: it is, or holds, a password.
    pub fn secret(mut self, secret: bool) -> Self {
        self.secret = secret;
        self
    }

    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let RegisteredCommand {
            name,
            login_required,
            perm,
            help,
            feature,
            ..
        } = &self.registered;
        let verb = name.strip_prefix("SITE ").unwrap_or(name);
        let wrong = |reason: String| Err(SettingsError::new("command", reason));
        if !(1..=MAX_NAME).contains(&verb.len())
            || !verb.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return wrong(format!(
                "{name:?} is no verb, nor SITE and a verb: 1 to {MAX_NAME} letters and digits"
            ));
        }
        let verb = Verb::lookup(name.as_bytes());
        // ADAT would bring security data after AUTH; the table of verbs does not have it.
        if name == "ADAT" || verb.is_some_and(|verb| verb.info().reserved) {
            return wrong(format!("{name} cannot be replaced: it changes the session"));
        }
        if perm.is_some() && !login_required {
            return wrong(format!("{name} has a permission, so it needs a login"));
        }
        if has_control(help) || feature.as_deref().is_some_and(has_control) {
            return wrong(format!(
                "{name} has a help or feature text of several lines"
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for CustomCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomCommand")
            .field("registered", &self.registered)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// Checks the reply that `who` gave to a command: it must be the last one, since nothing would send
/// another, and the client would wait for ever.
///
/// # Errors
///
/// 451, to be sent instead of a reply that is preliminary, or of which more lines would follow.
pub(crate) fn last_reply(
    reply: Reply,
    prefix: &Prefix<'_>,
    who: impl fmt::Display,
) -> Result<Reply, Refusal> {
    if reply.code().is_preliminary() || reply.is_opening() {
        log::error!("{prefix} {who} gave a reply that is not its last: {reply:?}");
        return Err(Refusal::local_error());
    }
    Ok(reply)
}

fn has_control(text: &str) -> bool {
    text.contains(char::is_control)
}

/// What a [`CustomCommand`]'s function works with.
pub struct CommandContext<'a> {
    pub(crate) client: &'a Client,
    pub(crate) account: Option<&'a Account>,
    pub(crate) argument: &'a [u8],
    pub(crate) path: &'a VirtualPath,
    pub(crate) working_directory: &'a VirtualPath,
    pub(crate) secure: bool,
}

impl CommandContext<'_> {
    /// The argument as given, in disk bytes, every blank kept; empty if there is none.
    pub fn argument(&self) -> &[u8] {
        self.argument
    }

    /// The path that the argument names, resolved against the working directory; the working
    /// directory itself if there is no argument.
    ///
    /// If the command has a [permission](CustomCommand::perm) and the user's depend on the
    /// directory, this is canonical, without links, and so is
    /// [`working_directory`](Self::working_directory).
    pub fn path(&self) -> &VirtualPath {
        self.path
    }

    /// The working directory.
    pub fn working_directory(&self) -> &VirtualPath {
        self.working_directory
    }

    /// The login of the user; `None` if nobody is logged in.
    pub fn login(&self) -> Option<&Login> {
        self.account.map(Account::login)
    }

    /// The user's filesystem; `None` without a login. It does not check permissions.
    ///
    /// If [`path`](Self::path) is canonical, this follows no links: it opens what the permission
    /// was checked for, even if another session puts a link in its place meanwhile.
    pub fn filesystem(&self) -> Option<&dyn Filesystem> {
        Some(&**self.account?.filesystem())
    }

    /// Whether the user has `perm` for `path`; always false without a login.
    pub fn has_perm(&self, perm: Perm, path: &VirtualPath) -> bool {
        self.account
            .is_some_and(|account| account.is_allowed(perm, path))
    }

    /// The client's end of the control connection.
    pub fn peer(&self) -> SocketAddr {
        self.client.peer
    }

    /// The server's end of the control connection.
    pub fn local(&self) -> SocketAddr {
        self.client.local
    }

    /// Whether the control connection is under TLS, so that nobody else has read the command.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

/// Without the argument and the path that it names, which may be a password.
impl fmt::Debug for CommandContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let username = self.login().map(|login| &login.username);
        f.debug_struct("CommandContext")
            .field("username", &username)
            .field("working_directory", &self.working_directory)
            .field("peer", &self.client.peer)
            .field("local", &self.client.local)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, accepted: bool) {
        let command = CustomCommand::new(name, |_| Reply::new(200, "Done."));
        assert_eq!(command.check().is_ok(), accepted, "{name:?}");
    }

    #[test]
    fn names_are_verbs() {
        check("XPING", true);
        check("site ping", true);
        check("RETR", true);
        check("", false);
        check("SITE ", false);
        check("A B", false);
        check("SITE A B", false);
        check("AB\r\nC", false);
    }

    #[test]
    fn the_session_cannot_be_changed_from_outside() {
        for name in [
            "SITE", "USER", "PASS", "REIN", "QUIT", "ABOR", "AUTH", "PBSZ", "PROT", "CCC", "ADAT",
        ] {
            check(name, false);
        }
    }
}
