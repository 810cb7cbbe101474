//! The paths that an action touches, and the permission that the user needs for each: the one list
//! for checking permissions and for pinning paths.

use ftpdlib_proto::{Perm, VirtualPath};
use ftpdlib_session::{Action, Change, Refusal, WriteHow};

use super::denied;

/// A path that an action touches.
pub(super) struct Access<'a> {
    /// Mutable for pinning only.
    pub(super) path: &'a mut VirtualPath,
    pub(super) subject: Subject,
    /// The permission that the user needs.
    pub(super) perm: Perm,
}

/// What an action touches at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Subject {
    /// The target that the path leads to.
    Target,
    /// The entry itself: for a link, its place counts, not its target.
    Entry,
    /// The beginning of a new name. An existing file of that name is not touched.
    NameStart,
    /// A part of COMB, which is read and then removed. It is checked as a target but pinned as an
    /// entry, so that a part that is a link is an error.
    Part,
    /// The target of a new link. It reveals only whether something is there, so it is checked only
    /// for users with overrides.
    LinkTarget,
    /// What is shown of a path: its target, or the link itself if that leads nowhere or out of the
    /// home. It is not pinned: it is shown through a [`View`](super::View).
    Shown,
}

/// Calls `visit` for each path that `action` touches, until it refuses one. `perm` is the
/// permission that the user needs, unless the action needs a particular one.
///
/// An action whose argument still has two readings is refused.
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
