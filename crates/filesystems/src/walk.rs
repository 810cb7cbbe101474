//! Resolving a path in this process, from one descriptor to the next.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ftpdlib_proto::VirtualPath;
use ftpdlib_sys::{EntryKind, OpenFlags, Scope, errno, open_at, read_link_at, stat_descriptor};

use crate::error::{ErrorKind, FilesystemError};
use crate::home::{Home, split};
use crate::jail::check_shows_none;
use crate::trail::{MOST_ENTERED, Trail};

/// A walk along a path, from the home directory down.
///
/// Every name is opened from the directory above it with `O_NOFOLLOW`, so a directory that is
/// swapped for a link is noticed. A directory that is moved away does not take the walk with it:
/// `..` goes back to the directory that the walk came from, never to the one that is above it on
/// the disk by then.
pub(crate) struct Walk<'a> {
    home: &'a Home,
    scope: Scope,
    entered: Trail<'a>,
    /// The names still to go, in reverse: the next one is last.
    pending: Vec<Vec<u8>>,
    links: usize,
    /// What a failure would reveal something about, starting with the first link that is not
    /// resolved yet.
    passed: Vec<Passed>,
    /// How many of the next names are entered one by one before the kernel is asked to enter
    /// [`LEAP`] names together; `None` if it is never asked.
    single: Option<usize>,
    /// If the walk must not enter a filesystem of processes: the device of the home, which is not
    /// one.
    without_processes: Option<u64>,
}

/// A link that is being followed, or the end of the path.
struct Passed {
    /// Where it is; `None` if the path would be too long.
    place: Option<VirtualPath>,
    /// How many names are pending after those of the link's target.
    behind: usize,
}

/// The most links followed, as on Linux.
const MOST_LINKS: usize = 40;

/// How many names are entered together. No ordinary tree is this deep. If a client made one to keep
/// the server busy, this saves a system call for each of its directories.
const LEAP: usize = 32;

impl<'a> Walk<'a> {
    /// Starts a walk along `path`, as seen from `dir`, the directory of `home`.
    pub(crate) fn new(dir: BorrowedFd<'a>, home: &'a Home, scope: Scope, path: &[u8]) -> Self {
        let mut pending: Vec<_> = split(path).map(<[u8]>::to_vec).collect();
        pending.reverse();
        Self {
            home,
            scope,
            entered: Trail::new(dir),
            pending,
            links: 0,
            passed: Vec::new(),
            single: None,
            without_processes: None,
        }
    }

    /// The same walk, with the help of a kernel that can resolve paths.
    pub(crate) fn with_leaps(mut self) -> Self {
        self.single = Some(0);
        self
    }

    /// The same walk, but failing at the first link.
    pub(crate) fn without_links(mut self) -> Self {
        self.links = MOST_LINKS;
        self
    }

    /// The same walk, but failing where processes are shown, which is not so on `device`, the
    /// home's.
    pub(crate) fn without_processes(mut self, device: u64) -> Self {
        self.without_processes = Some(device);
        self
    }

    /// Opens what the path leads to. A link as the last component is followed unless `flags` say
    /// otherwise, even if it leads to a file that is to be created.
    pub(crate) fn open(mut self, flags: OpenFlags, mode: u32) -> Result<OwnedFd, FilesystemError> {
        while let Some(name) = self.next_name() {
            if self.step_aside(&name)? {
                continue;
            }
            if self.pending.is_empty() {
                if let Some(opened) = self.open_last(&name, flags, mode)? {
                    return Ok(opened);
                }
            } else if let Err(refused) = self.entered.enter(&name) {
                self.follow(&name, refused)?;
            }
        }
        Ok(open_at(self.entered.top(), b".", flags, mode)?)
    }

    /// The path with all links resolved; a last component that does not exist is kept. A failure
    /// has its [places](FilesystemError::places).
    pub(crate) fn canonical(mut self) -> Result<VirtualPath, FilesystemError> {
        while let Some(name) = self.next_name() {
            let behind = self.pending.len();
            self.passed.retain(|passed| passed.behind <= behind);
            if self.step_aside(&name).map_err(|error| self.told(error))? {
                continue;
            }
            let Err(refused) = self.entered.enter(&name) else {
                continue;
            };
            self.pass(Some(&name));
            match self.follow(&name, refused) {
                Err(error) if behind == 0 && is_no_directory(error.kind()) => {
                    let path = self.virtual_path(Some(&name));
                    return path.map_err(|error| self.told(error));
                }
                followed => followed.map_err(|error| self.told(error))?,
            }
        }
        self.pass(None);
        self.virtual_path(None).map_err(|error| self.told(error))
    }

    /// Checks that the path stays in the home. A component that does not exist or cannot be entered
    /// counts as a directory, as do the components below it.
    pub(crate) fn check_stays(mut self) -> Result<(), FilesystemError> {
        // How many levels the path is below the directory entered last.
        let mut beyond = 0_usize;
        while let Some(name) = self.pending.pop() {
            if beyond > 0 {
                beyond = match name.as_slice() {
                    b"." => beyond,
                    b".." => beyond - 1,
                    _ => beyond + 1,
                };
                continue;
            }
            if self.step_aside(&name)? {
                continue;
            }
            if let Err(refused) = self.entered.enter(&name)
                && let Err(error) = self.follow(&name, refused)
            {
                match error.kind() {
                    ErrorKind::OutsideHome | ErrorKind::TooManyLinks => return Err(error),
                    _ => beyond = 1,
                }
            }
        }
        Ok(())
    }

