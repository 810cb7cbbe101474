//! The observers of one session: telling them what happens, and doing what they ask for.

use std::sync::Arc;
use std::time::Instant;

use ftpdlib_ioloop::{Context, Notifier};
use ftpdlib_proto::{Transferred, Verb, VirtualPath};
use ftpdlib_session::{Change, SessionEvent};

use super::secrets;
use super::transfer::Begun;
use crate::Service;
use crate::client::Client;
use crate::jobs::{Account, real_path};
use crate::observer::{
    Mailbox, Notice, ObservedCommand, ObservedPath, ObservedSession, ObservedTransfer, Observer,
    RETRY_DELAY, SessionControl, Verdict, any_wants_commands,
};

/// The observers of a session; only there if the server has observers.
pub(super) struct Watch {
    session: ObservedSession,
    inline: Arc<[Arc<dyn Observer>]>,
    mailbox: Option<Mailbox>,
    /// Whether any observer may veto commands.
    judges: bool,
    /// When to ask for a thread for the observers again, if there was none.
    retry: Option<Instant>,
    /// Whether an inline observer has closed the session before the greeting.
    turned_away: bool,
    /// A line that waits for the observers' verdict.
    held: Option<Vec<u8>>,
}

/// What the observers say to a command.
pub(super) enum Judgement {
    /// The command, or the reply of an observer in its place, is handed to the session.
    Passed(Verdict),
    /// Its line is held until the observers have answered.
    Pending,
}

impl Watch {
    /// Tells the server's observers, if there are any, that `client` has connected.
    pub(super) fn begin(client: &Client, id: u64, notifier: Notifier) -> Option<Box<Self>> {
        let observers = &client.service.observers;
        if observers.is_empty() {
            return None;
        }
        let log_prefix = client.service.log_prefix.clone();
        let control = Arc::new(SessionControl::new(notifier, log_prefix));
        let session = ObservedSession {
            id,
            peer: client.peer,
            local: client.local,
            username: None,
            secure: false,
            control,
        };
        let mailbox = (!observers.blocking.is_empty())
            .then(|| Mailbox::new(observers.lane.clone(), Arc::clone(&observers.blocking)));
        let judges = observers.want_commands(&session);
        let mut watch = Box::new(Self {
            session,
            inline: Arc::clone(&observers.inline),
            mailbox,
            judges,
            retry: None,
            turned_away: false,
            held: None,
        });
        Notice::Connect.tell(&watch.session, &watch.inline);
        // Observers on threads may be called too late for the greeting, so they have no say in it.
        watch.turned_away = watch.session.control.is_to_close();
        watch.deliver(watch.session.clone(), Notice::Connect);
        Some(watch)
    }

    /// Whether an inline observer has closed the session before the greeting.
    pub(super) fn is_turned_away(&self) -> bool {
        self.turned_away
    }

    /// Tells the observers that the session is over. `account` is the user's, also after QUIT, when
    /// the session has no user.
    ///
    /// Observers on a thread are told with the session itself: its note is dropped there, unless
    /// they keep it.
    pub(super) fn end(self, account: Option<&Account>, cx: &mut Context<'_>) {
        let Self {
            mut session,
            inline,
            mailbox,
            ..
        } = self;
        if let (None, Some(account)) = (&session.username, account) {
            session.username = Some(account.login().username.as_str().into());
        }
        Notice::Disconnect.tell(&session, &inline);
        if let Some(mailbox) = mailbox
            && !has_told(&mailbox, &session, &Notice::Disconnect)
            && !mailbox.post(session, Notice::Disconnect)
        {
            mailbox.leave(cx);
        }
    }

    /// Asks for a thread again, if it is time.
    pub(super) fn retry(&mut self, now: Instant) {
        if let (Some(at), Some(mailbox)) = (self.retry, &self.mailbox)
            && at <= now
        {
            self.retry = (!mailbox.try_again()).then(|| now + RETRY_DELAY);
        }
    }

    /// Notes that the control connection is under TLS.
    pub(super) fn note_secured(&mut self) {
        self.session.secure = true;
    }

    /// Tells the observers about an event in the session of `account`; `begun` is the transfer that
    /// has ended, if one has.
    pub(super) fn event(
        &mut self,
        event: SessionEvent,
        account: Option<&Arc<Account>>,
        begun: Option<&Begun>,
    ) {
        match event {
            SessionEvent::LoggedIn { username } => {
                self.session.username = Some(username.as_str().into());
                self.post(Notice::Login(username));
            }
            SessionEvent::LoginFailed { username, password } => {
                let password = password.map_or_else(String::new, |given| given.0.as_ref().into());
                self.post(Notice::LoginFailed { username, password });
            }
            SessionEvent::LoggedOut { username } => {
                self.post(Notice::Logout(username));
                self.session.username = None;
            }
            SessionEvent::TransferEnded {
                verb,
                path,
                end,
                bytes,
                duration,
                ..
            } => {
                let Some(Transferred::File(direction)) = verb.transfers() else {
                    return;
                };
                let account = begun.map(|begun| &begun.account);
                self.post_transfer(
                    account,
                    ObservedTransfer {
                        verb: verb.info().name,
                        direction,
                        file: observed(account, path),
                        transfer_type: begun.map(|begun| begun.transfer_type).unwrap_or_default(),
                        secure: begun.is_some_and(|begun| begun.secure),
                        end,
                        bytes,
                        duration,
                    },
                );
            }
            SessionEvent::ForeignData { .. } | SessionEvent::DataUnused => {}
            SessionEvent::Changed { verb, change } => self.post_change(verb, change, account),
            SessionEvent::Combined { target, removed } => {
                self.post(Notice::Other {
                    verb: Verb::Comb.info().name,
                    file: observed(account, target),
                    to: None,
                });
                for part in removed {
                    self.post(Notice::Delete(observed(account, part)));
                }
            }
        }
    }

