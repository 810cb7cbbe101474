//! Paths that stay what they were when permissions were checked.

use std::sync::Arc;

use ftpdlib_filesystems::FilesystemError;
use ftpdlib_proto::VirtualPath;
use ftpdlib_session::{Action, Refusal};

use super::{Account, reply_of};

/// For a user with overrides: the account and the action by canonical paths, on which no link is
/// followed any more. Permissions are checked, and files opened, by the very same names then, so
/// that another session which swaps a link in between gets an error and not what is guarded.
///
/// What only looks at names and facts is left as it is: listings show links as what they lead to.
pub(super) fn pin(account: &Arc<Account>, action: &mut Action) -> Result<Arc<Account>, Refusal> {
    let as_it_is = || Ok(Arc::clone(account));
    if !account.has_overrides() || !opens_or_changes(action) {
        return as_it_is();
    }
    let Some(pinned) = account.without_links()? else {
        return as_it_is();
    };
    pin_paths(account, action).map_err(reply_of)?;
    Ok(pinned)
}

fn opens_or_changes(action: &Action) -> bool {
    matches!(
        action,
        Action::OpenRead { .. }
            | Action::OpenWrite { .. }
            | Action::Digest { .. }
            | Action::SetMode { .. }
            | Action::SetModified { .. }
            | Action::SetFacts { .. }
            | Action::Remove(_)
            | Action::MakeDirectory(_)
            | Action::RemoveDirectory(_)
            | Action::Rename { .. }
            | Action::Symlink { .. }
            | Action::Copy { .. }
            | Action::Combine { .. }
    )
}

fn pin_paths(account: &Account, action: &mut Action) -> Result<(), FilesystemError> {
    match action {
        Action::OpenRead { path, .. }
        | Action::OpenWrite { path, .. }
        | Action::Digest { path, .. }
        | Action::SetMode { path, .. }
        | Action::SetModified { path, .. }
        | Action::SetFacts { path, .. } => target(account, path),
        Action::Remove(path) | Action::MakeDirectory(path) | Action::RemoveDirectory(path) => {
            entry(account, path)
        }
        Action::Rename { from, to } => {
            entry(account, from)?;
            entry(account, to)
        }
        Action::Symlink { link, .. } => entry(account, link),
        Action::Copy { from, to } => {
            target(account, from)?;
            target(account, to)
        }
        // A part is read and then removed, so it cannot be a link here.
        Action::Combine {
            target: combined,
            parts,
        } => {
            target(account, combined)?;
            parts.iter_mut().try_for_each(|part| entry(account, part))
        }
        _ => Ok(()),
    }
}

/// Pins what `path` leads to.
fn target(account: &Account, path: &mut VirtualPath) -> Result<(), FilesystemError> {
    *path = account.filesystem.canonical(path)?;
    Ok(())
}

/// Pins `path` itself, which may be a link.
fn entry(account: &Account, path: &mut VirtualPath) -> Result<(), FilesystemError> {
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
        // A name that was part of a path before cannot be malformed now.
        *path = account.filesystem.canonical(&parent)?.join(name)?;
    }
    Ok(())
}
