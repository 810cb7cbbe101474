//! Logging in: credentials first, then the user's filesystem.

use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_authorizers::{Login, LoginRequest};
use ftpdlib_filesystems::Filesystem;
use ftpdlib_proto::ReplyCode;
use ftpdlib_session::{LoginFacts, Refusal};

use super::{Account, refusal, reply_of};
use crate::Service;

/// A login in progress.
pub(crate) struct LoginAttempt {
    service: Arc<Service>,
    username: String,
    password: String,
    peer: SocketAddr,
    local: SocketAddr,
}

/// What a login came to.
pub(crate) type LoginEnd = Result<(Arc<Account>, LoginFacts), Refusal>;

/// How far a login got without waiting for anything.
pub(crate) enum LoginStart {
    /// To its end.
    Ended(LoginEnd),
    /// The rest may block: it belongs on a thread.
    Blocking(Box<dyn FnOnce() -> LoginEnd + Send>),
}

impl LoginAttempt {
    pub(crate) fn new(
        service: &Arc<Service>,
        username: String,
        password: String,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Self {
        Self {
            service: Arc::clone(service),
            username,
            password,
            peer,
            local,
        }
    }

    /// Does what answers at once: a plain comparison of passwords, and opening a home directory
    /// that is known to be on a local disk.
    pub(crate) fn start(self) -> LoginStart {
        if !self.service.authorizer.is_immediate(&self.username) {
            return LoginStart::Blocking(Box::new(move || {
                let login = self.authenticate()?;
                self.enter(login)
            }));
        }
        match self.authenticate() {
            Err(refusal) => LoginStart::Ended(Err(refusal)),
            Ok(login) if self.service.is_local_home(&login.home) => {
                LoginStart::Ended(self.enter(login))
            }
            Ok(login) => LoginStart::Blocking(Box::new(move || self.enter(login))),
        }
    }

    fn authenticate(&self) -> Result<Login, Refusal> {
        let request = LoginRequest::new(&self.username, &self.password, self.peer, self.local);
        self.service
            .authorizer
            .authenticate(&request)
            .map_err(|_| refusal(ReplyCode::new(530), "Authentication failed."))
    }

    /// Makes the user's filesystem.
    fn enter(&self, login: Login) -> LoginEnd {
        let filesystem = self.filesystem(&login)?;
        if filesystem.is_local() {
            self.service.note_local_home(&login.home);
        }
        let facts = LoginFacts {
            username: login.username.clone(),
            msg_login: login.msg_login.clone(),
            msg_quit: login.msg_quit.clone(),
            start_dir: filesystem.start_dir(),
            encoding: login.encoding,
        };
        let account = Account::new(
            Arc::clone(&self.service.authorizer),
            login,
            filesystem,
            self.service.session.zone,
            |login| self.service.home_lane(&login.home),
        );
        Ok((Arc::new(account), facts))
    }

    fn filesystem(&self, login: &Login) -> Result<Arc<dyn Filesystem>, Refusal> {
        let unusable = || refusal(ReplyCode::new(530), "Home directory cannot be used.");
        let _guard = self
            .service
            .authorizer
            .impersonate(login)
            .map_err(|error| {
                log::error!("{error}");
                unusable()
            })?;
        (self.service.filesystem)(login).map_err(|error| {
            log::error!("filesystem of user {:?}: {error}", login.username);
            match error.kind() {
                // The factory's own words are meant for the client.
                ftpdlib_filesystems::ErrorKind::Other => reply_of(error),
                _ => unusable(),
            }
        })
    }
}
