//! The one permission check.

use std::borrow::Cow;

use ftpdlib_filesystems::{ErrorKind, FilesystemError};
use ftpdlib_proto::{EntryPerms, Perm, Perms, VirtualPath};
use ftpdlib_session::{Action, Refusal};

use super::access::{Subject, each_access};
use super::{Account, reply_of};

/// In bytes, on any disk that people use.
const LONGEST_NAME: usize = 255;

/// Refuses `action` unless the user may do what it does on every path it touches. `perm` is what
/// that takes, where it is the same for all of them.
///
/// The action stays as it is; it is `&mut` only for [`each_access`].
pub(super) fn check(account: &Account, perm: Perm, action: &mut Action) -> Result<(), Refusal> {
    each_access(action, perm, |access| {
        let (path, perm) = (&*access.path, access.perm);
        match access.subject {
            Subject::Target | Subject::Part => target(account, perm, path),
            Subject::Entry => entry(account, perm, path),
            Subject::Shown => shown(account, perm, path),
            Subject::LinkTarget if account.has_overrides() => target(account, perm, path),
            Subject::LinkTarget => Ok(()),
        }
    })
}

/// Checks what `path` leads to.
pub(super) fn target(account: &Account, perm: Perm, path: &VirtualPath) -> Result<(), Refusal> {
    allow(account, perm, path, resolved(account, path))
}

/// Whether the user may not use what `path` leads to, be it there or not.
pub(super) fn is_denied(account: &Account, perm: Perm, path: &VirtualPath) -> bool {
    !is_allowed(account, perm, path, &resolved(account, path))
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
    let place = account
        .filesystem
        .canonical(&parent)
        .and_then(|parent| Ok(Cow::Owned(parent.join(name)?)));
    allow(account, perm, path, place)
}

/// What the user may do with an entry that leads to `target`, or is it, for the `perm` fact
/// (RFC 3659 §7.5.5). Both paths are resolved. A link is renamed and deleted where it stands;
/// everything else happens where it leads. The root is never renamed or deleted.
pub(super) fn of_entry(account: &Account, entry: &VirtualPath, target: &VirtualPath) -> EntryPerms {
    let at = |path: &VirtualPath| account.authorizer.perms(&account.login, path);
    let mut own = at(target);
    // An override of a single directory holds for what lies directly in the one above, too, so
    // what may be done in a directory is asked of something in it.
    let inside = target.join(b"*").map_or(Perms::NONE, |path| at(&path));
    if entry != target || entry.is_root() {
        let (there, here) = (own, at(entry));
        let may = |perm: &Perm| match perm {
            Perm::Delete | Perm::Rename => here.contains(*perm) && !entry.is_root(),
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
    if is_allowed(account, perm, path, &resolved) {
        resolved.map(drop).map_err(reply_of)
    } else {
        Err(denied())
    }
}

fn is_allowed(
    account: &Account,
    perm: Perm,
    path: &VirtualPath,
    resolved: &Result<Cow<'_, VirtualPath>, FilesystemError>,
) -> bool {
    let has_perm = |path: &VirtualPath| account.authorizer.has_perm(&account.login, perm, path);
    match resolved {
        Ok(path) => has_perm(path),
        Err(_) => as_far_as_it_goes(account, path).is_some_and(|path| has_perm(&path)),
    }
}

/// `path`, of which something is missing or leads out, with the links before that resolved.
/// Permissions are looked up by the answer, so that nobody learns whether something exists below a
/// guarded directory. `None` where it cannot be found out.
fn as_far_as_it_goes(account: &Account, path: &VirtualPath) -> Option<VirtualPath> {
    let text = path.as_bytes();
    // Where the names of those above it end, from the root down. Those that can be resolved come
    // first, so the last of them is found by halving: a path may have two thousand names.
    let ends: Vec<_> = (0..text.len()).filter(|&at| text[at] == b'/').collect();
    let (mut low, mut high, mut found) = (0, ends.len(), None);
    // Most often only the last name is missing.
    let mut asked = high.saturating_sub(1);
    while low < high {
        let place = VirtualPath::new(&text[..ends[asked].max(1)]).ok()?;
        match account.filesystem.canonical(&place) {
            Ok(known) => {
                found = Some((known, &text[ends[asked] + 1..]));
                low = asked + 1;
            }
            Err(error) if ends_there(&place, error.kind()) => high = asked,
            Err(_) => return None,
        }
        asked = usize::midpoint(low, high);
    }
    Some(match found {
        Some((known, below)) if !path.is_root() => known.join(below).unwrap_or(known),
        _ => path.clone(),
    })
}

/// Whether nothing below `place` can be resolved, either, if that failed for this reason.
fn ends_there(place: &VirtualPath, kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::PermissionDenied
        | ErrorKind::OutsideHome
        | ErrorKind::TooManyLinks => true,
        // Otherwise only the whole is too long, and a link in it may lead back to a short path.
        ErrorKind::NameTooLong => place.components().any(|name| name.len() > LONGEST_NAME),
        // The next try may go further: a descriptor was missing, or a disk failed.
        _ => false,
    }
}

pub(super) fn denied() -> Refusal {
    Refusal::new(550, "Not enough privileges.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ftpdlib_authorizers::{DummyAuthorizer, User};
    use ftpdlib_filesystems::{Filesystem, Layer, Layered, MemoryFs};

    use super::*;
    use crate::FtpHandler;
    use crate::testing::{enter_as_user, service};

    /// Resolves `/link` to `/real`, and what has at most three names after it; counts what it is
    /// asked.
    struct Links(Arc<AtomicUsize>);

    impl Layer for Links {
        fn canonical(
            &self,
            _: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<VirtualPath, FilesystemError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if path.components().count() > 4 {
                return Err(ErrorKind::NotFound.into());
            }
            match path.as_bytes().strip_prefix(b"/link") {
                Some(rest) => Ok(VirtualPath::new([b"/real", rest].concat())?),
                None => Ok(path.clone()),
            }
        }
    }

    #[test]
    fn a_path_with_a_thousand_missing_names_was_resolved_a_thousand_times() {
        let authorizer = DummyAuthorizer::new();
        let user = User::new("user", "12345", std::env::temp_dir());
        authorizer.add_user(user).unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let handler = FtpHandler::new(authorizer).abstracted_fs(move |_| {
            let links = Links(Arc::clone(&count));
            Ok(Arc::new(Layered::new(links, Arc::new(MemoryFs::new()))))
        });
        let account = enter_as_user(&service(handler));
        let long = "/x".repeat(1000);
        // The path, what it comes to, and how often it is looked for at most.
        for (path, expected, most) in [
            ("/", "/".to_owned(), 1),
            ("/link", "/link".to_owned(), 1),
            ("/link/a/b/c/d", "/real/a/b/c/d".to_owned(), 1),
            ("/link/a/b/c/d/e/f", "/real/a/b/c/d/e/f".to_owned(), 4),
            (&format!("/link{long}"), format!("/real{long}"), 12),
        ] {
            asked.store(0, Ordering::Relaxed);
            let path = VirtualPath::new(path).unwrap();
            let got = as_far_as_it_goes(&account, &path);
            assert_eq!(got, VirtualPath::new(&expected).ok());
            assert!(asked.load(Ordering::Relaxed) <= most, "{asked:?} {path:?}");
        }
    }
}