    /// Reports a transfer under the name of the user who began it.
    fn post_transfer(&mut self, account: Option<&Arc<Account>>, transfer: ObservedTransfer) {
        let mut session = self.session.clone();
        if let Some(account) = account {
            session.username = Some(account.login().username.as_str().into());
        }
        self.post_as(session, Notice::Transfer(transfer));
    }

    fn post_change(&mut self, verb: Verb, change: Change, account: Option<&Arc<Account>>) {
        let observed = |path| observed(account, path);
        let other = |file, to| Notice::Other {
            verb: verb.info().name,
            file,
            to,
        };
        let notice = match change {
            Change::Rename { from, to } => Notice::Rename {
                from: observed(from),
                to: observed(to),
            },
            Change::Remove(path) => Notice::Delete(observed(path)),
            Change::MakeDirectory(path) => Notice::MakeDirectory(observed(path)),
            Change::RemoveDirectory(path) => Notice::RemoveDirectory(observed(path)),
            Change::SetFacts {
                path,
                modified,
                mode,
            } => {
                let file = observed(path);
                if let Some(mode) = mode {
                    let file = file.clone();
                    self.post(Notice::SetMode { file, mode });
                }
                if modified.is_none() {
                    return;
                }
                other(file, None)
            }
            Change::Copy { from, to } => other(observed(from), Some(observed(to))),
            Change::Symlink { target, link } => other(observed(target), Some(observed(link))),
        };
        self.post(notice);
    }

    /// Asks the observers about a command.
    pub(super) fn judge(&mut self, line: &[u8], service: &Service) -> Judgement {
        let command = ObservedCommand::new(secrets::cut(line, service));
        let notice = Notice::Command(command);
        let verdict = notice.tell(&self.session, &self.inline);
        if verdict != Verdict::Allow {
            return Judgement::Passed(verdict);
        }
        match &self.mailbox {
            Some(mailbox) if any_wants_commands(&self.session, mailbox.observers()) => {
                if let Some(observers) = mailbox.callable_here(&self.session) {
                    return Judgement::Passed(notice.tell(&self.session, observers));
                }
                self.deliver(self.session.clone(), notice);
                self.held = Some(line.to_vec());
                Judgement::Pending
            }
            Some(_) | None => Judgement::Passed(Verdict::Allow),
        }
    }

    /// The held line with the observers' verdict, once they have answered.
    pub(super) fn take_judged(&mut self) -> Option<(Vec<u8>, Verdict)> {
        self.held.as_ref()?;
        let verdict = self.mailbox.as_ref()?.take_verdict()?;
        Some((self.held.take()?, verdict))
    }

    /// Whether observers may veto commands.
    pub(super) fn judges(&self) -> bool {
        self.judges
    }

    /// Whether a line waits for the observers' verdict.
    pub(super) fn holds_line(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the next command has to wait for observers.
    pub(super) fn is_busy(&self) -> bool {
        self.holds_line() || self.mailbox.as_ref().is_some_and(Mailbox::is_busy)
    }

    /// When to ask for a thread again, if there was none.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry
    }

    /// What observers have asked for.
    pub(super) fn control(&self) -> &SessionControl {
        &self.session.control
    }

    fn post(&mut self, notice: Notice) {
        self.post_as(self.session.clone(), notice);
    }

    fn post_as(&mut self, session: ObservedSession, notice: Notice) {
        notice.tell(&session, &self.inline);
        self.deliver(session, notice);
    }

    /// Calls the observers that are not inline, on a thread if need be.
    fn deliver(&mut self, session: ObservedSession, notice: Notice) {
        let Some(mailbox) = &self.mailbox else {
            return;
        };
        if has_told(mailbox, &session, &notice) || mailbox.post(session, notice) {
            self.retry = None;
        } else {
            self.retry
                .get_or_insert_with(|| Instant::now() + RETRY_DELAY);
        }
    }
}

/// Calls the observers of `mailbox` here, if none of them may block.
fn has_told(mailbox: &Mailbox, session: &ObservedSession, notice: &Notice) -> bool {
    let observers = mailbox.callable_here(session);
    observers.is_some_and(|observers| {
        notice.tell(session, observers);
        true
    })
}

fn observed(account: Option<&Arc<Account>>, path: VirtualPath) -> ObservedPath {
    ObservedPath {
        real_path: account.and_then(|account| real_path(account, &path)),
        path,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::{self, Sender};
    use std::thread::{self, ThreadId};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_ioloop::{Flow, Handler, Ready, SourceId};

    use super::*;
    use crate::FtpHandler;
    use crate::testing::{alone, local, peer, service};

    struct Silent;

    impl Observer for Silent {}

    /// A note that tells which thread drops it.
    struct Told(Sender<ThreadId>);

    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }

    /// A session that ends at once.
    struct Ending(Arc<Service>);

    impl Handler for Ending {
        fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
            let client = Client {
                service: Arc::clone(&self.0),
                peer: peer(),
                local: local(),
                own: None,
            };
            let watch = Watch::begin(&client, 1, cx.notifier()).unwrap();
            let (dropped, told) = mpsc::channel();
            watch.session.set_note(Told(dropped));
            watch.end(None, cx);
            assert_ne!(told.recv().unwrap(), thread::current().id());
            Ok(())
        }

        fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    #[test]
    fn others_waited_while_the_note_of_a_session_that_had_ended_was_dropped() {
        let handler = FtpHandler::new(DummyAuthorizer::new()).observer(Silent);
        alone(Ending(service(handler)));
    }
}
