//! The one place where paths become descriptors.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use ftpdlib_proto::{FileKind, Metadata, VirtualPath};
use ftpdlib_sys::{
    EntryKind, FileStat, OpenFlags, Storage, device_of, errno, has_remote_mount_below,
    is_process_filesystem, open_at, open_beneath, stat_at, stat_descriptor, storage,
};

use crate::error::{ErrorKind, FilesystemError};
use crate::home::{Home, split};
use crate::root::Root;
use crate::trail::MOST_ENTERED;
use crate::walk::Walk;

/// How [`AbstractedFs`](crate::AbstractedFs) resolves paths. Both ways give the same results,
/// except that the walk gives up if a path leads through several thousand directories, and that
/// what cannot be written may be refused with a different [`ErrorKind`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Resolver {
    /// With one `openat2` call. The walk is used only for what that call cannot resolve (absolute
    /// links), and if the kernel lacks the call or a container blocks it.
    #[default]
    Kernel,
    /// Always with the walk, from one descriptor to the next.
    Walk,
}

/// An open home directory, beneath which all paths are resolved without a race.
#[derive(Debug)]
pub(crate) struct Jail {
    root: Arc<Root>,
    resolver: Resolver,
    /// Whether a link on the way is an error.
    linkless: bool,
    /// Whether opening what shows processes is an error.
    hides_processes: bool,
}

impl Jail {
    pub(crate) fn open_home(given: &Path, resolver: Resolver) -> Result<Self, FilesystemError> {
        let root = Root::open(given)?;
        Ok(Self {
            resolver: if root.in_kernel {
                resolver
            } else {
                Resolver::Walk
            },
            root,
            linkless: false,
            hides_processes: false,
        })
    }

    /// Opens another home, which hides processes if this one does.
    pub(crate) fn elsewhere(
        &self,
        given: &Path,
        resolver: Resolver,
    ) -> Result<Self, FilesystemError> {
        let jail = Self::open_home(given, resolver)?;
        match self.hides_processes {
            true => jail.without_processes(),
            false => Ok(jail),
        }
    }

    /// The same home, in which nothing on a filesystem of processes can be opened. Refused if the
    /// home itself lies on one.
    pub(crate) fn without_processes(&self) -> Result<Self, FilesystemError> {
        if is_process_filesystem(self.root.dir()) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(Self {
            root: Arc::clone(&self.root),
            hides_processes: true,
            ..*self
        })
    }

