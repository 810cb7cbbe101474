//! The observers of one session: what happened is told to them, what they want is done.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_ioloop::Notifier;
use ftpdlib_proto::{TransferType, VirtualPath};
use ftpdlib_session::{Action, SessionEvent};

use super::secrets;
use crate::jobs::{Account, real_path};
use crate::observer::{
    Mailbox, Notice, ObservedCommand, ObservedPath, ObservedSession, ObservedTransfer, Observer,
    SessionControl, Verdict,
};
use crate::{CustomCommand, Service};

/// Observers of a session. There is none where the server has none.
pub(super) struct Watch {
    session: ObservedSession,
    inline: Arc<[Arc<dyn Observer>]>,
    mailbox: Option<Mailbox>,
    /// Whether any of them wants to see commands.
    judges: bool,
    /// A line that waits for the verdict of the mailbox.
    held: Option<Vec<u8>>,
    /// What the last job has and its event has not.
    password: String,
    mode: Option<u32>,
    sets_time: bool,
    /// The transfer in progress.
    transfer: Option<Begun>,
}

/// What the end of a transfer does not tell.
struct Begun {
    account: Arc<Account>,
    transfer_type: TransferType,
    secure: bool,
}

/// What becomes of a command.
pub(super) enum Judgement {
    /// To the session with it, or with the reply in its place.
    Passed(Verdict),
    /// Its line is held until the observers have answered.
    Pending,
}

impl Watch {
    /// Tells the observers of `service`, if there are any, that a client connected.
    pub(super) fn begin(
        service: &Service,
        id: u64,
        peer: SocketAddr,
        local: SocketAddr,
        notifier: Notifier,
    ) -> Option<Box<Self>> {
        let observers = &service.observers;
        if observers.is_empty() {
            return None;
        }
        let control = Arc::new(SessionControl::new(notifier));
        let session = ObservedSession {
            id,
            peer,
            local,
            username: None,
            secure: false,
            control,
        };
        let mailbox = (!observers.blocking.is_empty())
            .then(|| Mailbox::new(observers.lane.clone(), Arc::clone(&observers.blocking)));
        let mut watch = Box::new(Self {
            session,
            inline: Arc::clone(&observers.inline),
            mailbox,
            judges: observers.want_commands(),
            held: None,
            password: String::new(),
            mode: None,
            sets_time: false,
            transfer: None,
        });
        watch.post(Notice::Connect);
        Some(watch)
    }

    /// The session is over.
    pub(super) fn end(&mut self) {
        self.post(Notice::Disconnect);
    }

    /// Keeps of a job what its event will not tell.
    pub(super) fn note_job(&mut self, action: &Action) {
        match action {
            Action::Login { password, .. } => password.0.as_ref().clone_into(&mut self.password),
            Action::SetMode { mode, .. } => self.mode = Some(*mode),
            Action::SetFacts { modified, mode, .. } => {
                (self.mode, self.sets_time) = (*mode, modified.is_some());
            }
            _ => {}
        }
    }

    /// Keeps whose transfer begins, since the user may be gone at its end, and whether its data
    /// connection is under TLS.
    pub(super) fn note_transfer(
        &mut self,
        account: &Arc<Account>,
        transfer_type: TransferType,
        secure: bool,
    ) {
        self.transfer = Some(Begun {
            account: Arc::clone(account),
            transfer_type,
            secure,
        });
    }

    /// The control connection is under TLS from now on.
    pub(super) fn note_secured(&mut self) {
        self.session.secure = true;
    }

