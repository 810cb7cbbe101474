//! Access control: USER, PASS, ACCT, REIN (RFC 959 §4.1.1), HOST (RFC 7151).

use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::{NameEncoding, Perms, Reply, ReplyCode, TransferType, VirtualPath};

use super::Session;
use super::parameters::{Parameters, Restart};
use super::pending::{Pending, Purpose};
use super::timers::after;
use crate::{Effect, LoginFacts, Refusal, Secret, SessionEvent};

/// The progress of the login.
///
/// ```text
///                  USER, certificate accepted
///    ┌─────────────────────────────────────┐
///    │     USER            PASS accepted   ▼
///   Out ─────────► Named ────────────────► In
///    ▲               │                     │
///    └───────────────┘                     │
///    ▲  PASS refused           REIN, QUIT  │
///    └─────────────────────────────────────┘   (USER: to Named)
/// ```
#[derive(Debug, Default)]
pub(super) enum Login {
    /// Nobody is logged in.
    #[default]
    Out,
    /// USER was given.
    Named(String),
    /// Logged in.
    In(Box<User>),
}

/// What the session keeps of a user.
#[derive(Debug)]
pub(super) struct User {
    /// User name.
    pub(super) username: String,
    /// Text of 221.
    pub(super) msg_quit: String,
    /// Whether a certificate let the user in: PASS is then unnecessary, but no error.
    pub(super) by_certificate: bool,
    /// The permissions that they have on at least some path.
    perms: Perms,
    /// Their own encoding.
    encoding: Option<NameEncoding>,
}

/// A failed login whose reply is delayed.
#[derive(Debug)]
pub(super) struct LoginDelay {
    /// When the reply is due; `None` is never, as the time is out of range.
    pub(super) until: Option<Instant>,
    /// The reply.
    reply: Reply,
    /// Whether the session ends after it, without further commands.
    disconnect: bool,
}

impl Login {
    /// The name of the user who is logged in.
    pub(super) fn username(&self) -> Option<&str> {
        match self {
            Self::Out | Self::Named(_) => None,
            Self::In(user) => Some(&user.username),
        }
    }

    /// The permissions that the client has on at least some path: all, until the user is known.
    pub(super) fn perms(&self) -> Perms {
        match self {
            Self::Out | Self::Named(_) => Perms::ALL,
            Self::In(user) => user.perms,
        }
    }

    /// The logged-in user's own encoding, if they have one.
    pub(super) fn encoding(&self) -> Option<NameEncoding> {
        match self {
            Self::Out | Self::Named(_) => None,
            Self::In(user) => user.encoding,
        }
    }

    /// Ends the login, if there is one.
    pub(super) fn take_user(&mut self) -> Option<Box<User>> {
        match std::mem::take(self) {
            Self::In(user) => Some(user),
            other @ (Self::Out | Self::Named(_)) => {
                *self = other;
                None
            }
        }
    }
}

impl<P> Session<P> {
    /// USER: always answered 331, so that names cannot be probed, unless the client's certificate
    /// lets the user in, which is answered 232 (RFC 2228 §4).
    pub(super) fn user(&mut self, name: &str, now: Instant) -> Result<(), Reply> {
        self.check_login_security()?;
        let flushed = self.flush_account();
        let username = name.to_owned();
        if !self.security.has_certificate() {
            self.ask_for_password(username, flushed);
            return Ok(());
        }
        self.login = Login::Out;
        self.log_in(username, None, flushed, now);
        Ok(())
    }

    /// Asks the driver to check a login; `flushed` says whether USER ended an earlier login.
    fn log_in(
        &mut self,
        username: String,
        password: Option<Secret<Arc<str>>>,
        flushed: bool,
        now: Instant,
    ) {
        self.effects.push_back(Effect::LogIn {
            username: username.clone(),
            password: password.clone(),
        });
        self.pending = Pending::Job(Box::new(Purpose::Login {
            username,
            password,
            arrived: now,
            flushed,
        }));
    }

    /// Answers USER; `flushed` says whether it ended an earlier login.
    pub(super) fn ask_for_password(&mut self, username: String, flushed: bool) {
        let text = if flushed {
            "Previous account information was flushed, send password."
        } else {
            "Username ok, send password."
        };
        self.login = Login::Named(username);
        self.reply(Reply::new(331, text));
    }

    /// PASS.
    pub(super) fn pass(&mut self, password: &str, now: Instant) -> Result<(), Reply> {
        self.check_login_security()?;
        match std::mem::take(&mut self.login) {
            Login::Out => return Err(Reply::new(503, "Login with USER first.")),
            Login::In(user) => {
                let by_certificate = user.by_certificate;
                self.login = Login::In(user);
                if !by_certificate {
                    return Err(Reply::new(503, "User already authenticated."));
                }
                self.reply(Reply::new(202, "Already logged in by certificate."));
            }
            Login::Named(username) => {
                let password = Secret(Arc::from(password));
                self.log_in(username, Some(password), false, now);
            }
        }
        Ok(())
    }