    /// Returns the next name that is to be entered or opened by itself.
    fn next_name(&mut self) -> Option<Vec<u8>> {
        if let Some(single) = &mut self.single {
            if *single == 0 {
                self.leap();
            } else {
                *single -= 1;
            }
        }
        self.pending.pop()
    }

    /// Enters names together as far as possible, except the last ones: the final name is opened
    /// differently. If that fails, the next names are entered one by one.
    fn leap(&mut self) {
        while self.pending.len() > LEAP {
            let from = self.pending.len() - LEAP;
            let ahead = self.pending[from..].iter().rev();
            let names: Vec<_> = ahead.map(Vec::as_slice).collect();
            let are_names = !names.iter().any(|&name| name == b"." || name == b"..");
            if !are_names || self.entered.leap(&names).is_err() {
                self.single = Some(LEAP - 1);
                return;
            }
            self.pending.truncate(from);
        }
    }

    /// Handles `.` and `..`; returns `false` for any other name.
    fn step_aside(&mut self, name: &[u8]) -> Result<bool, FilesystemError> {
        match name {
            b"." => Ok(true),
            b".." => {
                if !self.entered.leave()? && self.scope == Scope::Beneath {
                    return Err(ErrorKind::OutsideHome.into());
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Opens the last name. Returns `None` if it is a link, whose target is then pending.
    fn open_last(
        &mut self,
        name: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<Option<OwnedFd>, FilesystemError> {
        self.check_place()?;
        let opened = open_at(self.entered.top(), name, flags | OpenFlags::NO_FOLLOW, mode);
        if flags.contains(OpenFlags::NO_FOLLOW) {
            return Ok(Some(opened?));
        }
        match opened {
            // With `O_PATH`, a link itself is opened like anything else.
            Ok(place) if flags.contains(OpenFlags::PATH) => {
                if stat_descriptor(place.as_fd())?.kind != EntryKind::Symlink {
                    return Ok(Some(place));
                }
                self.queue(&read_link_at(place.as_fd(), b"")?)?;
                Ok(None)
            }
            Ok(file) => Ok(Some(file)),
            Err(refused) => self.follow(name, refused).map(|()| None),
        }
    }

    /// Follows `name` if opening it was `refused` because it is a link; otherwise returns that
    /// error.
    fn follow(&mut self, name: &[u8], refused: io::Error) -> Result<(), FilesystemError> {
        self.check_place()?;
        if !matches!(refused.raw_os_error(), Some(errno::ELOOP | errno::ENOTDIR)) {
            return Err(refused.into());
        }
        match read_link_at(self.entered.top(), name) {
            Ok(target) => self.queue(&target),
            Err(_) => Err(refused.into()),
        }
    }

    /// Checks that the walk may open files and follow links in the current directory: the links of
    /// a process reveal what it has open.
    fn check_place(&self) -> Result<(), FilesystemError> {
        match self.without_processes {
            Some(home) => check_shows_none(self.entered.top(), home),
            None => Ok(()),
        }
    }

    fn queue(&mut self, target: &[u8]) -> Result<(), FilesystemError> {
        if self.links == MOST_LINKS {
            return Err(ErrorKind::TooManyLinks.into());
        }
        self.links += 1;
        if target.starts_with(b"/") {
            let rest = self.home.strip(target).ok_or(ErrorKind::OutsideHome)?;
            self.entered.restart();
            self.pending
                .extend(rest.into_iter().rev().map(<[u8]>::to_vec));
        } else {
            let from = self.pending.len();
            self.pending.extend(split(target).map(<[u8]>::to_vec));
            self.pending[from..].reverse();
        }
        // There is no point in keeping more names than may be entered: the walk would fail before
        // their end.
        if self.pending.len() > MOST_ENTERED {
            return Err(ErrorKind::TooManyLinks.into());
        }
        Ok(())
    }

    /// Notes `last` in the current directory, or the directory itself, as a place.
    fn pass(&mut self, last: Option<&[u8]>) {
        // If the name makes the path too long, the directory serves as the place.
        let place = self.path_of(last).or_else(|_| self.path_of(None));
        self.passed.push(Passed {
            place: place.ok(),
            behind: self.pending.len(),
        });
    }

    /// Adds the places to a failure.
    fn told(&mut self, error: FilesystemError) -> FilesystemError {
        let places = self.passed.drain(..).map(|passed| passed.place);
        error.with_places(places.collect::<Option<_>>().unwrap_or_default())
    }

    fn virtual_path(&self, last: Option<&[u8]>) -> Result<VirtualPath, FilesystemError> {
        self.check_place()?;
        self.path_of(last)
    }

    fn path_of(&self, last: Option<&[u8]>) -> Result<VirtualPath, FilesystemError> {
        let mut path = Vec::new();
        for name in self.entered.names().chain(last) {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        Ok(VirtualPath::new(path)?)
    }
}

fn is_no_directory(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}
