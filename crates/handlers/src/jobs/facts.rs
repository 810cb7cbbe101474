//! Facts of files and directories, and what the user may do with them.

use ftpdlib_filesystems::Listing;
use ftpdlib_proto::{EntryPerms, FactSet, FileKind, Metadata, Perm, VirtualPath, format_facts};
use ftpdlib_session::Refusal;

use super::permission::View;
use super::{Account, permission, reply_of};

/// The line of MLST: facts, a blank, and the whole path, in disk bytes.
pub(super) fn fact_line(
    account: &Account,
    path: &VirtualPath,
    facts: FactSet,
) -> Result<Vec<u8>, Refusal> {
    let view = View::new(account, path)?;
    let (metadata, perms) = view.shown(account).map_err(reply_of)?;
    let mut line = Vec::new();
    format_facts(&mut line, facts, &metadata, perms, account.zone());
    line.extend_from_slice(path.as_bytes());
    Ok(line)
}

/// Facts of what the entry `name` leads to, given its `own` ones. If it is a link that leads
/// nowhere, or if links are shown, they are the link's own.
pub(super) fn followed(
    account: &Account,
    listing: &dyn Listing,
    name: &[u8],
    own: Metadata,
) -> Metadata {
    match own.kind {
        FileKind::Symlink if !account.shows_links() => listing.stat(name).unwrap_or(own),
        FileKind::Symlink | FileKind::File | FileKind::Directory | FileKind::Other => own,
    }
}

/// Facts of what the entry `name` of the directory `place` leads to, for a user with overrides, and
/// what that user may do with it. They are a link's own if links are shown, or if it leads nowhere
/// or to where the user may not look.
pub(super) fn judged(
    account: &Account,
    place: &VirtualPath,
    name: &[u8],
    own: Metadata,
) -> (Metadata, EntryPerms) {
    let Ok(path) = place.join(name) else {
        return (own, EntryPerms::default());
    };
    if own.kind == FileKind::Symlink
        && !account.shows_links()
        && let Some(seen) = seen_elsewhere(account, &path)
    {
        return seen;
    }
    let perms = permission::of_entry(account, &path, &path);
    (own, perms)
}

/// Facts of what the link at `path` leads to, if the user may look there.
fn seen_elsewhere(account: &Account, path: &VirtualPath) -> Option<(Metadata, EntryPerms)> {
    permission::target(account, Perm::List, path).ok()?;
    let view = View::new(account, path).ok()?;
    view.shown(account).ok()
}
