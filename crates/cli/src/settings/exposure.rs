//! Warnings about files that clients can reach but probably should not.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use ftpdlib::authorizers::{Authorizer, DummyAuthorizer, Login};
use ftpdlib::proto::{Perm, Perms, VirtualPath};
use ftpdlib::servers::process::places_on_the_way;

use super::named::NamedFile;
use super::virtual_users::Named;
use crate::error::Place;

/// A user with a home directory.
pub(super) struct Share<'a> {
    authorizer: &'a DummyAuthorizer,
    login: Login,
    named: Named<'a>,
}

/// Returns the users among `named` that the authorizer knows.
pub(super) fn shares<'a>(
    authorizer: &'a DummyAuthorizer,
    named: impl Iterator<Item = Named<'a>>,
) -> Vec<Share<'a>> {
    let share = |named: Named<'a>| {
        let home = authorizer.home_dir(named.name).ok()?;
        let login = Login::new(named.name, home);
        Some(Share {
            authorizer,
            login,
            named,
        })
    };
    named.filter_map(share).collect()
}

/// Returns the warning if virtual users see the whole disk, with the server's rights.
pub(super) fn of_disk(shares: &[Share<'_>], place: &Place, as_root: bool) -> Option<String> {
    let rights = match as_root {
        true => "with the rights of root: /etc/shadow, too",
        false => "with the rights of the server, whatever they may log in as",
    };
    let first = &shares.first()?.login.username;
    let problem = format!(
        "found \"unix\" beside virtual users: {first:?} and all others reach the whole disk, {rights}; \
         expected \"jailed\", or authorizer.kind = \"unix\""
    );
    Some(place.error(problem).to_string())
}

/// Returns one warning for each of the program's own files that lies in a home whose user may
/// access it, or that is reached through a link in a home whose user may replace the link.
pub(super) fn of_own_files(shares: &[Share<'_>], own: &[NamedFile]) -> Vec<String> {
    let warning = |file: &NamedFile| {
        let real = file.real();
        let links = places_on_the_way(file.path()).into_iter();
        let links: Vec<_> = links.filter(|place| place.is_symlink()).collect();
        // Users cannot follow a link out of their homes, so only the file's real path matters here.
        let of_file = |share: &Share<'_>| Some((&real, share.access(&real)?));
        let of_link = |share: &Share<'_>| {
            let may_replace = |link: &&PathBuf| share.perms(link).is_some_and(changes);
            Some((links.iter().find(may_replace)?, "replace"))
        };
        let (share, (place, access)) = shares
            .iter()
            .find_map(|share| Some((share, of_file(share).or_else(|| of_link(share))?)))?;
        let problem = format!(
            "found {place:?} in the home of user {:?}, who may {access} it, expected a place \
             outside of all homes",
            share.login.username
        );
        Some(file.error(problem).to_string())
    };
    own.iter().filter_map(warning).collect()
}

/// Returns the warning if a user may replace the program, which an upgrade starts again, at any
/// part of its path.
pub(super) fn of_program(shares: &[Share<'_>], program: &Path) -> Option<String> {
    let places = places_on_the_way(program);
    let may_change = |share: &&Share<'_>| {
        let perms = places.iter().filter_map(|place| share.perms(place));
        perms.into_iter().any(changes)
    };
    let user = &shares.iter().find(may_change)?.login.username;
    Some(format!(
        "this program is {program:?}, in the home of user {user:?}, who may change it, and SIGUSR2 \
         starts what is there then, expected a place outside of all homes"
    ))
}

/// Returns one warning for each user who may replace something on the way to homes or overridden
/// directories: the next start or reload would use what it finds there.
pub(super) fn of_directories(shares: &[Share<'_>]) -> Vec<String> {
    let mut by_home = HashMap::<&Path, Vec<&Share<'_>>>::new();
    for share in shares {
        by_home.entry(&share.login.home).or_default().push(share);
    }
    // The first directory that a user may replace, and how many there are.
    let mut by_mover = BTreeMap::<&str, (Movable<'_>, usize)>::new();
    for share in shares {
        for (kind, directory) in share.named.directories() {
            for (mover, place) in movers(&by_home, directory) {
                let first = || Movable {
                    kind,
                    directory,
                    user: share.named.name,
                    place,
                };
                by_mover.entry(mover).or_insert_with(|| (first(), 0)).1 += 1;
            }
        }
    }
    let warnings = by_mover.iter();
    warnings
        .map(|(mover, (first, count))| first.warning(mover, count - 1))
        .collect()
}

/// Returns the users who may replace something on the way to a directory, each with the first such
/// place.
fn movers<'a>(
    by_home: &HashMap<&Path, Vec<&'a Share<'_>>>,
    directory: &Path,
) -> BTreeMap<&'a str, PathBuf> {
    let mut movers = BTreeMap::new();
    for place in places_on_the_way(directory) {
        let above = place.ancestors().skip(1);
        for shares in above.filter_map(|home| by_home.get(home)) {
            let may_move = |share: &&&Share<'_>| share.perms(&place).is_some_and(moves);
            for share in shares.iter().filter(may_move) {
                let name = share.login.username.as_str();
                movers.entry(name).or_insert_with(|| place.clone());
            }
        }
    }
    movers
}

/// A directory that a user may replace.
struct Movable<'a> {
    kind: &'static str,
    directory: &'a Path,
    user: &'a str,
    /// What can be moved: the directory, one above it, or a link on the way.
    place: PathBuf,
}

impl Movable<'_> {
    fn warning(&self, mover: &str, others: usize) -> String {
        let others = match others {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        // Overrides apply to directories, not to links to them.
        let or_override = match self.place.is_symlink() {
            true => String::new(),
            false => format!(", or permissions of its own for {mover:?} there"),
        };
        format!(
            "found {} {:?} of user {:?}{others} by way of {:?} in the home of user {mover:?}, who \
             may move or remove it, expected a place outside of that home{or_override}",
            self.kind, self.directory, self.user, self.place
        )
    }
}

impl Share<'_> {
    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    /// Returns what the user may do with a file at this real path, if anything.
    fn access(&self, real: &Path) -> Option<&'static str> {
        access(self.perms(real)?)
    }

    /// Returns the permissions at this real path, if it is in the home.
    fn perms(&self, real: &Path) -> Option<Perms> {
        let inside = real.strip_prefix(&self.login.home).ok()?;
        let is_home = inside.as_os_str().is_empty();
        let path = VirtualPath::new(inside.as_os_str().as_encoded_bytes()).ok()?;
        (!is_home).then(|| self.authorizer.perms(&self.login, &path))
    }
}

fn changes(perms: Perms) -> bool {
    let changing = [Perm::Store, Perm::Append, Perm::Delete, Perm::Rename];
    changing.into_iter().any(|perm| perms.contains(perm))
}

/// Whether these permissions are enough to replace a directory.
fn moves(perms: Perms) -> bool {
    perms.contains(Perm::Delete) || perms.contains(Perm::Rename)
}

fn access(perms: Perms) -> Option<&'static str> {
    match (perms.contains(Perm::Retrieve), changes(perms)) {
        (true, true) => Some("read and change"),
        (true, false) => Some("read"),
        (false, true) => Some("change"),
        (false, false) => None,
    }
}
