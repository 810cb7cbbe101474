//! The directories that a walk has entered.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ftpdlib_sys::{OpenFlags, Scope, errno, open_at, open_beneath};

/// The names and descriptors from the home directory down to the current directory of a walk.
///
/// Only the last few directories are held open: a path may have two thousand components, and a
/// client that makes such a path must not use up everyone's descriptors. To go up further than
/// that, the walk comes down again from the home by the same names, none of which may have become a
/// link.
pub(crate) struct Trail<'a> {
    home: BorrowedFd<'a>,
    /// The names entered, from the home down.
    names: Vec<Vec<u8>>,
    /// The directories of the last names; empty only at the home.
    open: VecDeque<OwnedFd>,
    /// How many directories were entered; a directory entered twice counts twice.
    entered: usize,
}

/// The most directories held open. Most trees are less deep.
const MOST_OPEN: usize = 16;

/// How many directories one walk may enter in all, including those that it enters again because of
/// links and `..`. The longest path that the system accepts has half as many names. The limit is
/// needed because the walk may run on an event loop, and clients can make deep directories and
/// links that each lead through all of them again.
pub(crate) const MOST_ENTERED: usize = 4096;

const PLACE: OpenFlags = OpenFlags::PATH.union(OpenFlags::DIRECTORY);

impl<'a> Trail<'a> {
    /// Starts in `home`.
    pub(crate) fn new(home: BorrowedFd<'a>) -> Self {
        Self {
            home,
            names: Vec::new(),
            open: VecDeque::new(),
            entered: 0,
        }
    }

    /// The current directory.
    pub(crate) fn top(&self) -> BorrowedFd<'_> {
        self.open.back().map_or(self.home, AsFd::as_fd)
    }

    /// The names from the home down to the current directory.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(Vec::as_slice)
    }

    /// Enters `name`, which must be a directory and not a link to one. Fails with `ELOOP` after
    /// [`MOST_ENTERED`] directories.
    pub(crate) fn enter(&mut self, name: &[u8]) -> io::Result<()> {
        self.check_room(1)?;
        let dir = open_at(self.top(), name, PLACE | OpenFlags::NO_FOLLOW, 0)?;
        self.entered += 1;
        self.names.push(name.to_vec());
        self.open.push_back(dir);
        if self.open.len() > MOST_OPEN {
            self.open.pop_front();
        }
        Ok(())
    }

    /// Enters `names`, each below the one before it, with one system call. If one of them is not a
    /// directory, or the kernel lacks the call, nothing has changed. None of them may be `.` or
    /// `..`.
    pub(crate) fn leap(&mut self, names: &[&[u8]]) -> io::Result<()> {
        self.check_room(names.len())?;
        let path = names.join(&b'/');
        let dir = open_beneath(self.top(), &path, PLACE, 0, Scope::Linkless)?;
        self.entered += names.len();
        self.names.extend(names.iter().map(|name| name.to_vec()));
        // The directories above are not open, so going up starts again at the home.
        self.open.clear();
        self.open.push_back(dir);
        Ok(())
    }

    /// Fails if entering this many more `names` would exceed the limit. Only directories that were
    /// entered count, so that failed attempts make no difference.
    fn check_room(&self, names: usize) -> io::Result<()> {
        if self.entered + names > MOST_ENTERED {
            return Err(io::Error::from_raw_os_error(errno::ELOOP));
        }
        Ok(())
    }

    /// Goes up one directory; returns `false` at the home.
    pub(crate) fn leave(&mut self) -> io::Result<bool> {
        if self.names.pop().is_none() {
            return Ok(false);
        }
        self.open.pop_back();
        if self.open.is_empty() {
            for name in mem::take(&mut self.names) {
                self.enter(&name)?;
            }
        }
        Ok(true)
    }

    /// Goes back to the home.
    pub(crate) fn restart(&mut self) {
        self.names.clear();
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ftpdlib_sys::{open_directory, stat_descriptor};

    use super::*;

    const DEPTH: usize = 3 * MOST_OPEN;

    fn inode(dir: BorrowedFd<'_>) -> u64 {
        stat_descriptor(dir).unwrap().inode
    }

    #[test]
    fn a_deep_path_does_not_use_up_the_descriptors() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir_all(scratch.path().join("a/".repeat(DEPTH))).unwrap();
        let home = open_directory(scratch.path()).unwrap();
        let mut trail = Trail::new(home.as_fd());
        let mut passed = Vec::new();
        for _ in 0..DEPTH {
            passed.push(inode(trail.top()));
            trail.enter(b"a").unwrap();
            assert!(trail.open.len() <= MOST_OPEN);
        }
        assert_eq!(trail.names().count(), DEPTH);
        while let Some(above) = passed.pop() {
            assert!(trail.leave().unwrap());
            assert_eq!(inode(trail.top()), above);
            assert!(trail.open.len() <= MOST_OPEN);
        }
        assert!(!trail.leave().unwrap());
    }

    #[test]
    fn names_that_could_not_be_entered_together_counted_as_entered() {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("a")).unwrap();
        let home = open_directory(scratch.path()).unwrap();
        let mut trail = Trail::new(home.as_fd());
        for _ in 0..MOST_ENTERED {
            assert!(trail.leap(&[b"a", b"none"]).is_err());
            trail.enter(b"a").unwrap();
            trail.restart();
        }
        let full = trail.enter(b"a").unwrap_err();
        assert_eq!(full.raw_os_error(), Some(errno::ELOOP));
    }

    #[test]
    fn a_link_put_in_the_way_back_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let tail = "a/".repeat(DEPTH);
        fs::create_dir_all(scratch.path().join(&tail)).unwrap();
        fs::create_dir_all(outside.path().join(&tail)).unwrap();
        let home = open_directory(scratch.path()).unwrap();
        let mut trail = Trail::new(home.as_fd());
        for _ in 0..DEPTH {
            trail.enter(b"a").unwrap();
        }
        let (name, aside) = (scratch.path().join("a"), scratch.path().join("b"));
        fs::rename(&name, aside).unwrap();
        std::os::unix::fs::symlink(outside.path().join("a"), name).unwrap();
        let left = (0..DEPTH).try_for_each(|_| trail.leave().map(|_| ()));
        assert!(left.is_err());
    }
}
