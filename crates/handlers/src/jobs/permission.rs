//! The one permission check.

use std::borrow::Cow;

use ftpdlib_filesystems::FilesystemError;
use ftpdlib_proto::{EntryPerms, Perm, Perms, ReplyCode, VirtualPath};
use ftpdlib_session::{Action, Refusal};

use super::{Account, refusal, reply_of};

/// Refuses `action` unless the user has `perm` on every path it touches; or what it needs instead,
/// where that is not the same for all of its paths and wishes.
pub(super) fn check(account: &Account, perm: Perm, action: &Action) -> Result<(), Refusal> {
    match action {
        Action::Login { .. } | Action::CertificateLogin { .. } => Ok(()),
        Action::ChangeDirectory(path)
        | Action::Stat(path)
        | Action::Registered { path, .. }
        | Action::SetMode { path, .. }
        | Action::SetModified { path, .. }
        | Action::OpenRead { path, .. }
        | Action::OpenWrite { path, .. }
        | Action::AvailableSpace(path) => target(account, perm, path),
        // Which of the two an argument with a `whole` means was settled before.
        Action::OpenList { whole: Some(_), .. } | Action::Digest { whole: Some(_), .. } => {
            Err(denied())
        }
        Action::Digest { path, .. } => target(account, perm, path),
        Action::FactLine { path, .. } | Action::OpenList { path, .. } => shown(account, perm, path),
        Action::Exists(path)
        | Action::Remove(path)
        | Action::MakeDirectory(path)
        | Action::RemoveDirectory(path) => entry(account, perm, path),
        Action::Rename { from, to } => {
            entry(account, perm, from)?;
            entry(account, perm, to)
        }
        Action::Symlink { link, .. } => entry(account, Perm::Store, link),
        Action::SetFacts {
            path,
            modified,
            mode,
        } => {
            if modified.is_some() {
                target(account, Perm::ChangeTime, path)?;
            }
            match mode {
                Some(_) => target(account, Perm::ChangeMode, path),
                None => Ok(()),
            }
        }
        Action::Copy { from, to } => {
            target(account, Perm::Retrieve, from)?;
            target(account, Perm::Store, to)
        }
        Action::Combine {
            target: combined,
            parts,
        } => {
            target(account, Perm::Store, combined)?;
            parts.iter().try_for_each(|part| {
                target(account, Perm::Retrieve, part)?;
                entry(account, Perm::Delete, part)
            })
        }
        // An action this check does not know is not allowed by it.
        _ => Err(denied()),
    }
}

/// Checks what `path` leads to.
pub(super) fn target(account: &Account, perm: Perm, path: &VirtualPath) -> Result<(), Refusal> {
    allow(account, perm, path, resolved(account, path))
}

/// Checks what is shown of `path`: what it leads to; or a link itself, where that leads nowhere or
/// out.
fn shown(account: &Account, perm: Perm, path: &VirtualPath) -> Result<(), Refusal> {
    if account.has_overrides() && account.filesystem.canonical(path).is_err() {
        return entry(account, perm, path);
    }
    target(account, perm, path)
}

/// Checks `path` itself: a link is judged by where it stands, not by where it leads.
fn entry(account: &Account, perm: Perm, path: &VirtualPath) -> Result<(), Refusal> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return target(account, perm, path);
    };
    if !account.has_overrides() {
        return allow(account, perm, path, Ok(Cow::Borrowed(path)));
    }
    let place = account.filesystem.canonical(&parent).map(|parent| {
        // A name that was part of a path before cannot be malformed or too long now.
        parent
            .join(name)
            .map_or_else(|_| Cow::Borrowed(path), Cow::Owned)
    });
    allow(account, perm, path, place)
}

/// What the user may do with an entry that leads to `target`, or is it, for the `perm` fact
/// (RFC 3659 §7.5.5). Both paths are resolved. A link is renamed and deleted where it stands;
/// everything else happens where it leads.
pub(super) fn of_entry(account: &Account, entry: &VirtualPath, target: &VirtualPath) -> EntryPerms {
    let at = |path: &VirtualPath| account.authorizer.perms(&account.login, path);
    let mut own = at(target);
    // An override of a single directory holds for what lies directly in the one above, too, so
    // what may be done in a directory is asked of something in it.
    let inside = target.join(b"*").map_or(Perms::NONE, |path| at(&path));
    if entry != target {
        let (there, here) = (own, at(entry));
        let may = |perm: &Perm| match perm {
            Perm::Delete | Perm::Rename => here.contains(*perm),
            _ => there.contains(*perm),
        };
        own = Perm::ALL.into_iter().filter(may).collect();
    }
    EntryPerms { own, inside }
}

/// The path by which permissions are looked up: overrides are tied to directories, so links must
/// not lead around them.
fn resolved<'a>(
    account: &Account,
    path: &'a VirtualPath,
) -> Result<Cow<'a, VirtualPath>, FilesystemError> {
    if account.has_overrides() {
        account.filesystem.canonical(path).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(path))
    }
}

/// Checks the `path` that was given by what it was `resolved` to. Where that failed, whether the
/// user is told why depends on the permission at the place where it failed.
fn allow(
    account: &Account,
    perm: Perm,
    path: &VirtualPath,
    resolved: Result<Cow<'_, VirtualPath>, FilesystemError>,
) -> Result<(), Refusal> {
    let is_allowed = |path: &VirtualPath| account.authorizer.has_perm(&account.login, perm, path);
    match resolved {
        Ok(path) if is_allowed(&path) => Ok(()),
        Err(error) if is_allowed(&as_far_as_it_goes(account, path)) => Err(reply_of(error)),
        Ok(_) | Err(_) => Err(denied()),
    }
}

/// `path`, of which something is missing or leads out, with the links before that resolved: what is
/// below a directory that is guarded is not told to be there or not.
fn as_far_as_it_goes(account: &Account, path: &VirtualPath) -> VirtualPath {
    let mut above = path.parent();
    while let Some(place) = above {
        if let Ok(known) = account.filesystem.canonical(&place) {
            let below = path.as_bytes().strip_prefix(place.as_bytes());
            let below = below.unwrap_or_default();
            let below = below.strip_prefix(b"/").unwrap_or(below);
            return known.join(below).unwrap_or(known);
        }
        above = place.parent();
    }
    path.clone()
}

pub(super) fn denied() -> Refusal {
    refusal(ReplyCode::new(550), "Not enough privileges.")
}
