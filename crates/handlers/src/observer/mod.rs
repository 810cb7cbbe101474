//! Observers: code that is told what clients do, and may veto commands.

mod events;
mod mailbox;
mod notice;
mod observed_session;

use std::sync::Arc;

use auto_impl::auto_impl;
use ftpdlib_ioloop::{Lane, Pool};
use ftpdlib_proto::Reply;
use ftpdlib_session::Refusal;

pub use events::{ObservedCommand, ObservedPath, ObservedTransfer};
pub(crate) use mailbox::{Mailbox, RETRY_DELAY};
pub(crate) use notice::Notice;
pub use observed_session::ObservedSession;
pub(crate) use observed_session::SessionControl;

use crate::owners_code;

/// Receives the events of every session (pyftpdlib: the `on_…` methods of `FTPHandler`).
///
/// By default every method does nothing. The methods run on threads and may block. They are called
/// one after the other for each session: its next command is taken after they have returned, while
/// all other sessions continue. Panics are logged.
///
/// If the system has no thread for them, they are called later, and commands that wait for a
/// verdict are refused with 451. If the server ends before, they are called on the event loop at
/// its end.
///
/// An [`inline`](Self::is_inline) observer is called on the event loop instead, which saves the way
/// to a thread and back. It must not block: all clients would wait for it. An observer that blocks
/// only at times says when it [may](Self::may_block).
///
/// No method acts as the user: if users of the system are served, it has root's rights. The client
/// decides where [`ObservedPath::real_path`] leads when a method uses it. Code that inspects or
/// changes uploads belongs in the [`finish`] of a filesystem's files, which acts as the user. It
/// may take its time there, unless the filesystem or its [`Layer`] says that it is local.
///
/// [`finish`]: ftpdlib_filesystems::WriteFile::finish
/// [`Layer`]: ftpdlib_filesystems::Layer::is_local
///
/// # Examples
///
/// Incomplete uploads are logged, and a command is forbidden to all but one user:
///
/// ```
/// use ftpdlib_handlers::{ObservedCommand, ObservedSession, ObservedTransfer, Observer, Verdict};
/// use ftpdlib_proto::Reply;
///
/// struct House;
///
/// impl Observer for House {
///     fn on_incomplete_file_received(&self, _: &ObservedSession, upload: &ObservedTransfer) {
///         // Not removed: the path may lead elsewhere by now, and this is not done as the user.
///         log::warn!("incomplete: {} ({} bytes)", upload.file.path, upload.bytes);
///     }
///
///     fn on_command(&self, session: &ObservedSession, command: &ObservedCommand) -> Verdict {
///         match (command.verb.as_str(), session.username()) {
///             ("DELE", Some("admin")) => Verdict::Allow,
///             ("DELE", _) => Verdict::Refuse(Reply::new(550, "Ask the admin.")),
///             _ => Verdict::Allow,
///         }
///     }
/// }
/// ```
#[auto_impl(Arc, Box)]
#[expect(
    unused_variables,
    reason = "the names of parameters are their documentation"
)]
pub trait Observer: Send + Sync {
    /// Whether the methods are called on the event loop, where they must not block; `false` by
    /// default.
    fn is_inline(&self) -> bool {
        false
    }

    /// Whether the methods may block now; `true` by default.
    ///
    /// Observers that are not [`inline`](Self::is_inline) are asked on the event loop, right before
    /// each event. If none of them may block, and no earlier event of the session waits for a
    /// thread, they are called there too. A panic counts as `true`.
    ///
    /// # Examples
    ///
    /// Uploads are noted in a file on a local disk, which no client waits for, or in a pipe, which
    /// may have no active reader:
    ///
    /// ```
    /// use std::fs::File;
    /// use std::io::Write;
    ///
    /// use ftpdlib_handlers::{ObservedSession, ObservedTransfer, Observer};
    ///
    /// struct Uploads {
    ///     out: File,
    ///     is_pipe: bool,
    /// }
    ///
    /// impl Observer for Uploads {
    ///     fn may_block(&self) -> bool {
    ///         self.is_pipe
    ///     }
    ///
    ///     fn on_file_received(&self, _: &ObservedSession, upload: &ObservedTransfer) {
    ///         if let Err(error) = writeln!(&self.out, "{}", upload.file.path) {
    ///             log::error!("cannot note an upload: {error}");
    ///         }
    ///     }
    /// }
    /// ```
    fn may_block(&self) -> bool {
        true
    }

    /// Whether [`on_command`](Self::on_command) should be called; `true` by default. Every command
    /// waits for it, so an observer that does not use it should return `false`. ABOR waits for its
    /// turn too: it cannot stop a digest, a copy or a connect that an earlier line waits for. A
    /// panic refuses the command.
    fn wants_commands(&self) -> bool {
        true
    }

    /// A client has connected.
    ///
    /// An [`inline`](Self::is_inline) observer is called before the greeting. If it
    /// [closes](ObservedSession::close) the session, the client gets 421 instead of a greeting;
    /// under implicit TLS, nothing. An observer on a thread may be called after the greeting.
    fn on_connect(&self, session: &ObservedSession) {}

    /// A connection was closed, by either side. This is the last call for a session. Its
    /// [`username`](ObservedSession::username) is the user who was logged in at the end, also after
    /// QUIT; none after REIN.
    fn on_disconnect(&self, session: &ObservedSession) {}

