//! Which users can make a path lead elsewhere.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Component, Path, PathBuf};

use crate::{Identity, has_access_list};

/// As many links as Linux follows.
const MOST_LINKS: u32 = 40;

const STICKY: u32 = 0o1000;

const WRITABLE_FOR_GROUP: u32 = 0o020;

const WRITABLE_FOR_ALL: u32 = 0o002;

/// A name that is looked up on the way to a file.
struct Step {
    /// The path of the name, in a directory whose own path has no links.
    place: PathBuf,
    /// The metadata of that directory.
    holder: Metadata,
    /// The metadata of the entry; `None` if it is missing, which only the last one may be.
    entry: Option<Metadata>,
}

/// Whether only root can make `path` lead elsewhere, or change the file.
///
/// # Errors
///
/// The path cannot be followed, or does not exist.
pub fn is_roots(path: &Path) -> io::Result<bool> {
    let steps = steps(path)?;
    if steps.iter().any(|step| step.entry.is_none()) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let found = steps
        .iter()
        .flat_map(|step| [Some(&step.holder), step.entry.as_ref()]);
    // The mode of a link has no meaning.
    let is_roots = |it: &Metadata| {
        let is_roots_to_write = it.mode() & (WRITABLE_FOR_GROUP | WRITABLE_FOR_ALL) == 0;
        it.uid() == 0 && (it.is_symlink() || is_roots_to_write)
    };
    Ok(found.flatten().all(is_roots))
}

/// Whether `user`, or anybody of whom [`others_can_redirect`] tells, can make `path` lead
/// elsewhere. The file may be anyone's, or missing.
///
/// # Errors
///
/// The path cannot be followed.
pub fn can_redirect(user: &Identity, path: &Path) -> io::Result<bool> {
    let owns = |it: &Metadata| it.uid() != 0;
    let may_write = |step: &Step| {
        user.may_write_to(step.directory(), &step.holder) || lets_others_write(step, owns)
    };
    can_be_replaced(path, owns, may_write)
}

/// Whether an owner of a directory on the way to `path`, or anybody, can make it lead elsewhere, or
/// somebody whom an access list lets write there. Root can, and so may a group of such a directory,
/// and `trusted`, if that is given. The file may be anyone's, or missing.
///
/// # Errors
///
/// The path cannot be followed.
pub fn others_can_redirect(path: &Path, trusted: Option<&Identity>) -> io::Result<bool> {
    let trusted = trusted.map(Identity::uid);
    let owns = |it: &Metadata| it.uid() != 0 && Some(it.uid()) != trusted;
    can_be_replaced(path, owns, |step| lets_others_write(step, owns))
}

/// Whether those whom `owns` tells of may write to a step's directory, as its owner or as anybody,
/// or because an access list names them.
fn lets_others_write(step: &Step, owns: impl Fn(&Metadata) -> bool) -> bool {
    let may = |bits| step.holder.mode() & bits != 0;
    // With an access list, the bit for the group is for all that it names.
    let lists_users = || has_access_list(step.directory());
    owns(&step.holder) || may(WRITABLE_FOR_ALL) || (may(WRITABLE_FOR_GROUP) && lists_users())
}

/// Whether certain users can replace an entry on the way to `path`: `owns` says what belongs to
/// them, and `may_write` in which directories they may write.
fn can_be_replaced(
    path: &Path,
    owns: impl Fn(&Metadata) -> bool,
    may_write: impl Fn(&Step) -> bool,
) -> io::Result<bool> {
    let is_kept = |step: &Step| {
        step.holder.mode() & STICKY != 0
            && !owns(&step.holder)
            && step.entry.as_ref().is_some_and(|entry| !owns(entry))
    };
    let steps = steps(path)?;
    // Links in /proc lead to the open file itself, not to the file that has its name now.
    let mut steps = steps
        .iter()
        .take_while(|step| !step.directory().starts_with("/proc"));
    Ok(steps.any(|step| !is_kept(step) && may_write(step)))
}

