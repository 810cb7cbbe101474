//! Commands that the server's owner adds.

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

/// A command beside the built-in ones, or in the place of one (pyftpdlib: a new `ftp_SITE_X` method
/// with its `proto_cmds` entry, or an overridden `ftp_X`).
///
/// Its function runs on a thread that may block; the session's next command waits for it. It shows
/// in HELP, or in SITE HELP, and in FEAT if it says so. By a reply of 421 it ends the session, and
/// aborts a transfer in progress.
///
/// It cannot change the session (the working directory, the type, a restart offset, what RNFR has
/// named), and cannot use a data connection. So in the place of a command that does, such as CWD,
/// TYPE, REST, RNFR, PASV or RETR, it can only refuse: the client of one that replies 250 to CWD,
/// or 350 to REST, goes on as if that had been done. SITE itself, USER, PASS, REIN, QUIT, ABOR,
/// AUTH, PBSZ, PROT, CCC and ADAT cannot be replaced at all.
///
/// One that replaces a command cannot call what it replaces: to have a say before a built-in
/// command there is [`Observer::on_command`](crate::Observer::on_command), and to change what it
/// does to files a [`Layer`](ftpdlib_filesystems::Layer).
///
/// It acts as the user meanwhile where the authorizer impersonates, but a program that it starts
/// does not: that has root's real id and can become root again. It must be given the user's ids and
/// groups itself; see [`Authorizer::impersonate`](ftpdlib_authorizers::Authorizer::impersonate).
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
    /// A command by its verb, or `SITE` and a verb, in any case. It needs a login, takes an
    /// argument or not, and takes the place of a built-in one of that name. In the place of `MKD`
    /// it is also called by `XMKD` and `SITE MKDIR`, unless there is a custom command for these; so
    /// it is with `CWD`, `CDUP`, `PWD`, `RMD`, `CPFR` and `CPTO`, and their other names.
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

    /// Sets the permission it takes, at the path that the argument names, or at the working
    /// directory if there is none.
    pub fn perm(mut self, perm: Perm) -> Self {
        self.registered.perm = Some(perm);
        self
    }

    /// Sets whether the user must have logged in.
    pub fn login_required(mut self, required: bool) -> Self {
        self.registered.login_required = required;
        self
    }

    /// Sets whether it takes an argument.
    pub fn argument(mut self, rule: ArgumentRule) -> Self {
        self.registered.argument = rule;
        self
    }

    /// Sets the text of HELP: one line.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.registered.help = text.into();
        self
    }

    /// Shows it in FEAT, by this line.
    pub fn feature(mut self, line: impl Into<String>) -> Self {
        self.registered.feature = Some(line.into());
        self
    }

    /// Keeps its argument out of the log and from observers: it is, or holds, a password.
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
        // Security data would follow AUTH; the table does not have it.
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

/// A reply that `who` gave to a command, or 451 where another one would have to follow: nothing
/// would give that, and the client would wait for ever.
///
/// # Errors
///
/// The 451.
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

/// What the function of a [`CustomCommand`] is given.
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

    /// What the argument names, seen from the working directory; that one if there is no argument.
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

    /// Who is logged in.
    pub fn login(&self) -> Option<&Login> {
        self.account.map(Account::login)
    }

    /// The user's filesystem; none without a login. It asks for no permission.
    ///
    /// Where [`path`](Self::path) is canonical, it follows no links: what is opened is what the
    /// permission was checked for, although another session may swap a link in meanwhile.
    pub fn filesystem(&self) -> Option<&dyn Filesystem> {
        self.account.map(Account::filesystem)
    }

    /// Whether the user may do `perm` at `path`; nobody may anything without a login.
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

    /// Whether the control connection is under TLS: nobody else has read the command then.
    pub fn is_secure(&self) -> bool {
        self.secure
    }
}

/// Without the argument and what it names, which may be a password.
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
