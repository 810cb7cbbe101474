//! Reading directories in large pieces.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::call::check;

/// Reads an open directory, in directory order.
///
/// The C library's `readdir` reads 32 KiB at a time, and the standard library's `ReadDir` hides the
/// descriptor that a race-free `lstat` of an entry needs.
#[derive(Debug)]
pub struct DirectoryReader {
    dir: OwnedFd,
    buffer: Box<[u8]>,
    /// The part of `buffer` that is filled and not handed out yet.
    start: usize,
    end: usize,
}

impl DirectoryReader {
    /// Starts to read `dir`, which must be opened with [`OpenFlags::READ`](crate::OpenFlags::READ).
    pub fn new(dir: OwnedFd) -> Self {
        let buffer = vec![0; BUFFER_SIZE].into_boxed_slice();
        Self {
            dir,
            buffer,
            start: 0,
            end: 0,
        }
    }

    /// Returns the name of the next entry, never `.` or `..`; `None` at the end.
    ///
    /// # Errors
    ///
    /// The error of `getdents64`.
    pub fn next_name(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if self.start == self.end {
                self.fill()?;
                if self.end == 0 {
                    return Ok(None);
                }
            }
            let record = self.start..self.start + self.record_length();
            self.start = record.end;
            let name = record.start + NAME_AT..record.end;
            let name = name.start..name.start + length_before_nul(&self.buffer[name]);
            if !matches!(&self.buffer[name.clone()], b"." | b"..") {
                return Ok(Some(&self.buffer[name]));
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let (start, room) = (self.buffer.as_mut_ptr(), self.buffer.len());
        // SAFETY: the directory is open for as long as `self` owns it, and `start` points to `room`
        // writable bytes that `self` owns and nothing else touches during the call.
        let filled = match check(unsafe {
            libc::syscall(libc::SYS_getdents64, self.dir.as_raw_fd(), start, room)
        }) {
            Ok(filled) => filled,
            // The directory was removed, so it has no more entries.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => 0,
            Err(error) => return Err(error),
        };
        (self.start, self.end) = (0, filled as usize);
        Ok(())
    }

    fn record_length(&self) -> usize {
        let at = self.start + LENGTH_AT;
        usize::from(u16::from_ne_bytes([self.buffer[at], self.buffer[at + 1]]))
    }
}

impl AsFd for DirectoryReader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// A record of `getdents64`: inode (8 bytes), offset (8), length (2), type (1), name, NUL, padding.
const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// Some two thousand entries per call; more gains nothing.
const BUFFER_SIZE: usize = 64 * 1024;

fn length_before_nul(field: &[u8]) -> usize {
    field
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(field.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::{OpenFlags, open_at, open_directory};

    #[test]
    fn every_name_comes_once() {
        let scratch = tempfile::tempdir().unwrap();
        let wanted: BTreeSet<Vec<u8>> = (0..3000)
            .map(|i| format!("{:0>width$}", i, width = 4 + i % 200).into())
            .collect();
        for name in &wanted {
            fs::write(scratch.path().join(str::from_utf8(name).unwrap()), b"").unwrap();
        }
        let dir = open_directory(scratch.path()).unwrap();
        let dir = open_at(dir.as_fd(), b".", OpenFlags::READ | OpenFlags::DIRECTORY, 0).unwrap();
        let mut reader = DirectoryReader::new(dir);
        let mut seen = BTreeSet::new();
        while let Some(name) = reader.next_name().unwrap() {
            assert!(seen.insert(name.to_vec()));
        }
        assert_eq!(seen, wanted);
        assert_eq!(reader.next_name().unwrap(), None);
    }
}
