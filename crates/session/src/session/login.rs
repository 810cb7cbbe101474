//! Access control: USER, PASS, ACCT, REIN (RFC 959 §4.1.1), HOST (RFC 7151).

use std::sync::Arc;
use std::time::Instant;

use ftpdlib_proto::{NameEncoding, Perms, Reply, ReplyCode, TransferType, VirtualPath};

use super::Session;
use super::parameters::{Parameters, Restart};
use super::pending::{Pending, Purpose};
use super::timers::after;
use crate::{Effect, LoginFacts, Refusal, Secret, SessionEvent};

/// How far the login has come.
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
    /// Nobody.
    #[default]
    Out,
    /// USER was given.
    Named(String),
    /// Logged in.
    In(Box<User>),
}

/// What is kept of a user.
#[derive(Debug)]
pub(super) struct User {
    /// Name.
    pub(super) username: String,
    /// Text of 221.
    pub(super) msg_quit: String,
    /// Let in by a certificate: a password is not needed, but no mistake.
    pub(super) by_certificate: bool,
    /// What they may do somewhere.
    perms: Perms,
    /// Their own encoding.
    encoding: Option<NameEncoding>,
}

/// A failed login on its way to its reply.
#[derive(Debug)]
pub(super) struct LoginDelay {
    /// When the reply is due; never, if there is no such moment.
    pub(super) until: Option<Instant>,
    /// The reply.
    reply: Reply,
    /// Whether it was one failure too many.
    disconnect: bool,
}

impl Login {
    /// Who is logged in.
    pub(super) fn username(&self) -> Option<&str> {
        match self {
            Self::Out | Self::Named(_) => None,
            Self::In(user) => Some(&user.username),
        }
    }

    /// What the client may do somewhere: anything, as long as it is not known who it is.
    pub(super) fn perms(&self) -> Perms {
        match self {
            Self::Out | Self::Named(_) => Perms::ALL,
            Self::In(user) => user.perms,
        }
    }

    /// The own encoding of the user who is logged in, if they have one.
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
    /// USER: always 331, so that names cannot be probed; unless the client's certificate lets it
    /// in, which is 232 (RFC 2228 §4).
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

    /// Has the driver let the user in; `flushed` if somebody was logged in before USER.
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

    /// Answers USER; `flushed` if somebody was logged in before.
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

    /// ACCT: no login needs one, but every server has it (RFC 1123 §4.1.2.13).
    pub(super) fn acct(&mut self) {
        self.reply(Reply::new(202, "No account needed."));
    }

    /// HOST: which one makes no difference, but it has to come before USER (RFC 7151 §3.2).
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
    /// RFC 4217 §13 ends both: a client under TLS must not get its data in the clear unasked.
    pub(super) fn rein(&mut self) {
        self.flush_account();
        self.login = Login::Out;
        self.parameters = Parameters::new(&self.config);
        self.reply(Reply::new(220, "Ready for new user."));
    }

    /// The job accepted the password, or the certificate.
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

    /// The job did not. The reply comes a fixed time after the command, however long the job took,
    /// so that its duration tells nothing and guessing is slow.
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
        // Nothing may follow a 421, so there is none beside a transfer, which has a reply to come.
        if refusal.code.value() == 421 && self.is_transferring() {
            refusal.code = ReplyCode::new(530);
        }
        // By a 421 the server has no room for the session, or other settings, whoever it is.
        let for_everybody = refusal.code.value() == 421;
        let is_last = self.failed_logins >= self.config.max_login_attempts;
        let reply = if is_last && !for_everybody {
            // It still says what failed: programs that look for guessers know that text.
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

    /// Forgets the user and, as pyftpdlib does, type and offset. Says whether there was one. What
    /// else the client chose is about itself, and stays (RFC 959 §4.1.1).
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
