//! Permissions that differ by directory.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::path::{Component, Path};

use ftpdlib_proto::{Perm, Perms, VirtualPath};
use ftpdlib_sys::places_on_the_way;

use crate::AuthorizerError;
use crate::directory::real_directory;

/// Permissions barred at a directory that has an override. A directory that is renamed, or replaces
/// another, would shed its override or come under one. And if the directory was removed, a link in
/// its place would make the override hold wherever the link leads, from the next time that the
/// settings are read. What is stored is never a directory, so nobody misses this permission.
const AT: Perms = Perms::of(&[Perm::Append, Perm::Delete, Perm::Rename, Perm::Store]);

/// Permissions barred above such a directory, and on the way to it. Also bars what could hide the
/// directory when the settings are read.
const ABOVE: Perms = AT.union(HIDING);

/// Permissions barred at the root, which cannot be removed or renamed in any case.
const HIDING: Perms = Perms::of(&[Perm::ChangeMode]);

/// One user's overrides.
#[derive(Clone)]
pub(crate) struct Overrides {
    by_directory: BTreeMap<VirtualPath, Override>,
    /// Places, mostly links, by which settings name these directories. They have to stay where they
    /// are, but have no permissions of their own.
    on_the_way: BTreeSet<VirtualPath>,
}

/// A directory named in the settings, as the user sees it.
pub(crate) struct Named {
    directory: VirtualPath,
    /// The places in the home that lead to the directory but do not hold it: links, and directories
    /// before `..`.
    on_the_way: Vec<VirtualPath>,
}

#[derive(Clone, Copy)]
struct Override {
    perms: Perms,
    recursive: bool,
}

impl Overrides {
    pub(crate) const NONE: Self = Self {
        by_directory: BTreeMap::new(),
        on_the_way: BTreeSet::new(),
    };

    pub(crate) fn insert(&mut self, named: Named, perms: Perms, recursive: bool) {
        let added = Override { perms, recursive };
        self.by_directory.insert(named.directory, added);
        self.on_the_way.extend(named.on_the_way);
    }

    /// The permissions of the deepest override that holds for `path`.
    pub(crate) fn find(&self, path: &VirtualPath) -> Option<Perms> {
        if self.is_empty() {
            return None;
        }
        ancestors(path).enumerate().find_map(|(depth, directory)| {
            match self.by_directory.get(directory) {
                Some(found) if found.recursive || depth <= 1 => Some(found.perms),
                Some(_) | None => None,
            }
        })
    }

    /// The permissions of an override at `path` for a user whose home directory is at `home`.
    pub(crate) fn find_from(&self, home: &VirtualPath, path: &VirtualPath) -> Option<Perms> {
        match below(home, path) {
            Some(path) => self.find(&path),
            None => None,
        }
    }

    /// The permissions that do not hold at `path`, whatever the letters say, because it is a
    /// directory with an override, on the way to one, or above one, for a user whose home directory
    /// is at `home`. Directories above the home are above all overrides.
    pub(crate) fn barred_from(&self, home: &VirtualPath, path: &VirtualPath) -> Perms {
        let above = if path.is_root() { HIDING } else { ABOVE };
        match below(home, path) {
            Some(path) => self.barred(&path, above),
            None if home.starts_with(path) && !self.is_empty() => above,
            None => Perms::NONE,
        }
    }

    /// All permissions of `perms` and of any override.
    pub(crate) fn union(&self, perms: Perms) -> Perms {
        let overrides = self.by_directory.values();
        overrides.fold(perms, |all, found| all.union(found.perms))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_directory.is_empty()
    }

    /// Like [`barred_from`](Self::barred_from), for a home at the root. `above` is barred above an
    /// override and on the way to one.
    fn barred(&self, path: &VirtualPath, above: Perms) -> Perms {
        let directories = self.by_directory.keys().map(|place| (place, AT));
        let on_the_way = self.on_the_way.iter().map(|place| (place, above));
        let kept = directories.chain(on_the_way);
        let found = kept.filter(|(place, _)| place.starts_with(path));
        found.fold(Perms::NONE, |barred, (place, at)| {
            barred.union(if place == path { at } else { above })
        })
    }
}

/// Returns `path` and the paths above it, up to the root. A client may name a path of two thousand
/// directories, so nothing is copied.
fn ancestors(path: &VirtualPath) -> impl Iterator<Item = &[u8]> {
    iter::successors(Some(path.as_bytes()), |below| match below {
        [b'/'] => None,
        _ => {
            let slash = below.iter().rposition(|&byte| byte == b'/')?;
            Some(&below[..slash.max(1)])
        }
    })
}

/// Returns `path` as seen from `home`, if it is `home` or below it.
fn below<'a>(home: &VirtualPath, path: &'a VirtualPath) -> Option<Cow<'a, VirtualPath>> {
    if home.is_root() {
        return Some(Cow::Borrowed(path));
    }
    if !path.starts_with(home) {
        return None;
    }
    VirtualPath::new(&path.as_bytes()[home.as_bytes().len()..])
        .ok()
        .map(Cow::Owned)
}

/// Finds the directory that settings name below `home`, whose own links are already resolved.
pub(crate) fn named_directory(directory: &Path, home: &Path) -> Result<Named, AuthorizerError> {
    let real = real_directory(directory)?;
    let escapes = || AuthorizerError::EscapesHome(directory.to_owned());
    let found = virtual_path(&real, home).ok_or_else(escapes)?;
    if found.is_root() {
        return Err(AuthorizerError::OverridesHome);
    }
    let on_the_way = places_on_the_way(directory);
    let on_the_way = on_the_way.iter().filter_map(|at| virtual_path(at, home));
    Ok(Named {
        on_the_way: on_the_way.filter(|at| !found.starts_with(at)).collect(),
        directory: found,
    })
}

