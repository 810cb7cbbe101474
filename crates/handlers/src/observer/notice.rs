//! An event on its way to the observers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ftpdlib_proto::{TransferDirection, TransferEnd};
use ftpdlib_session::Refusal;

use super::{ObservedCommand, ObservedPath, ObservedSession, ObservedTransfer, Observer, Verdict};
use crate::custom_command::last_reply;

/// What happened.
pub(crate) enum Notice {
    Connect,
    Disconnect,
    Login(String),
    LoginFailed {
        username: String,
        password: String,
    },
    Logout(String),
    Transfer(ObservedTransfer),
    Rename {
        from: ObservedPath,
        to: ObservedPath,
    },
    Delete(ObservedPath),
    MakeDirectory(ObservedPath),
    RemoveDirectory(ObservedPath),
    SetMode {
        file: ObservedPath,
        mode: u32,
    },
    Other {
        verb: &'static str,
        file: ObservedPath,
        to: Option<ObservedPath>,
    },
    Command(ObservedCommand),
}

impl Notice {
    /// Tells each of `observers`. The verdict counts for a command only: the first refusal.
    pub(crate) fn tell(
        &self,
        session: &ObservedSession,
        observers: &[Arc<dyn Observer>],
    ) -> Verdict {
        for observer in observers {
            if matches!(self, Self::Command(_)) && !observer.wants_commands() {
                continue;
            }
            // What a panic leaves behind is the observer's own.
            let told = catch_unwind(AssertUnwindSafe(|| self.call(session, &**observer)));
            let verdict = told.unwrap_or_else(|_| {
                log::error!("an observer panicked in {}", self.method());
                Verdict::Refuse(Refusal::local_error().into_reply())
            });
            if matches!(self, Self::Command(_)) && verdict != Verdict::Allow {
                return verdict;
            }
        }
        Verdict::Allow
    }

    fn call(&self, session: &ObservedSession, observer: &dyn Observer) -> Verdict {
        match self {
            Self::Connect => observer.on_connect(session),
            Self::Disconnect => observer.on_disconnect(session),
            Self::Login(username) => observer.on_login(session, username),
            Self::LoginFailed { username, password } => {
                observer.on_login_failed(session, username, password);
            }
            Self::Logout(username) => observer.on_logout(session, username),
            Self::Transfer(transfer) => match (transfer.direction, &transfer.end) {
                (TransferDirection::Download, TransferEnd::Complete) => {
                    observer.on_file_sent(session, transfer);
                }
                (TransferDirection::Download, _) => {
                    observer.on_incomplete_file_sent(session, transfer);
                }
                (TransferDirection::Upload, TransferEnd::Complete) => {
                    observer.on_file_received(session, transfer);
                }
                (TransferDirection::Upload, _) => {
                    observer.on_incomplete_file_received(session, transfer);
                }
            },
            Self::Rename { from, to } => observer.on_rename(session, from, to),
            Self::Delete(file) => observer.on_delete(session, file),
            Self::MakeDirectory(directory) => observer.on_mkdir(session, directory),
            Self::RemoveDirectory(directory) => observer.on_rmdir(session, directory),
            Self::SetMode { file, mode } => observer.on_chmod(session, file, *mode),
            Self::Other { verb, file, to } => {
                observer.on_other_change(session, verb, file, to.as_ref());
            }
            Self::Command(command) => return usable(observer.on_command(session, command)),
        }
        Verdict::Allow
    }

    fn method(&self) -> &'static str {
        match self {
            Self::Connect => "on_connect",
            Self::Disconnect => "on_disconnect",
            Self::Login(_) => "on_login",
            Self::LoginFailed { .. } => "on_login_failed",
            Self::Logout(_) => "on_logout",
            Self::Transfer(_) => "the end of a transfer",
            Self::Rename { .. } => "on_rename",
            Self::Delete(_) => "on_delete",
            Self::MakeDirectory(_) => "on_mkdir",
            Self::RemoveDirectory(_) => "on_rmdir",
            Self::SetMode { .. } => "on_chmod",
            Self::Other { .. } => "on_other_change",
            Self::Command(_) => "on_command",
        }
    }
}

/// What an observer said, with a reply that ends the command.
fn usable(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Allow => Verdict::Allow,
        Verdict::Refuse(reply) => {
            Verdict::Refuse(last_reply(reply, "an observer").unwrap_or_else(Refusal::into_reply))
        }
    }
}