    /// The same home, in which only [`canonical`](Self::canonical) follows links.
    pub(crate) fn linkless(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            linkless: true,
            ..*self
        }
    }

    pub(crate) fn is_linkless(&self) -> bool {
        self.linkless
    }

    /// Opens what `path` leads to.
    pub(crate) fn open(
        &self,
        path: &VirtualPath,
        flags: OpenFlags,
        mode: u32,
    ) -> Result<OwnedFd, FilesystemError> {
        if path.is_root() {
            return Ok(open_at(self.root.dir(), b".", flags, mode)?);
        }
        self.open_relative(path.relative(), flags, mode)
    }

    /// A descriptor of what `path` leads to, for examining it or changing its metadata. For the
    /// home itself, which is already open, no right to search it is needed.
    pub(crate) fn descriptor(&self, path: &VirtualPath) -> Result<Descriptor<'_>, FilesystemError> {
        if path.is_root() {
            return Ok(Descriptor::Home(self.root.dir()));
        }
        Ok(Descriptor::Below(self.open(path, OpenFlags::PATH, 0)?))
    }

    /// Checks that `path` is a directory that may be entered.
    pub(crate) fn enter(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        // Looks up a name in the directory, though only `.`, so that the right to search it is
        // required.
        let own_name = [path.relative(), b"/."].concat();
        let own_name = own_name.strip_prefix(b"/").unwrap_or(&own_name);
        self.open_relative(own_name, OpenFlags::PATH | OpenFlags::DIRECTORY, 0)?;
        Ok(())
    }

    /// Opens the directory that contains `path`, following links on the way; the last component is
    /// left to an `*at` call.
    pub(crate) fn parent<'a>(
        &'a self,
        path: &'a VirtualPath,
    ) -> Result<(Descriptor<'a>, &'a [u8]), FilesystemError> {
        let relative = path.relative();
        let Some(name) = path.file_name() else {
            return Err(ErrorKind::PermissionDenied.into());
        };
        let above = &relative[..relative.len() - name.len()];
        let directory = match above.strip_suffix(b"/") {
            None => Descriptor::Home(self.root.dir()),
            Some(above) => {
                let flags = OpenFlags::PATH | OpenFlags::DIRECTORY;
                Descriptor::Below(self.open_relative(above, flags, 0)?)
            }
        };
        Ok((directory, name))
    }

    /// Facts of what `path` leads to.
    pub(crate) fn stat(&self, path: &VirtualPath) -> Result<FileStat, FilesystemError> {
        if !path.is_root() && !path.relative().contains(&b'/') {
            // A single name cannot leave the home; unless it is a link, one call is enough.
            let found = stat_at(self.root.dir(), path.relative())?;
            if found.kind != EntryKind::Symlink {
                return Ok(found);
            }
        }
        Ok(stat_descriptor(self.descriptor(path)?.as_fd())?)
    }

    /// Facts of `path` itself.
    pub(crate) fn lstat(&self, path: &VirtualPath) -> Result<FileStat, FilesystemError> {
        if path.is_root() {
            return self.stat(path);
        }
        let (parent, name) = self.parent(path)?;
        Ok(stat_at(parent.as_fd(), name)?)
    }

    /// Like [`lstat`](Self::lstat), in the form that a [`Filesystem`](crate::Filesystem) returns.
    /// What is mounted below the home is taken for a disk, to save asking.
    pub(crate) fn lstat_whole(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        let facts = self.lstat(path)?;
        let storage = match facts.device == self.root.device {
            true => self.root.storage,
            false => Storage::Disk,
        };
        Ok(Metadata {
            unwritten: facts.is_unwritten(storage),
            ..metadata(facts)
        })
    }

    /// Returns `path`, as seen from the home, with all links resolved.
    pub(crate) fn canonical(&self, path: &[u8]) -> Result<VirtualPath, FilesystemError> {
        self.walk(path).canonical()
    }

    /// Whether `path`, as seen from the home, stays in it with all links resolved; it need not
    /// exist.
    pub(crate) fn holds(&self, path: &[u8]) -> bool {
        Walk::new(self.root.dir(), &self.root.home, self.root.scope, path)
            .check_stays()
            .is_ok()
    }

    /// `target`, the text of a link in the open directory `dir`, as a client may see it.
    pub(crate) fn shown_target(
        &self,
        target: Vec<u8>,
        dir: BorrowedFd<'_>,
    ) -> Result<Vec<u8>, FilesystemError> {
        // Only `..` can climb out of the home, and it climbs from where the directory is now, not
        // from the path by which it was opened.
        let depth = match split(&target).any(|part| part == b"..") {
            true => self.depth(dir)?,
            false => 0,
        };
        self.root.home.shown_target(target, depth)
    }

    /// How many levels below the home `dir` is.
    fn depth(&self, dir: BorrowedFd<'_>) -> Result<usize, FilesystemError> {
        let home = identity(self.root.dir())?;
        let mut place = identity(dir)?;
        let mut above: Option<OwnedFd> = None;
        for depth in 0..MOST_ENTERED {
            if place == home {
                return Ok(depth);
            }
            let here = above.as_ref().map_or(dir, AsFd::as_fd);
            let next = open_at(here, b"..", OpenFlags::PATH | OpenFlags::DIRECTORY, 0)?;
            let below = mem::replace(&mut place, identity(next.as_fd())?);
            if place == below {
                break;
            }
            above = Some(next);
        }
        Err(ErrorKind::OutsideHome.into())
    }

    /// Returns `path` with the links on the way resolved; its last component is kept, even if it is
    /// a link.
    pub(crate) fn canonical_entry(
        &self,
        path: &VirtualPath,
    ) -> Result<VirtualPath, FilesystemError> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(self.canonical(parent.relative())?.join(name)?),
            _ => Ok(path.clone()),
        }
    }

    /// Where `file`, which has these `facts`, is stored. Another disk may be mounted below the
    /// home.
    pub(crate) fn storage(&self, file: BorrowedFd<'_>, facts: &FileStat) -> Storage {
        if facts.device == self.root.device {
            self.root.storage
        } else {
            storage(file).unwrap_or(Storage::Remote)
        }
    }

    /// Whether neither the home nor anything currently mounted below it may wait for a network:
    /// merely examining a directory can wait for what is mounted in it.
    pub(crate) fn is_local(&self) -> bool {
        // If the mounts are unknown, anything may be mounted.
        self.root.storage != Storage::Remote
            && !has_remote_mount_below(self.root.home.real()).unwrap_or(true)
    }

    pub(crate) fn home(&self) -> &Home {
        &self.root.home
    }

    fn open_relative(
        &self,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<OwnedFd, FilesystemError> {
        let opened = self.resolve(path, flags, mode)?;
        if self.hides_processes {
            check_shows_none(opened.as_fd(), self.root.device)?;
        }
        Ok(opened)
    }

    fn resolve(
        &self,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<OwnedFd, FilesystemError> {
        if self.linkless {
            return self.walk(path).without_links().open(flags, mode);
        }
        if self.resolver == Resolver::Kernel {
            for _ in 0..MOST_TRIES {
                match open_beneath(self.root.dir(), path, flags, mode, self.root.scope) {
                    Ok(opened) => return Ok(opened),
                    Err(error) => match error.raw_os_error() {
                        Some(errno::EAGAIN) => {}
                        Some(errno::EXDEV | errno::ELOOP | errno::EPERM | errno::ENOSYS) => break,
                        // An error would tell which names exist, and so reveal processes, too.
                        _ if self.hides_processes => break,
                        _ => return Err(error.into()),
                    },
                }
            }
        }
        self.walk(path).open(flags, mode)
    }

    fn walk(&self, path: &[u8]) -> Walk<'_> {
        let mut walk = Walk::new(self.root.dir(), &self.root.home, self.root.scope, path);
        if self.hides_processes {
            walk = walk.without_processes(self.root.device);
        }
        match self.resolver {
            Resolver::Kernel => walk.with_leaps(),
            Resolver::Walk => walk,
        }
    }
}