/// The virtual path of a real path, if it is in the home.
fn virtual_path(real: &Path, home: &Path) -> Option<VirtualPath> {
    let mut bytes = Vec::new();
    for component in real.strip_prefix(home).ok()?.components() {
        if let Component::Normal(name) = component {
            bytes.push(b'/');
            bytes.extend_from_slice(name.as_encoded_bytes());
        }
    }
    VirtualPath::new(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::new(text).unwrap()
    }

    fn named(directory: &str) -> Named {
        Named {
            directory: path(directory),
            on_the_way: Vec::new(),
        }
    }

    #[track_caller]
    fn check(overrides: &[(&str, &str, bool)], at: &str, expected: Option<&str>) {
        let mut table = Overrides::NONE;
        for &(directory, perms, recursive) in overrides {
            table.insert(named(directory), perms.parse().unwrap(), recursive);
        }
        let got = table.find(&path(at)).map(|perms| perms.to_string());
        assert_eq!(got.as_deref(), expected, "{at} under {overrides:?}");
    }

    #[test]
    fn without_recursion_only_direct_entries_are_covered() {
        let incoming = [("/incoming", "w", false)];
        check(&incoming, "/incoming", Some("w"));
        check(&incoming, "/incoming/file", Some("w"));
        check(&incoming, "/incoming/dir/file", None);
        check(&incoming, "/", None);
        check(&incoming, "/incoming2", None);
        check(&incoming, "/other/incoming", None);
    }

    #[test]
    fn recursion_covers_all_below() {
        let tree = [("/a/b", "r", true)];
        check(&tree, "/a/b", Some("r"));
        check(&tree, "/a/b/c/d/e", Some("r"));
        check(&tree, "/a", None);
        check(&tree, "/a/bc", None);
    }

    #[test]
    fn the_deepest_directory_that_holds_wins() {
        let nested = [
            ("/a", "e", true),
            ("/a/b", "l", false),
            ("/a/b/c", "r", true),
        ];
        check(&nested, "/a/x", Some("e"));
        check(&nested, "/a/b", Some("l"));
        check(&nested, "/a/b/file", Some("l"));
        check(&nested, "/a/b/d/file", Some("e"));
        check(&nested, "/a/b/c", Some("r"));
        check(&nested, "/a/b/c/d", Some("r"));
    }

    #[test]
    fn overrides_are_found_below_a_home_that_is_not_the_root() {
        let mut table = Overrides::NONE;
        table.insert(named("/incoming"), Perms::NONE, false);
        let home = path("/srv/home");
        let found = |at: &str| table.find_from(&home, &path(at)).is_some();
        assert!(found("/srv/home/incoming"));
        assert!(found("/srv/home/incoming/file"));
        for at in ["/incoming", "/srv/home", "/srv/home2/incoming", "/srv", "/"] {
            assert!(!found(at), "{at}");
        }
        let barred = |at: &str| table.barred_from(&home, &path(at)).to_string();
        for (at, expected) in [
            ("/", "M"),
            ("/srv", "adfwM"),
            ("/srv/home", "adfwM"),
            ("/srv/home/incoming", "adfw"),
            ("/srv/home/incoming/file", ""),
            ("/srv/home/incoming2", ""),
            ("/srv/hom", ""),
            ("/incoming", ""),
        ] {
            assert_eq!(barred(at), expected, "{at}");
        }
    }

    #[test]
    fn a_deep_path_was_copied_once_for_each_directory_above_it() {
        assert!(ancestors(&path("/")).eq([b"/"]));
        assert!(ancestors(&path("/a/bc")).eq([&b"/a/bc"[..], b"/a", b"/"]));
        let deep = path(&"/a".repeat(2_000));
        assert_eq!(ancestors(&deep).count(), 2_001);
        assert!(ancestors(&deep).all(|above| above.as_ptr() == deep.as_bytes().as_ptr()));
    }

    #[test]
    fn a_second_override_replaces_the_first() {
        check(&[("/a", "e", true), ("/a", "", false)], "/a", Some(""));
        check(&[("/a", "e", true), ("/a", "", false)], "/a/b/c", None);
    }

    /// The rule as the documentation words it, applied to text.
    fn model(overrides: &BTreeMap<String, (Perms, bool)>, at: &str) -> Option<Perms> {
        overrides
            .iter()
            .filter(|(directory, (_, recursive))| {
                at == directory.as_str()
                    || at
                        .strip_prefix(directory.as_str())
                        .and_then(|below| below.strip_prefix('/'))
                        .is_some_and(|below| *recursive || !below.contains('/'))
            })
            .max_by_key(|(directory, _)| directory.len())
            .map(|(_, (perms, _))| *perms)
    }

    proptest! {
        #[test]
        fn finds_what_the_model_finds(
            overrides in prop::collection::btree_map(
                "(/[ab]){1,4}",
                (
                    "[elradfmwMT]{0,3}".prop_map(|letters| letters.parse::<Perms>().unwrap()),
                    any::<bool>(),
                ),
                0..6,
            ),
            at in "(/[ab]){1,5}",
        ) {
            let mut table = Overrides::NONE;
            for (directory, &(perms, recursive)) in &overrides {
                table.insert(named(directory), perms, recursive);
            }
            prop_assert_eq!(table.find(&path(&at)), model(&overrides, &at));
        }
    }
}
