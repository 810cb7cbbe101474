//! Being told what clients do, and having a say in it.

mod events;
mod mailbox;
mod notice;
mod observed_session;

use std::sync::Arc;

use auto_impl::auto_impl;
use ftpdlib_ioloop::{Lane, Pool};
use ftpdlib_proto::Reply;

pub use events::{ObservedCommand, ObservedPath, ObservedTransfer};
pub(crate) use mailbox::{Mailbox, RETRY_DELAY};
pub(crate) use notice::Notice;
pub use observed_session::ObservedSession;
pub(crate) use observed_session::SessionControl;

/// Told of what happens in every session (pyftpdlib: the `on_…` methods of `FTPHandler`).
///
/// Every method does nothing by default, so an observer has those it cares for. They run on threads
/// that may block, one after the other for each session: the session's next command is taken once
/// they have returned, while all other sessions go on. A method that panics is logged.
///
/// While the system has no thread for it, they are called later, and commands that wait for a
/// verdict are refused with 451. If the server ends before, they are called on the event loop at
/// its end.
///
/// An observer that is [`inline`](Self::is_inline) is called on the event loop instead, which saves
/// the way to a thread and back. It must not block: everybody would wait for it.
///
/// No method is called as the user: where users of the system are served, it has root's rights.
/// What it does to files by [`ObservedPath::real_path`] is done wherever the client has that path
/// lead. What looks into uploads or changes them belongs into the [`finish`] of a filesystem's
/// files, which is called as the user. It may take its time there, unless the filesystem or its
/// [`Layer`] says that it is local.
///
/// [`finish`]: ftpdlib_filesystems::WriteFile::finish
/// [`Layer`]: ftpdlib_filesystems::Layer::is_local
///
/// # Examples
///
/// Uploads that are not complete are noted, for somebody to look at, and a verb is forbidden to all
/// but one user:
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
    /// Whether the methods are called on the event loop. They must not block then.
    fn is_inline(&self) -> bool {
        false
    }

    /// Whether [`on_command`](Self::on_command) is to be called; `true` by default. Every command
    /// waits for it, so an observer without it does well to answer `false`. ABOR waits in its turn,
    /// too: it stops no digest, copy or connect if another line that waits for that came before it.
    fn wants_commands(&self) -> bool {
        true
    }

    /// A client connected.
    ///
    /// An [`inline`](Self::is_inline) observer is called before the client is greeted, and if it
    /// [closes](ObservedSession::close) the session the client gets no greeting, only 421; under
    /// implicit TLS, nothing. One on a thread is called while the client may be greeted already.
    fn on_connect(&self, session: &ObservedSession) {}

    /// A connection was closed, by whomever. The last call for a session. Its
    /// [`username`](ObservedSession::username) is that of the user who was logged in at the end,
    /// also after QUIT; none after REIN.
    fn on_disconnect(&self, session: &ObservedSession) {}

    /// A user logged in.
    fn on_login(&self, session: &ObservedSession, username: &str) {}

    /// A login failed. Its reply waits for
    /// [`auth_failed_timeout`](crate::FtpHandler::auth_failed_timeout), not for this call.
    fn on_login_failed(&self, session: &ObservedSession, username: &str, password: &str) {}

    /// A user logged out: with QUIT or REIN, by USER once more, or by AUTH, after which nothing
    /// counts that was said in the clear. A client that just goes does not log out;
    /// [`on_disconnect`](Self::on_disconnect) tells of both.
    fn on_logout(&self, session: &ObservedSession, username: &str) {}

    /// A file was sent as a whole (RETR).
    fn on_file_sent(&self, session: &ObservedSession, transfer: &ObservedTransfer) {}

    /// A file was received as a whole (STOR, APPE, STOU).
    fn on_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {}

    /// A file was not sent to its end.
    fn on_incomplete_file_sent(&self, session: &ObservedSession, transfer: &ObservedTransfer) {}

    /// A file was not received to its end. What came is there.
    fn on_incomplete_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {}

    /// A file or directory was renamed (RNFR and RNTO).
    fn on_rename(&self, session: &ObservedSession, from: &ObservedPath, to: &ObservedPath) {}

    /// A file was deleted (DELE, or COMB, which does so with its parts).
    fn on_delete(&self, session: &ObservedSession, file: &ObservedPath) {}

    /// A directory was made (MKD).
    fn on_mkdir(&self, session: &ObservedSession, directory: &ObservedPath) {}

    /// A directory was removed (RMD).
    fn on_rmdir(&self, session: &ObservedSession, directory: &ObservedPath) {}

    /// Permission bits were set (SITE CHMOD, or MFF with `UNIX.mode`).
    fn on_chmod(&self, session: &ObservedSession, file: &ObservedPath, mode: u32) {}

    /// The filesystem was changed in another way: `verb` is MFMT, MFF with `Modify`, MDTM, COMB,
    /// CPTO, SITE UTIME, SITE COPY or SITE SYMLINK. Copies and links have two paths, that of the
    /// new file last. Of COMB it is the target, and [`on_delete`](Self::on_delete) tells of the
    /// parts.
    fn on_other_change(
        &self,
        session: &ObservedSession,
        verb: &'static str,
        file: &ObservedPath,
        to: Option<&ObservedPath>,
    ) {
    }

    /// A command came. It is carried out if this, and every other observer, allows it; its session
    /// waits for the answer, and nobody else does. One that panics refuses.
    fn on_command(&self, session: &ObservedSession, command: &ObservedCommand) -> Verdict {
        Verdict::Allow
    }
}

/// What an observer says to a command. Complete: it is carried out or not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Go on.
    Allow,
    /// Do nothing, and answer this. It has to be the command's last reply: for a preliminary one
    /// the client is told 451, and the log why. 421 ends the session, and aborts a transfer in
    /// progress.
    Refuse(Reply),
}

/// Most sessions whose observers are called on threads at once: pyftpdlib's `max_cons`.
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

    /// Whether any of them wants to see commands.
    pub(crate) fn want_commands(&self) -> bool {
        let mut all = self.inline.iter().chain(&*self.blocking);
        all.any(|observer| observer.wants_commands())
    }
}

#[cfg(test)]
mod tests;
