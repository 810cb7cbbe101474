//! An event for the observers.

use std::fmt;
use std::sync::Arc;

use ftpdlib_proto::{Escaped, TransferDirection, TransferEnd};
use ftpdlib_session::Refusal;

use super::{ObservedCommand, ObservedPath, ObservedSession, ObservedTransfer, Observer, Verdict};
use crate::owners_code;
use crate::settings::last_reply;

/// An event for the observers.
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
    /// Calls each of `observers`. For a command, the first refusal is the verdict.
    pub(crate) fn tell(
        &self,
        session: &ObservedSession,
        observers: &[Arc<dyn Observer>],
    ) -> Verdict {
        for observer in observers {
            let who = format_args!("an observer's {self}");
            let told = owners_code::call(session.log_prefix(), who, || {
                self.call(session, &**observer)
            });
            let verdict = told.unwrap_or_else(Verdict::local_error);
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
            // Asked here, so that a panic refuses the command, as one in `on_command` does.
            Self::Command(_) if !observer.wants_commands() => {}
            Self::Command(command) => {
                return match observer.on_command(session, command) {
                    Verdict::Allow => Verdict::Allow,
                    Verdict::Refuse(reply) => {
                        let who = format_args!("an observer's {self}");
                        let reply = last_reply(reply, &session.log_prefix(), who);
                        Verdict::Refuse(reply.unwrap_or_else(Refusal::into_reply))
                    }
                };
            }
        }
        Verdict::Allow
    }
}

/// The name of the method that is called, with its subject if that helps to find a fault.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self {
            Self::Connect => "on_connect",
            Self::Disconnect => "on_disconnect",
            Self::Login(_) => "on_login",
            Self::LoginFailed { .. } => "on_login_failed",
            Self::Logout(_) => "on_logout",
            Self::Transfer(transfer) => {
                let (verb, path) = (&transfer.verb, &transfer.file.path);
                return write!(f, "callback of a transfer ({verb} {path})");
            }
            Self::Rename { .. } => "on_rename",
            Self::Delete(_) => "on_delete",
            Self::MakeDirectory(_) => "on_mkdir",
            Self::RemoveDirectory(_) => "on_rmdir",
            Self::SetMode { .. } => "on_chmod",
            Self::Other { .. } => "on_other_change",
            Self::Command(command) => {
                return write!(f, "on_command ({})", Escaped(command.verb.as_bytes()));
            }
        };
        f.write_str(method)
    }
}