/// Returns the real paths of all names that are looked up on the way to `path`, including those in
/// links: a user who can replace one of these entries can make the path lead elsewhere. The last
/// one may be missing. If the path cannot be followed to its end, returns the names up to there.
pub fn places_on_the_way(path: &Path) -> Vec<PathBuf> {
    let (steps, _) = steps_so_far(path);
    steps.into_iter().map(|step| step.place).collect()
}

impl Step {
    fn directory(&self) -> &Path {
        self.place.parent().unwrap_or(&self.place)
    }
}

/// Returns all names that are looked up on the way to `path`, including those in links. `..` is
/// left out: nobody can replace it, whoever may write to the directory.
fn steps(path: &Path) -> io::Result<Vec<Step>> {
    let (steps, followed) = steps_so_far(path);
    followed.map(|()| steps)
}

/// Like [`steps`], up to where the path cannot be followed; also returns whether it was followed to
/// its end.
fn steps_so_far(path: &Path) -> (Vec<Step>, io::Result<()>) {
    let (mut steps, mut most_links) = (Vec::new(), MOST_LINKS);
    let followed = path::absolute(path).and_then(|path| follow(&path, &mut most_links, &mut steps));
    (steps, followed)
}

fn follow(path: &Path, most_links: &mut u32, steps: &mut Vec<Step>) -> io::Result<()> {
    let mut way = PathBuf::from("/");
    let mut names = path
        .strip_prefix("/")
        .unwrap_or(path)
        .components()
        .peekable();
    while let Some(name) = names.next() {
        let place = way.join(name);
        let is_last = names.peek().is_none();
        if name != Component::ParentDir {
            let entry = match fs::symlink_metadata(&place) {
                Err(error) if is_last && error.kind() == io::ErrorKind::NotFound => None,
                found => Some(found?),
            };
            let is_link = entry.as_ref().is_some_and(Metadata::is_symlink);
            steps.push(Step {
                place: place.clone(),
                holder: fs::metadata(&way)?,
                entry,
            });
            if is_link {
                let left = most_links.checked_sub(1);
                *most_links = left.ok_or_else(|| io::Error::other("too many links"))?;
                follow(&way.join(fs::read_link(&place)?), most_links, steps)?;
            }
        }
        if !is_last {
            way = place.canonicalize()?;
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::{DirBuilder, File, Permissions};
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

    use super::*;
    use crate::is_root;

    #[test]
    fn a_link_that_any_user_can_change_was_trusted_by_root() {
        let way = PathBuf::from(format!("/tmp/ftpdlib-upgrade-{}", std::process::id()));
        symlink("/bin/sh", &way).unwrap();
        let found = is_roots(&way);
        fs::remove_file(&way).unwrap();
        assert!(!found.unwrap(), "/tmp is writable for all");
    }

    #[test]
    fn a_path_is_roots_if_its_file_is_too() {
        assert!(is_roots(Path::new("/proc/version")).unwrap());
        assert!(!is_roots(Path::new("/dev/null")).unwrap());
        assert!(is_roots(Path::new("/proc/nosuchfile")).is_err());
    }

    #[test]
    fn links_that_lead_to_each_other_are_not_followed_for_ever() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::create_dir(at("0")).unwrap();
        for number in 1..=MOST_LINKS {
            let before = number - 1;
            symlink(format!("{before}/../{before}"), at(&number.to_string())).unwrap();
        }
        symlink("loop", at("loop")).unwrap();
        for name in [&MOST_LINKS.to_string(), "loop"] {
            assert!(is_roots(&at(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn the_owner_of_a_directory_that_a_path_only_leaves_could_redirect_it() {
        if !is_root() {
            return;
        }
        let nobody = Identity::find("nobody", None).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let its_own = scratch.path().join("its");
        fs::create_dir(&its_own).unwrap();
        std::os::unix::fs::chown(&its_own, Some(nobody.uid()), None).unwrap();
        for (path, expected) in [("its/../log", false), ("its/log", true)] {
            let path = scratch.path().join(path);
            assert_eq!(can_redirect(&nobody, &path).unwrap(), expected, "{path:?}");
        }
    }

    #[test]
    fn a_third_user_could_have_a_log_of_the_server_lead_anywhere() {
        if !is_root() {
            return;
        }
        let nobody = Identity::find("nobody", None).unwrap();
        let third = nobody.uid() - 1;
        let rows = [
            // mode and owner of the directory, owner of a link in it, and who can redirect that:
            // anybody but root, and anybody but root and nobody
            (0o755, 0, 0, false, false),
            (0o755, 0, third, false, false),
            (0o755, nobody.uid(), 0, true, false),
            (0o755, third, 0, true, true),
            (0o777, 0, 0, true, true),
            (0o1777, 0, 0, false, false),
            (0o1777, 0, nobody.uid(), true, false),
            (0o1777, 0, third, true, true),
            (0o1777, nobody.uid(), 0, true, false),
        ];
        for row @ (mode, of_directory, of_link, expected, without_nobody) in rows {
            let scratch = tempfile::tempdir().unwrap();
            fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
            File::create(scratch.path().join("roots")).unwrap();
            let logs = scratch.path().join("logs");
            let log = logs.join("log");
            fs::create_dir(&logs).unwrap();
            symlink("../roots", &log).unwrap();
            std::os::unix::fs::lchown(&log, Some(of_link), None).unwrap();
            std::os::unix::fs::chown(&logs, Some(of_directory), None).unwrap();
            fs::set_permissions(&logs, Permissions::from_mode(mode)).unwrap();
            assert_eq!(can_redirect(&nobody, &log).unwrap(), expected, "{row:?}");
            let by_third = others_can_redirect(&log, Some(&nobody)).unwrap();
            assert_eq!(by_third, without_nobody, "{row:?}");
        }
    }

    /// What `nobody` can redirect in a directory with the mode and owner that a row says, which
    /// holds a log of root's, one of nobody's, and none that is called `new`. Others can then
    /// redirect the same.
    #[test]
    fn a_user_redirects_what_its_directories_let_it() {
        if !is_root() {
            return;
        }
        let nobody = Identity::find("nobody", None).unwrap();
        let rows = [
            // mode, whether the directory is nobody's, and which of the three it can redirect
            (0o755, false, [].as_slice()),
            (0o700, false, &[]),
            (0o775, false, &[]),
            (0o755, true, &["roots", "its", "new"]),
            (0o777, false, &["roots", "its", "new"]),
            (0o1777, false, &["its", "new"]),
        ];
        for (mode, its_own, expected) in rows {
            // Root's directory, below a /tmp that all may write to.
            let scratch = tempfile::tempdir().unwrap();
            fs::set_permissions(scratch.path(), Permissions::from_mode(0o755)).unwrap();
            let logs = scratch.path().join("logs");
            DirBuilder::new().mode(0o700).create(&logs).unwrap();
            for name in ["roots", "its"] {
                File::create(logs.join(name)).unwrap();
            }
            let give = |path: &Path| {
                std::os::unix::fs::chown(path, Some(nobody.uid()), None).unwrap();
            };
            give(&logs.join("its"));
            if its_own {
                give(&logs);
            }
            fs::set_permissions(&logs, Permissions::from_mode(mode)).unwrap();
            symlink("logs", scratch.path().join("link")).unwrap();
            for way in ["logs", "link", "link/../logs"] {
                let names = ["roots", "its", "new"];
                let redirected = |by: &dyn Fn(&Path) -> io::Result<bool>| {
                    let is_redirected =
                        |name: &&str| by(&scratch.path().join(way).join(name)).unwrap();
                    names.into_iter().filter(is_redirected).collect::<Vec<_>>()
                };
                let by_nobody = redirected(&|path| can_redirect(&nobody, path));
                assert_eq!(by_nobody, expected, "{mode:o} {its_own} {way}");
                let by_others = redirected(&|path| others_can_redirect(path, None));
                assert_eq!(by_others, expected, "{mode:o} {its_own} {way}");
            }
        }
    }
}
