//! Pinned paths: what permissions were checked for is what is used.

use std::sync::Arc;

use ftpdlib_filesystems::{Filesystem, FilesystemError};
use ftpdlib_proto::{EntryPerms, FileKind, Metadata, Perm, VirtualPath};
use ftpdlib_session::{Action, Refusal};

use super::super::{Account, permission};
use super::access::{Subject, each_access};

/// For a user with overrides: turns the paths of an action into canonical ones, on which no link is
/// followed any more. Permissions are then checked and files opened by the very same names, so that
/// swapping a link in between leads to an error, and not to a guarded file. `go_on` is asked before
/// each path.
///
/// Listings show links as such, so they use a [`View`] instead.
pub(crate) fn pin(
    account: &Arc<Account>,
    perm: Perm,
    action: &mut Action,
    mut go_on: impl FnMut() -> Result<(), Refusal>,
) -> Result<Arc<Account>, Refusal> {
    let as_it_is = || Ok(Arc::clone(account));
    if !account.has_overrides() || is_shown(action, perm)? {
        return as_it_is();
    }
    let Some(pinned) = account.without_links()? else {
        return as_it_is();
    };
    each_access(action, perm, |access| {
        go_on()?;
        let path = match access.subject {
            Subject::Target | Subject::LinkTarget => account.filesystem().canonical(access.path),
            Subject::Entry | Subject::NameStart | Subject::Part => {
                canonical_entry(&**account.filesystem(), access.path)
            }
            Subject::Shown => return Ok(()),
        };
        *access.path = path.map_err(|error| permission::failed(account, access.perm, error))?;
        Ok(())
    })?;
    Ok(pinned)
}

/// Whether `action` shows what is at a path, and so uses a [`View`].
fn is_shown(action: &mut Action, perm: Perm) -> Result<bool, Refusal> {
    let mut is_shown = false;
    each_access(action, perm, |access| {
        is_shown |= access.subject == Subject::Shown;
        Ok(())
    })?;
    Ok(is_shown)
}

/// What is shown of a path. For a user with overrides, canonical paths are checked and used, as
/// with [`pin`].
pub(crate) struct View {
    pub(crate) filesystem: Arc<dyn Filesystem>,
    /// The target of the path; `entry` if there is none.
    pub(crate) target: VirtualPath,
    /// The entry with the path's name, which may be a link.
    entry: VirtualPath,
    /// Whether the user may look at `entry` itself too.
    shows_entry: bool,
}

impl View {
    pub(crate) fn new(account: &Account, path: &VirtualPath) -> Result<Self, Refusal> {
        let pinned = match account.has_overrides() {
            true => account.without_links()?,
            false => None,
        };
        let Some(pinned) = pinned else {
            return Ok(Self {
                filesystem: Arc::clone(account.filesystem()),
                target: path.clone(),
                entry: path.clone(),
                shows_entry: true,
            });
        };
        let failed = |error| permission::failed(account, Perm::List, error);
        let place = canonical_entry(&**account.filesystem(), path).map_err(failed)?;
        let target = match account.filesystem().canonical(&place) {
            Err(error) if permission::may_know(account, Perm::List, &error) => place.clone(),
            target => target.map_err(failed)?,
        };
        permission::target(&pinned, Perm::List, &target)?;
        Ok(Self {
            filesystem: Arc::clone(pinned.filesystem()),
            target,
            shows_entry: permission::target(&pinned, Perm::List, &place).is_ok(),
            entry: place,
        })
    }

    /// The facts of the path's target, or of the entry itself.
    pub(crate) fn facts(&self) -> Result<Metadata, FilesystemError> {
        let target = self.filesystem.stat(&self.target);
        match self.shows_entry {
            true => target.or_else(|_| self.filesystem.lstat(&self.entry)),
            false => target,
        }
    }

    /// The entry with the path's name: name, facts and, for a link, its target. A link that the
    /// user may not look at is replaced by its target.
    pub(crate) fn single(&self) -> Result<Single, FilesystemError> {
        let fs = &*self.filesystem;
        let shown = match self.shows_entry {
            true => &self.entry,
            false => &self.target,
        };
        let metadata = fs.lstat(shown)?;
        let target = match metadata.kind {
            FileKind::Symlink => fs.readlink(shown).ok(),
            FileKind::File | FileKind::Directory | FileKind::Other => None,
        };
        Ok(Single {
            name: self.entry.file_name().unwrap_or(b"/").to_vec(),
            metadata,
            target,
        })
    }

    /// The facts that MLST shows, and what the user may do.
    pub(crate) fn shown(
        &self,
        account: &Account,
    ) -> Result<(Metadata, EntryPerms), FilesystemError> {
        if account.shows_links() {
            let own = self.single()?.metadata;
            if own.kind == FileKind::Symlink {
                return Ok((own, permission::of_entry(account, &self.entry, &self.entry)));
            }
        }
        let perms = permission::of_entry(account, &self.entry, &self.target);
        Ok((self.facts()?, perms))
    }
}

/// The only entry that is shown for a path that is not a directory.
pub(crate) struct Single {
    pub(crate) name: Vec<u8>,
    pub(crate) metadata: Metadata,
    /// The target of a link.
    pub(crate) target: Option<Vec<u8>>,
}

/// Resolves the links on the way to `path`, but not its last component.
pub(crate) fn canonical_entry(
    fs: &dyn Filesystem,
    path: &VirtualPath,
) -> Result<VirtualPath, FilesystemError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(path.clone());
    };
    let parent = fs.canonical(&parent)?;
    // The name was part of a path before, so it is valid, but the path may be too long.
    let path = parent.join(name).map_err(FilesystemError::from);
    path.map_err(|error| error.with_places(vec![parent]))
}