    /// A user has logged in.
    fn on_login(&self, session: &ObservedSession, username: &str) {}

    /// A login has failed. Its reply waits for
    /// [`auth_failed_timeout`](crate::FtpHandler::auth_failed_timeout), not for this call.
    fn on_login_failed(&self, session: &ObservedSession, username: &str, password: &str) {}

    /// A user has logged out: with QUIT or REIN, by another USER, or by AUTH, which voids what was
    /// sent in the clear. A client that just disconnects does not log out;
    /// [`on_disconnect`](Self::on_disconnect) is called in both cases.
    fn on_logout(&self, session: &ObservedSession, username: &str) {}

    /// A file was sent completely (RETR).
    fn on_file_sent(&self, session: &ObservedSession, transfer: &ObservedTransfer) {}

    /// A file was received completely (STOR, APPE, STOU).
    fn on_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {}

    /// A file was not sent to its end.
    fn on_incomplete_file_sent(&self, session: &ObservedSession, transfer: &ObservedTransfer) {}

    /// A file was not received to its end. What has come is in the file.
    fn on_incomplete_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {}

    /// A file or directory was renamed (RNFR and RNTO).
    fn on_rename(&self, session: &ObservedSession, from: &ObservedPath, to: &ObservedPath) {}

    /// A file was deleted (DELE, or COMB, which deletes its parts).
    fn on_delete(&self, session: &ObservedSession, file: &ObservedPath) {}

    /// A directory was made (MKD).
    fn on_mkdir(&self, session: &ObservedSession, directory: &ObservedPath) {}

    /// A directory was removed (RMD).
    fn on_rmdir(&self, session: &ObservedSession, directory: &ObservedPath) {}

    /// Permission bits were set (SITE CHMOD, or MFF with `UNIX.mode`).
    fn on_chmod(&self, session: &ObservedSession, file: &ObservedPath, mode: u32) {}

    /// The filesystem was changed in another way: `verb` is MFMT, MFF with `Modify`, MDTM, COMB,
    /// CPTO, SITE UTIME, SITE COPY or SITE SYMLINK. Copies and links have two paths, that of the
    /// new file last. COMB has its target; [`on_delete`](Self::on_delete) is called for its parts.
    fn on_other_change(
        &self,
        session: &ObservedSession,
        verb: &'static str,
        file: &ObservedPath,
        to: Option<&ObservedPath>,
    ) {
    }

    /// A command has come. It is carried out if every observer allows it. Only its session waits
    /// for the answer. A panic refuses the command.
    fn on_command(&self, session: &ObservedSession, command: &ObservedCommand) -> Verdict {
        Verdict::Allow
    }
}

/// An observer's answer to a command. The enum is complete.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Carry it out.
    Allow,
    /// Do nothing, and send this reply. It must be the command's last one: instead of a preliminary
    /// reply the client gets 451, with the reason in the log. 421 ends the session, and aborts a
    /// transfer in progress.
    Refuse(Reply),
}

impl Verdict {
    /// What a command gets whose observers could not be asked.
    fn local_error() -> Self {
        Self::Refuse(Refusal::local_error().into_reply())
    }
}

/// Most sessions whose observers are called on threads at the same time: pyftpdlib's `max_cons`.
const THREADS: usize = 512;

/// The observers of a server.
pub(crate) struct Observers {
    pub(crate) inline: Arc<[Arc<dyn Observer>]>,
    pub(crate) blocking: Arc<[Arc<dyn Observer>]>,
    pub(crate) lane: Lane,
}

impl Observers {
    pub(crate) fn new(observers: Vec<Arc<dyn Observer>>, pool: &Pool) -> Self {
        let (inline, blocking): (Vec<_>, Vec<_>) = observers
            .into_iter()
            .partition(|observer| observer.is_inline());
        Self {
            inline: inline.into(),
            blocking: blocking.into(),
            lane: pool.lane("observer", THREADS),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inline.is_empty() && self.blocking.is_empty()
    }

    /// Whether any of them may veto commands in `session`.
    pub(crate) fn want_commands(&self, session: &ObservedSession) -> bool {
        any_wants_commands(session, self.inline.iter().chain(&*self.blocking))
    }
}

/// Whether any of `observers` may block at the next event in `session`, or panics when asked.
fn any_may_block(session: &ObservedSession, observers: &[Arc<dyn Observer>]) -> bool {
    let may_block = owners_code::call(session.log_prefix(), "an observer's may_block", || {
        observers.iter().any(|observer| observer.may_block())
    });
    may_block.unwrap_or(true)
}

/// Whether any of `observers` may veto commands in `session`. After a panic one does: when it is
/// asked for its verdict, it either panics again, which refuses the command, or knows.
pub(crate) fn any_wants_commands<'a>(
    session: &ObservedSession,
    observers: impl IntoIterator<Item = &'a Arc<dyn Observer>>,
) -> bool {
    let mut observers = observers.into_iter();
    let wanted = owners_code::call(session.log_prefix(), "an observer's wants_commands", || {
        observers.any(|observer| observer.wants_commands())
    });
    wanted.unwrap_or(true)
}

#[cfg(test)]
mod tests;