    /// ACCT: no login needs an account, but every server has to know the command
    /// (RFC 1123 §4.1.2.13).
    pub(super) fn acct(&mut self) {
        self.reply(Reply::new(202, "No account needed."));
    }

    /// HOST: the choice makes no difference, but it has to come before USER (RFC 7151 §3.2).
    pub(super) fn host(&mut self, name: &str) -> Result<(), Reply> {
        if !matches!(self.login, Login::Out) {
            let text = "Bad sequence of commands: HOST comes before USER.";
            return Err(Reply::new(503, text));
        }
        let mut known = self.config.host_names.iter();
        if !known.any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(Reply::new(504, "Unknown host."));
        }
        self.reply(Reply::new(220, "Host accepted."));
        Ok(())
    }

    /// REIN: a transfer in progress goes on (RFC 959 §4.1.1). TLS stays, and so does PROT, though
    /// RFC 4217 §13 ends both: a client under TLS must not receive data in the clear without having
    /// asked for it.
    pub(super) fn rein(&mut self) {
        self.flush_account();
        self.login = Login::Out;
        self.parameters = Parameters::new(&self.config);
        self.reply(Reply::new(220, "Ready for new user."));
    }

    /// The login succeeded, by a password or a certificate.
    pub(super) fn logged_in(&mut self, facts: LoginFacts, by_certificate: bool) {
        self.failed_logins = 0;
        self.has_broken_off = false;
        self.working_directory = facts.start_dir;
        let code = if by_certificate { 232 } else { 230 };
        self.reply(Reply::paragraph(code, &facts.msg_login));
        self.tell(SessionEvent::LoggedIn {
            username: facts.username.clone(),
        });
        self.login = Login::In(Box::new(User {
            username: facts.username,
            msg_quit: facts.msg_quit,
            by_certificate,
            perms: facts.perms,
            encoding: facts.encoding,
        }));
        self.choose_encoding();
    }

    /// The login failed. The reply comes a fixed time after the command, however long the job took,
    /// so that the time reveals nothing and guessing is slow.
    pub(super) fn login_failed(
        &mut self,
        username: String,
        password: Option<Secret<Arc<str>>>,
        arrived: Instant,
        mut refusal: Refusal,
        now: Instant,
    ) {
        self.failed_logins += 1;
        self.tell(SessionEvent::LoginFailed { username, password });
        if !self.ending.may_reply() {
            return;
        }
        // USER and PASS have no 451 (RFC 959 §5.4).
        if refusal.code.value() == 451 {
            refusal = Refusal::new(421, "Service not available.");
        }
        // Nothing may follow a 421, so none is given during a transfer, which still has a reply to
        // come.
        if refusal.code.value() == 421 && self.is_transferring() {
            refusal.code = ReplyCode::new(530);
        }
        // A 421 means that the server is full, has failed or has new settings, whoever the user is.
        let for_everybody = refusal.code.value() == 421;
        let is_last = self.failed_logins >= self.config.max_login_attempts;
        let reply = if is_last && !for_everybody {
            // The text still says what failed: programs that watch for guessers look for it.
            Reply::new(530, format!("{} Disconnecting.", refusal.text))
        } else {
            refusal.into_reply()
        };
        let disconnect = is_last || for_everybody;
        let delay = LoginDelay {
            until: after(arrived, Some(self.config.auth_failed_timeout)),
            reply,
            disconnect,
        };
        self.pending = Pending::LoginDelay(Box::new(delay));
        self.act_on_timeouts(now);
    }

    /// The delay of a failed login is over.
    pub(super) fn answer_failed_login(&mut self, delay: LoginDelay) {
        if delay.disconnect {
            self.refuse_further_commands(delay.reply);
        } else {
            self.reply(delay.reply);
        }
    }

    /// Forgets the user and, as pyftpdlib does, type and offset. Returns whether there was a user.
    /// The client's other settings are not the user's, and stay (RFC 959 §4.1.1).
    pub(super) fn flush_account(&mut self) -> bool {
        self.has_broken_off = false;
        let Some(user) = self.login.take_user() else {
            return false;
        };
        if !self.data.is_occupied() {
            self.close_data();
        }
        self.working_directory = VirtualPath::root();
        self.parameters.transfer_type = TransferType::Ascii;
        self.parameters.restart = Restart::default();
        self.choose_encoding();
        self.effects.push_back(Effect::ForgetLogin);
        self.tell(SessionEvent::LoggedOut {
            username: user.username,
        });
        true
    }
}
