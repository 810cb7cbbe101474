//! Permissions that differ by directory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter;
use std::path::{Component, Path};

use ftpdlib_proto::{Perm, Perms, VirtualPath};

use crate::AuthorizerError;
use crate::directory::real_directory;

/// Barred at a directory that has an override. With another name, or in the place of another, it
/// would shed the override, or come under one; and in the place of one that was removed, a link
/// would have the override hold wherever it leads, from the next time that settings are read.
const AT: Perms = Perms::of(&[Perm::Delete, Perm::Rename]);

/// Barred above: also what could hide the directory from whoever reads the settings.
const ABOVE: Perms = AT.union(HIDING);

/// Barred at the root, which is neither removed nor renamed in any case.
const HIDING: Perms = Perms::of(&[Perm::ChangeMode]);

/// One user's overrides, by virtual directory.
#[derive(Clone)]
pub(crate) struct Overrides(BTreeMap<VirtualPath, Override>);

#[derive(Clone, Copy)]
struct Override {
    perms: Perms,
    recursive: bool,
}

impl Overrides {
    pub(crate) const NONE: Self = Self(BTreeMap::new());

    pub(crate) fn insert(&mut self, directory: VirtualPath, perms: Perms, recursive: bool) {
        self.0.insert(directory, Override { perms, recursive });
    }

    /// The permissions of the deepest override that holds for `path`.
    pub(crate) fn find(&self, path: &VirtualPath) -> Option<Perms> {
        if self.is_empty() {
            return None;
        }
        ancestors(path)
            .enumerate()
            .find_map(|(depth, directory)| match self.0.get(directory) {
                Some(found) if found.recursive || depth <= 1 => Some(found.perms),
                Some(_) | None => None,
            })
    }

    /// The permissions of an override at `path` for a user whose home directory is at `home`.
    pub(crate) fn find_from(&self, home: &VirtualPath, path: &VirtualPath) -> Option<Perms> {
        match below(home, path) {
            Some(path) => self.find(&path),
            None => None,
        }
    }

    /// What nobody may do with `path`, whatever the letters say, if that is a directory that has an
    /// override, or above one, for a user whose home directory is at `home`. Directories above the
    /// home are above all overrides.
    pub(crate) fn barred_from(&self, home: &VirtualPath, path: &VirtualPath) -> Perms {
        let above = if path.is_root() { HIDING } else { ABOVE };
        match below(home, path) {
            Some(path) => self.barred(&path, above),
            None if home.starts_with(path) && !self.is_empty() => above,
            None => Perms::NONE,
        }
    }

    /// All that is permitted by `perms` or by any override.
    pub(crate) fn union(&self, perms: Perms) -> Perms {
        let overrides = self.0.values();
        overrides.fold(perms, |all, found| all.union(found.perms))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same for a home at the root. `above` is what is barred above an override.
    fn barred(&self, path: &VirtualPath, above: Perms) -> Perms {
        let directories = self.0.keys();
        let found = directories.filter(|directory| directory.starts_with(path));
        found.fold(Perms::NONE, |barred, directory| {
            barred.union(if directory == path { AT } else { above })
        })
    }
}

/// `path` and what is above it, up to the root. A client may name a path of two thousand
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

/// `path` as seen from `home`, if it is there or below.
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

/// The virtual path of a real directory below `home`, which has its links resolved already.
pub(crate) fn virtual_directory(
    directory: &Path,
    home: &Path,
) -> Result<VirtualPath, AuthorizerError> {
    let real = real_directory(directory)?;
    let escapes = || AuthorizerError::EscapesHome(directory.to_owned());
    let below = real.strip_prefix(home).map_err(|_| escapes())?;
    let mut bytes = Vec::new();
    for component in below.components() {
        if let Component::Normal(name) = component {
            bytes.push(b'/');
            bytes.extend_from_slice(name.as_encoded_bytes());
        }
    }
    if bytes.is_empty() {
        return Err(AuthorizerError::OverridesHome);
    }
    VirtualPath::new(bytes).map_err(|_| escapes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::new(text).unwrap()
    }

    #[track_caller]
    fn check(overrides: &[(&str, &str, bool)], at: &str, expected: Option<&str>) {
        let mut table = Overrides::NONE;
        for &(directory, perms, recursive) in overrides {
            table.insert(path(directory), perms.parse().unwrap(), recursive);
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
        table.insert(path("/incoming"), Perms::NONE, false);
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
            ("/srv", "dfM"),
            ("/srv/home", "dfM"),
            ("/srv/home/incoming", "df"),
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

    /// The rule as the documentation words it, over text.
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
                table.insert(path(directory), perms, recursive);
            }
            prop_assert_eq!(table.find(&path(&at)), model(&overrides, &at));
        }
    }
}