/// The device and the inode number of an open directory, which no other directory has meanwhile.
fn identity(dir: BorrowedFd<'_>) -> Result<(u64, u64), FilesystemError> {
    let facts = stat_descriptor(dir)?;
    Ok((facts.device, facts.inode))
}

/// How often `openat2` is tried before the walk is used: the call gives up whenever something is
/// renamed anywhere on the system while it follows a `..`.
const MOST_TRIES: usize = 4;

/// Refuses what lies on a filesystem of processes. There, a thread can examine its own process even
/// while it acts as a user, and that process is root's.
///
/// The home's own filesystem, on the device `home`, is known to show no processes. Asking it each
/// time could mean asking a network.
pub(crate) fn check_shows_none(place: BorrowedFd<'_>, home: u64) -> Result<(), FilesystemError> {
    let is_elsewhere = device_of(place).ok() != Some(home);
    if is_elsewhere && is_process_filesystem(place) {
        return Err(ErrorKind::PermissionDenied.into());
    }
    Ok(())
}

/// A descriptor of something in the home, for examining it or looking up names in it.
pub(crate) enum Descriptor<'a> {
    Home(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Descriptor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Home(dir) => dir.as_fd(),
            Self::Below(dir) => dir.as_fd(),
        }
    }
}

pub(crate) fn metadata(facts: FileStat) -> Metadata {
    Metadata {
        kind: match facts.kind {
            EntryKind::File => FileKind::File,
            EntryKind::Directory => FileKind::Directory,
            EntryKind::Symlink => FileKind::Symlink,
            EntryKind::Other => FileKind::Other,
        },
        size: facts.size,
        modified: facts.modified,
        mode: facts.mode,
        links: facts.links,
        uid: facts.uid,
        gid: facts.gid,
        device: facts.device,
        inode: facts.inode,
        unwritten: false,
    }
}

#[cfg(test)]
mod tests {
    use ftpdlib_sys::open_directory;

    use super::*;

    #[test]
    fn the_filesystem_of_the_home_was_asked_what_it_is_at_every_step() {
        let proc = open_directory("/proc").unwrap();
        let Ok(device) = device_of(proc.as_fd()) else {
            // An old kernel, or a container that forbids the call.
            return;
        };
        let check = |home| check_shows_none(proc.as_fd(), home);
        // Only asking would reveal the kind of this filesystem.
        assert!(check(device).is_ok());
        let refused = check(device + 1).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }
}
