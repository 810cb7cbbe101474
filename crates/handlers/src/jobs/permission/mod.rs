//! The permission check, and the paths that are used after it.

mod access;
mod pin;

use std::borrow::Cow;

use ftpdlib_filesystems::FilesystemError;
use ftpdlib_proto::{EntryPerms, Perm, Perms, VirtualPath};
use ftpdlib_session::{Action, Refusal};

use super::{Account, reply_of};
use access::{Subject, each_access};
pub(super) use pin::{Single, View, canonical_entry, pin};

/// Refuses `action` unless the user has the permissions for every path that it touches. `perm` is
/// the permission for all paths that need no particular one. `go_on` is asked before each path.
///
/// The action is not changed; it is `&mut` only for [`each_access`].
pub(super) fn check(
    account: &Account,
    perm: Perm,
    action: &mut Action,
    mut go_on: impl FnMut() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    each_access(action, perm, |access| {
        go_on()?;
        let (path, perm) = (&*access.path, access.perm);
        match access.subject {
            Subject::Target | Subject::Part => target(account, perm, path),
            Subject::Entry => entry(account, perm, path),
            Subject::NameStart => new_name(account, perm, path),
            Subject::Shown => shown(account, perm, path),
            Subject::LinkTarget if account.has_overrides() => target(account, perm, path),
            Subject::LinkTarget => Ok(()),
        }
    })
}

/// Checks the target of `path`.
pub(super) fn target(account: &Account, perm: Perm, path: &VirtualPath) -> Result<(), Refusal> {
    allow(account, perm, resolved(account, path))
}

/// Whether the user may not use the target of `path`, whether it exists or not.
pub(super) fn is_denied(account: &Account, perm: Perm, path: &VirtualPath) -> bool {
    match resolved(account, path) {
        Ok(path) => !has_perm(account, perm, &path),
        Err(error) => !may_know(account, perm, &error),
    }
}

/// Checks what is shown of `path`: its target, or the link itself if that leads nowhere or out of
/// the home.
fn shown(account: &Account, perm: Perm, path: &VirtualPath) -> Result<(), Refusal> {
    match resolved(account, path) {
        Err(error) if may_know(account, perm, &error) => entry(account, perm, path),
        resolved => allow(account, perm, resolved),
    }
}

/// Checks the entry at `path`: for a link, its place counts, not its target.
fn entry(account: &Account, perm: Perm, path: &VirtualPath) -> Result<(), Refusal> {
    let place = match account.has_overrides() {
        true => canonical_entry(&**account.filesystem(), path).map(Cow::Owned),
        false => Ok(Cow::Borrowed(path)),
    };
    allow(account, perm, place)
}

/// Checks a new name that begins as `start` does. A directory with that very name may have an
/// override, so a longer one is asked for, as the name that is made will be.
fn new_name(account: &Account, perm: Perm, start: &VirtualPath) -> Result<(), Refusal> {
    let (Some(parent), Some(name)) = (start.parent(), start.file_name()) else {
        return entry(account, perm, start);
    };
    let name = [name, b"******"].concat();
    let made = parent.join(&name).map_err(FilesystemError::from);
    entry(account, perm, &made.map_err(reply_of)?)
}

/// What the user may do with an entry that is `target` or leads to it, for the `perm` fact (RFC
/// 3659 §7.5.5). Both paths are resolved. Renaming and deleting concern the entry itself, the rest
/// its target. The root is never renamed or deleted.
pub(super) fn of_entry(account: &Account, entry: &VirtualPath, target: &VirtualPath) -> EntryPerms {
    const WHERE_IT_STANDS: Perms = Perms::of(&[Perm::Delete, Perm::Rename]);
    let at = |path: &VirtualPath| account.authorizer().perms(&account.login, path);
    let mut own = at(target);
    // A non-recursive override also holds for the subdirectories themselves, but not for what is in
    // them, so what may be done in a directory is asked of something in it.
    let inside = target.join(b"*").map_or(Perms::NONE, |path| at(&path));
    if entry.is_root() {
        own = own.without(WHERE_IT_STANDS);
    } else if entry != target {
        let here = at(entry).intersection(WHERE_IT_STANDS);
        own = own.without(WHERE_IT_STANDS).union(here);
    }
    EntryPerms { own, inside }
}

/// The path by which permissions are looked up. Overrides belong to directories, so links must not
/// lead around them.
fn resolved<'a>(
    account: &Account,
    path: &'a VirtualPath,
) -> Result<Cow<'a, VirtualPath>, FilesystemError> {
    if account.has_overrides() {
        account.filesystem().canonical(path).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(path))
    }
}

/// Checks a path after it was `resolved`.
fn allow(
    account: &Account,
    perm: Perm,
    resolved: Result<Cow<'_, VirtualPath>, FilesystemError>,
) -> Result<(), Refusal> {
    match resolved {
        Ok(path) if has_perm(account, perm, &path) => Ok(()),
        Ok(_) => Err(denied()),
        Err(error) => Err(failed(account, perm, error)),
    }
}

/// The refusal of a path that cannot be resolved.
pub(super) fn failed(account: &Account, perm: Perm, error: FilesystemError) -> Refusal {
    match may_know(account, perm, &error) {
        true => reply_of(error),
        false => denied(),
    }
}

/// Whether the user may learn why a path cannot be resolved. It must not reveal what is in a
/// guarded directory, or where its links lead.
pub(super) fn may_know(account: &Account, perm: Perm, error: &FilesystemError) -> bool {
    let places = error.places();
    !places.is_empty() && places.iter().all(|place| has_perm(account, perm, place))
}