    /// Tells what happened in the session of `account`.
    pub(super) fn event(&mut self, event: &SessionEvent, account: Option<&Arc<Account>>) {
        match event {
            SessionEvent::LoggedIn { username } => {
                self.password.clear();
                self.session.username = Some(username.as_str().into());
                self.post(Notice::Login(username.clone()));
            }
            SessionEvent::LoginFailed { username } => {
                let password = std::mem::take(&mut self.password);
                let username = username.clone();
                self.post(Notice::LoginFailed { username, password });
            }
            SessionEvent::LoggedOut { username } => {
                self.post(Notice::Logout(username.clone()));
                self.session.username = None;
            }
            SessionEvent::TransferEnded {
                verb: verb @ ("RETR" | "STOR" | "APPE" | "STOU"),
                path,
                end,
                bytes,
                micros,
                upload,
                ..
            } => {
                let begun = self.transfer.take();
                let account = begun.as_ref().map(|begun| &begun.account);
                let transfer = ObservedTransfer {
                    verb,
                    file: observed(account, path),
                    transfer_type: begun.as_ref().map(|b| b.transfer_type).unwrap_or_default(),
                    secure: begun.as_ref().is_some_and(|begun| begun.secure),
                    end: end.clone(),
                    bytes: *bytes,
                    duration: Duration::from_micros(*micros),
                };
                let mut session = self.session.clone();
                if let Some(account) = account {
                    session.username = Some(account.login().username.as_str().into());
                }
                let upload = *upload;
                self.post_as(session, Notice::Transfer { upload, transfer });
            }
            SessionEvent::TransferEnded { .. } => self.transfer = None,
            SessionEvent::Changed {
                verb: "RNTO",
                path,
                to: Some(to),
            } => {
                let (from, to) = (observed(account, path), observed(account, to));
                self.post(Notice::Rename { from, to });
            }
            SessionEvent::Changed { verb, path, to } => {
                let file = observed(account, path);
                let notice = match *verb {
                    "DELE" => Notice::Delete(file),
                    "MKD" => Notice::MakeDirectory(file),
                    "RMD" => Notice::RemoveDirectory(file),
                    "SITE CHMOD" => return self.tell_mode(file),
                    "MFF" => {
                        self.tell_mode(file.clone());
                        if !std::mem::take(&mut self.sets_time) {
                            return;
                        }
                        Notice::Other {
                            verb,
                            file,
                            to: None,
                        }
                    }
                    verb => Notice::Other {
                        verb,
                        file,
                        to: to.as_ref().map(|to| observed(account, to)),
                    },
                };
                self.post(notice);
            }
            _ => {}
        }
    }

    /// Asks the observers about a command, which may be one of `commands`.
    pub(super) fn judge(&mut self, line: &[u8], commands: &[CustomCommand]) -> Judgement {
        let command = ObservedCommand::new(secrets::cut(line, commands));
        let notice = Notice::Command(command);
        let verdict = notice.tell(&self.session, &self.inline);
        if verdict != Verdict::Allow {
            return Judgement::Passed(verdict);
        }
        let asked = |observer: &Arc<dyn Observer>| observer.wants_commands();
        match &self.mailbox {
            Some(mailbox) if mailbox.observers().iter().any(asked) => {
                mailbox.post(self.session.clone(), notice);
                self.held = Some(line.to_vec());
                Judgement::Pending
            }
            Some(_) | None => Judgement::Passed(Verdict::Allow),
        }
    }

    /// The line that was held and what was said to it, once that is known.
    pub(super) fn take_judged(&mut self) -> Option<(Vec<u8>, Verdict)> {
        self.held.as_ref()?;
        let verdict = self.mailbox.as_ref()?.take_verdict()?;
        Some((self.held.take()?, verdict))
    }

    /// Whether commands are to be shown to observers first.
    pub(super) fn judges(&self) -> bool {
        self.judges
    }

    /// Whether the session's next command waits for observers.
    pub(super) fn is_busy(&self) -> bool {
        self.held.is_some() || self.mailbox.as_ref().is_some_and(Mailbox::is_busy)
    }

    /// What observers want of the session.
    pub(super) fn control(&self) -> &SessionControl {
        &self.session.control
    }

    /// Tells of the mode that the last job has set, if it has.
    fn tell_mode(&mut self, file: ObservedPath) {
        if let Some(mode) = self.mode.take() {
            self.post(Notice::SetMode { file, mode });
        }
    }

    fn post(&mut self, notice: Notice) {
        self.post_as(self.session.clone(), notice);
    }

    fn post_as(&mut self, session: ObservedSession, notice: Notice) {
        notice.tell(&session, &self.inline);
        if let Some(mailbox) = &self.mailbox {
            mailbox.post(session, notice);
        }
    }
}

fn observed(account: Option<&Arc<Account>>, path: &VirtualPath) -> ObservedPath {
    ObservedPath {
        path: path.clone(),
        real_path: account.and_then(|account| real_path(account, path)),
    }
}
