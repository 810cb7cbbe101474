//! Reading and writing a range of a file (RANG).

use std::io;
use std::os::fd::BorrowedFd;

use ftpdlib_filesystems::{ErrorKind, Filesystem, FilesystemError, ReadFile, WriteFile, WriteMode};
use ftpdlib_proto::{ByteRange, TransferEnd, VirtualPath};

use super::file_io::within;

/// Opens a file for reading from `offset` on. Checks that this is not past the end: a filesystem
/// may forget to, or the file may have become shorter, and the download would look complete.
pub(super) fn open_read_at(
    fs: &dyn Filesystem,
    path: &VirtualPath,
    offset: u64,
) -> Result<Box<dyn ReadFile>, FilesystemError> {
    let file = fs.open_read(path, offset)?;
    if file.size().is_some_and(|size| size < file.offset()) {
        return Err(ErrorKind::OffsetPastEnd.into());
    }
    Ok(file)
}

/// Opens a file for reading a range, which may end behind it. Also returns the file's size.
pub(super) fn open_read(
    fs: &dyn Filesystem,
    path: &VirtualPath,
    range: ByteRange,
) -> Result<(Box<dyn ReadFile>, Option<u64>), FilesystemError> {
    let file = open_read_at(fs, path, range.start())?;
    let size = file.size();
    Ok(match range.end() {
        None => (file, size),
        Some(end) => (Box::new(RangedRead { file, end }), size),
    })
}

/// Opens a file for writing a range. It must exist, unless the range begins with the first byte.
pub(super) fn open_write(
    fs: &dyn Filesystem,
    path: &VirtualPath,
    range: ByteRange,
) -> Result<Box<dyn WriteFile>, FilesystemError> {
    let file = match fs.open_write(path, WriteMode::At(range.start())) {
        Err(error) if error.kind() == ErrorKind::NotFound && range.start() == 0 => {
            fs.open_write(path, WriteMode::Replace)?
        }
        opened => opened?,
    };
    Ok(match range.length() {
        None => file,
        Some(left) => Box::new(RangedWrite {
            file,
            left,
            is_over: false,
        }),
    })
}

struct RangedRead {
    file: Box<dyn ReadFile>,
    end: u64,
}

impl ReadFile for RangedRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.file.offset());
        let room = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if room == 0 {
            return Ok(0);
        }
        within(self.file.read(&mut buffer[..room])?, room)
    }

    /// The offset at which reading ends.
    fn size(&self) -> Option<u64> {
        self.file.size().map(|size| size.min(self.end))
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.file.descriptor()
    }

    fn offset(&self) -> u64 {
        self.file.offset()
    }
}

struct RangedWrite {
    file: Box<dyn WriteFile>,
    left: u64,
    /// Whether more has come than the range holds.
    is_over: bool,
}

impl WriteFile for RangedWrite {
    /// Takes and discards bytes beyond the range.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        if room == 0 {
            self.is_over |= !bytes.is_empty();
            return Ok(bytes.len());
        }
        let written = within(self.file.write(&bytes[..room])?, room)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
        if !self.is_over {
            return self.file.finish(end);
        }
        self.file.finish(&TransferEnd::LocalError)?;
        let text = "More came than the range holds.";
        Err(FilesystemError::new(ErrorKind::QuotaExceeded, text))
    }

    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn may_wait(&self) -> bool {
        self.file.may_wait()
    }

    fn path(&self) -> &VirtualPath {
        self.file.path()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ftpdlib_filesystems::{Layer, Layered, MemoryFs};

    use super::*;

    fn path() -> VirtualPath {
        VirtualPath::new("/a").unwrap()
    }

    #[track_caller]
    fn check_read(start: u64, end: Option<u64>, expected: &str) {
        let fs = MemoryFs::new();
        fs.insert("/a", "0123456789").unwrap();
        let range = ByteRange::new(start, end).unwrap();
        let (mut file, size) = open_read(&fs, &path(), range).unwrap();
        assert_eq!(size, Some(10));
        let (mut all, mut piece) = (Vec::new(), [0; 3]);
        loop {
            match file.read(&mut piece).unwrap() {
                0 => break,
                bytes => all.extend_from_slice(&piece[..bytes]),
            }
        }
        assert_eq!(String::from_utf8(all).unwrap(), expected);
    }

    /// A file that becomes shorter while it is opened.
    struct Shrinking;

    struct Shrunk(u64);

    impl Layer for Shrinking {
        fn open_read(
            &self,
            _: &dyn Filesystem,
            _: &VirtualPath,
            offset: u64,
        ) -> Result<Box<dyn ReadFile>, FilesystemError> {
            Ok(Box::new(Shrunk(offset)))
        }
    }

    impl ReadFile for Shrunk {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }

        fn size(&self) -> Option<u64> {
            Some(3)
        }

        fn offset(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn a_download_from_behind_the_end_was_complete_without_a_byte() {
        let fs = Layered::new(Shrinking, Arc::new(MemoryFs::new()));
        for (start, end, expected) in [
            (3, None, None),
            (4, None, Some(ErrorKind::OffsetPastEnd)),
            (4, Some(9), Some(ErrorKind::OffsetPastEnd)),
        ] {
            let range = ByteRange::new(start, end).unwrap();
            let refused = open_read(&fs, &path(), range).err();
            assert_eq!(refused.map(|error| error.kind()), expected, "{start}");
        }
    }

    #[test]
    fn reading_stays_in_the_range() {
        check_read(0, None, "0123456789");
        check_read(3, Some(7), "3456");
        check_read(3, Some(99), "3456789");
        check_read(3, Some(3), "");
    }

    #[track_caller]
    fn check_write(
        before: Option<&str>,
        range: (u64, u64),
        bytes: &str,
        expected: Result<&str, u16>,
    ) {
        let fs = MemoryFs::new();
        if let Some(before) = before {
            fs.insert("/a", before).unwrap();
        }
        let range = ByteRange::new(range.0, Some(range.1)).unwrap();
        let done = open_write(&fs, &path(), range).and_then(|mut file| {
            let mut rest = bytes.as_bytes();
            while !rest.is_empty() {
                let written = file.write(rest).unwrap();
                rest = &rest[written..];
            }
            file.finish(&TransferEnd::Complete)
        });
        let done = done.map_err(|error| error.reply_code().value());
        let held = || String::from_utf8(fs.contents("/a").unwrap()).unwrap();
        assert_eq!(done.map(|()| held()), expected.map(str::to_owned));
    }

    #[test]
    fn writing_stays_in_the_range() {
        check_write(Some("01234"), (1, 3), "ab", Ok("0ab34"));
        check_write(Some("01234"), (1, 9), "ab", Ok("0ab34"));
        check_write(Some("01234"), (3, 9), "abcd", Ok("012abcd"));
        check_write(None, (0, 9), "ab", Ok("ab"));
        check_write(None, (1, 9), "ab", Err(550));
        check_write(Some("01234"), (6, 9), "ab", Err(554));
        check_write(Some("01234"), (1, 3), "abc", Err(552));
    }
}