fn has_perm(account: &Account, perm: Perm, path: &VirtualPath) -> bool {
    account.authorizer().has_perm(&account.login, perm, path)
}

pub(super) fn denied() -> Refusal {
    Refusal::new(550, "Not enough privileges.")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use ftpdlib_authorizers::{DummyAuthorizer, User};
    use ftpdlib_filesystems::{ErrorKind, Filesystem, Layer, Layered, MemoryFs};
    use ftpdlib_session::{Job, WriteHow};
    use tempfile::TempDir;

    use super::*;
    use crate::FtpHandler;
    use crate::jobs::run_work;
    use crate::jobs::time_slice::{Cancel, Scheduler, TimeSlice};
    use crate::testing::{enter_as_user, service};

    /// Finds nothing below `/none`, but has it told by the permission there; counts what it is
    /// asked.
    struct Missing(Arc<AtomicUsize>);

    impl Layer for Missing {
        fn canonical(
            &self,
            _: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<VirtualPath, FilesystemError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let missing = || FilesystemError::from(ErrorKind::NotFound);
            match path.components().next() {
                Some(b"none") => Err(missing().with_places(vec![VirtualPath::new("/none")?])),
                Some(b"placeless") => Err(missing()),
                _ => Ok(path.clone()),
            }
        }
    }

    /// A user with an override for `/guarded`, for whom `layer` lies over `files`.
    fn account(layer: impl Layer + 'static, files: MemoryFs) -> (TempDir, Arc<Account>) {
        let home = tempfile::tempdir().unwrap();
        let guarded = home.path().join("guarded");
        std::fs::create_dir(&guarded).unwrap();
        let authorizer = DummyAuthorizer::new();
        let user = User::new("user", "12345", home.path()).perm("elradfmwMT");
        authorizer.add_user(user).unwrap();
        authorizer.override_perm("user", guarded, "", true).unwrap();
        let files: Arc<dyn Filesystem> = Arc::new(Layered::new(layer, Arc::new(files)));
        let handler = FtpHandler::new(authorizer).abstracted_fs(move |_| Ok(Arc::clone(&files)));
        (home, enter_as_user(&service(handler)))
    }

    #[test]
    fn a_path_with_a_thousand_missing_names_was_resolved_a_thousand_times() {
        let asked = Arc::new(AtomicUsize::new(0));
        let (_home, account) = account(Missing(Arc::clone(&asked)), MemoryFs::new());
        let long = "/x".repeat(1000);
        for (path, expected) in [
            ("/there".to_owned(), Ok(())),
            ("/guarded/f".to_owned(), Err("Not enough privileges.")),
            ("/none/x".to_owned(), Err("No such file or directory.")),
            (format!("/none{long}"), Err("No such file or directory.")),
            // Whether that tells of something guarded is not known.
            ("/placeless/x".to_owned(), Err("Not enough privileges.")),
        ] {
            asked.store(0, Ordering::Relaxed);
            let path = VirtualPath::new(path).unwrap();
            let got = target(&account, Perm::Retrieve, &path).map_err(|refusal| refusal.text);
            assert_eq!(got, expected.map_err(Into::into), "{path:?}");
            assert_eq!(asked.load(Ordering::Relaxed), 1, "{path:?}");
        }
    }

    #[test]
    fn a_directory_whose_name_begins_a_unique_one_has_no_say_in_it() {
        let (_home, account) = account(Missing(Arc::default()), MemoryFs::new());
        for (start, expected) in [
            ("/guarded", Ok(())),
            ("/guarded/x", Err("Not enough privileges.")),
        ] {
            let mut action = Action::OpenWrite {
                path: VirtualPath::new(start).unwrap(),
                how: WriteHow::Unique,
            };
            let got = check(&account, Perm::Store, &mut action, || Ok(()));
            let got = got.map_err(|refusal| refusal.text);
            assert_eq!(got, expected.map_err(Into::into), "{start}");
        }
    }

    /// Cancels the work when it is asked for the path at this place.
    struct Cancelling(Cancel, AtomicUsize);

    impl Layer for Cancelling {
        fn canonical(
            &self,
            _: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<VirtualPath, FilesystemError> {
            match self.1.fetch_sub(1, Ordering::Relaxed) {
                1 => self.0.cancel(),
                // A part has two paths, its own and the one that it leads to.
                usize::MAX => panic!("the work goes on"),
                _ => {}
            }
            Ok(path.clone())
        }
    }

    #[test]
    fn the_paths_of_many_parts_were_resolved_although_nobody_waited_any_more() {
        let names: Vec<_> = (0..200).map(|number| format!("/{number}")).collect();
        let parts: Vec<_> = names
            .iter()
            .map(|name| VirtualPath::new(name).unwrap())
            .collect();
        // While they are checked, checked again, and looked at.
        for place in [1, 300, 700, 1100] {
            let files = MemoryFs::new();
            for name in &names {
                files.insert(name, "x").unwrap();
            }
            let cancel = Cancel::new(Arc::new(Scheduler::new(1)));
            let layer = Cancelling(cancel.clone(), AtomicUsize::new(place));
            let (_home, account) = account(layer, files);
            let job = Job {
                action: Action::Combine {
                    target: VirtualPath::new("/target").unwrap(),
                    parts: parts.clone(),
                },
                perm: Some(Perm::Store),
            };
            let done = run_work(&account, job, &mut TimeSlice::begin(cancel));
            assert_eq!(done.err().unwrap().code.value(), 426);
        }
    }
}
