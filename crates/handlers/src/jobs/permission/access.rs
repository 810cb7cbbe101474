//! Which paths an action touches, and what the user needs there: the one list by which permissions
//! are checked and paths are pinned.

use ftpdlib_proto::{Perm, VirtualPath};
use ftpdlib_session::{Action, Change, Refusal, WriteHow};

use super::denied;

/// A path that an action touches.
pub(super) struct Access<'a> {
    /// To be changed by whoever pins it, and by nobody else.
    pub(super) path: &'a mut VirtualPath,
    pub(super) subject: Subject,
    /// What the user needs there.
    pub(super) perm: Perm,
}

/// What an action touches at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Subject {
    /// What the path leads to.
    Target,
    /// The path's own entry: a link is judged by where it stands, not by where it leads.
    Entry,
    /// The start of a new name: whatever has that for its name has no part in this.
    NameStart,
    /// A part of COMB, which is read and then removed: checked as a target, but pinned as an entry,
    /// so that a part that is a link is an error.
    Part,
    /// What a link that is to be made leads to. Only whether that is there is told, so it counts
    /// for users with overrides only.
    LinkTarget,
    /// What is shown of a path: what it leads to, or a link itself, where that leads nowhere or
    /// out. It is not pinned: who shows it looks through a [`View`](super::View).
    Shown,
}

/// Calls `visit` for each path that `action` touches, until it refuses one. `perm` is what the
/// user needs there, where an action does not need something of its own.
///
/// One whose argument has two readings still is refused.
pub(super) fn each_access(
    action: &mut Action,
    perm: Perm,
    mut visit: impl FnMut(Access<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    use Subject::{Entry, LinkTarget, NameStart, Part, Shown, Target};

    let mut touch = |path: &mut VirtualPath, subject, perm| {
        visit(Access {
            path,
            subject,
            perm,
        })
    };
    match action {
        Action::OpenList { whole: Some(_), .. } | Action::Digest { whole: Some(_), .. } => {
            Err(denied())
        }
        Action::OpenWrite {
            path,
            how: WriteHow::Unique,
        } => touch(path, NameStart, perm),
        Action::Exists(path)
        | Action::Change(
            Change::Remove(path) | Change::MakeDirectory(path) | Change::RemoveDirectory(path),
        ) => touch(path, Entry, perm),
        Action::ChangeDirectory(path)
        | Action::Stat(path)
        | Action::AvailableSpace(path)
        | Action::Digest { path, .. }
        | Action::OpenRead { path, .. }
        | Action::OpenWrite { path, .. }
        | Action::Registered { path, .. } => touch(path, Target, perm),
        Action::FactLine { path, .. } | Action::OpenList { path, .. } => touch(path, Shown, perm),
        Action::Change(Change::Rename { from, to }) => {
            touch(from, Entry, perm)?;
            touch(to, Entry, perm)
        }
        Action::Change(Change::Symlink { target, link }) => {
            touch(link, Entry, Perm::Store)?;
            touch(target, LinkTarget, Perm::List)
        }
        Action::Change(Change::SetFacts {
            path,
            modified,
            mode,
        }) => {
            if modified.is_some() {
                touch(path, Target, Perm::ChangeTime)?;
            }
            match mode {
                Some(_) => touch(path, Target, Perm::ChangeMode),
                None => Ok(()),
            }
        }
        Action::Change(Change::Copy { from, to }) => {
            touch(from, Target, Perm::Retrieve)?;
            touch(to, Target, Perm::Store)
        }
        Action::Combine { target, parts } => {
            touch(target, Target, Perm::Store)?;
            parts.iter_mut().try_for_each(|part| {
                touch(part, Part, Perm::Retrieve)?;
                touch(part, Entry, Perm::Delete)
            })
        }
    }
}
