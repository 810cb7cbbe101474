//! Warnings about files that clients can reach but probably should not.

use std::path::{Path, PathBuf};

use ftpdlib::authorizers::{Authorizer, DummyAuthorizer, Login};
use ftpdlib::proto::{Perm, Perms, VirtualPath};
use ftpdlib::servers::process::places_on_the_way;

use super::named::NamedFile;
use crate::error::Place;

/// A user with a home.
pub(super) struct Share<'a> {
    authorizer: &'a DummyAuthorizer,
    login: Login,
}

/// The users among `names` that the authorizer knows.
pub(super) fn shares<'a>(
    authorizer: &'a DummyAuthorizer,
    names: impl Iterator<Item = &'a str>,
) -> Vec<Share<'a>> {
    let share = |name| {
        let home = authorizer.home_dir(name).ok()?;
        let login = Login::new(name, home);
        Some(Share { authorizer, login })
    };
    names.filter_map(share).collect()
}

/// The warning if virtual users see the whole disk, with the server's rights.
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

/// One warning for each of the program's own files that is in a home whose user may access it, or
/// that is found by way of a link in a home whose user may put another in its place.
pub(super) fn of_own_files(shares: &[Share<'_>], own: &[NamedFile]) -> Vec<String> {
    let warning = |file: &NamedFile| {
        let real = file.real();
        let links = places_on_the_way(file.path()).into_iter();
        let links: Vec<_> = links.filter(|place| place.is_symlink()).collect();
        // What a link in a home leads out to is not reached by it.
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

/// The warning if a user may replace the program, which an upgrade starts again, on any part of the
/// path to it.
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

/// One warning for each home in that of another user who may put something else in its place: the
/// next start would take a link there for the home, wherever it leads.
pub(super) fn of_homes(shares: &[Share<'_>]) -> Vec<String> {
    let warning = |inner: &Share<'_>| {
        let home = &inner.login.home;
        let outer = shares.iter().find(|outer| {
            let perms = home.ancestors().map_while(|place| outer.perms(place));
            perms.into_iter().any(moves)
        })?;
        Some(format!(
            "the home of user {:?}, {home:?}, lies in that of user {:?}, who may move it and put a \
             link in its place, expected a place outside, or permissions of its own for {:?} there",
            inner.login.username, outer.login.username, outer.login.username
        ))
    };
    shares.iter().filter_map(warning).collect()
}

impl Share<'_> {
    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    /// What the user may do with a file at this real path, if anything.
    fn access(&self, real: &Path) -> Option<&'static str> {
        access(self.perms(real)?)
    }

    /// The permissions at this real path, if it is in the home.
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

/// Whether they suffice to have something else in a directory's place.
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
