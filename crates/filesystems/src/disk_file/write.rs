//! Uploads to the disk.

use std::cell::Cell;
use std::fs::{File, FileTimes, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::SystemTime;

use ftpdlib_proto::{TransferEnd, VirtualPath};
use ftpdlib_sys::{
    FileStat, OpenFlags, Storage, close, is_root, open_at, random_number, stat_descriptor, touch,
};

use super::content::{ContentId, FACTS_HOLD, LookedUp, Pending};
use super::created::Created;
use super::regular;
use crate::error::{ErrorKind, FilesystemError};
use crate::filesystem::{DRAFT_MODE, WriteMode};
use crate::jail::Jail;
use crate::transfer_file::WriteFile;

/// `NON_BLOCK` avoids waiting for the other end of a FIFO, and has no effect on a regular file.
const WRITE: OpenFlags = OpenFlags::WRITE.union(OpenFlags::NON_BLOCK);

/// The permission bits of a new file, before the umask is applied.
pub(crate) const NEW_FILE_MODE: u32 = 0o666;

/// The mode bits that make a program run as its owner (set-user-ID) or its group (set-group-ID).
const RUNS_AS_OWNER: u32 = 0o6000;

/// Whether a file with this mode runs as its owner or group: set-group-ID counts only for programs.
const fn runs_as_owner(mode: u32) -> bool {
    mode & 0o4000 != 0 || mode & 0o2010 == 0o2010
}

#[derive(Debug)]
pub(crate) struct DiskWriteFile {
    file: File,
    path: VirtualPath,
    storage: Storage,
    looked_up: Cell<LookedUp>,
    pending: Pending,
    /// Whether the mode makes the file run as its owner or group, and root writes to it. The kernel
    /// clears such bits only for other writers, so the upload has to: a client that may only store
    /// files must not get its own program run as that owner. Bits that come after the opening stay.
    runs_as_owner: bool,
    /// Set for a file that did not exist before, and must not remain after an unsecured upload.
    created: Option<Created>,
}

impl DiskWriteFile {
    pub(crate) fn open(
        jail: &Arc<Jail>,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Self, FilesystemError> {
        match mode {
            WriteMode::Replace => {
                let (mut written, facts) = Self::open_or_create(jail, path, WRITE)?;
                if facts.size > 0 {
                    written.pending = Pending::Clear(ContentId::of(&facts));
                }
                Ok(written)
            }
            WriteMode::Append => {
                // A program that appends at the same time must not have its data overwritten. The
                // kernel does not splice into a file opened for appending, so data is copied to it.
                let (written, _) = Self::open_or_create(jail, path, WRITE | OpenFlags::APPEND)?;
                Ok(written)
            }
            WriteMode::At(offset) => {
                let (mut written, facts) = Self::open_at_start(jail, path, WRITE)?;
                if offset > facts.size {
                    return Err(ErrorKind::OffsetPastEnd.into());
                }
                written.seek_to(offset)?;
                Ok(written)
            }
            WriteMode::Unique | WriteMode::Draft => {
                let (dir, prefix) = match (path.parent(), path.file_name()) {
                    (Some(dir), Some(prefix)) => (dir, prefix),
                    _ => (VirtualPath::root(), b"ftpd".as_slice()),
                };
                let stem = prefix.strip_suffix(b".").unwrap_or(prefix);
                let bits = match mode {
                    WriteMode::Draft => DRAFT_MODE,
                    _ => NEW_FILE_MODE,
                };
                Self::create_unique(jail, &dir, &[stem, b"."].concat(), b"", bits)
            }
        }
    }

    /// Creates a file in `dir` whose name is `prefix`, something random and `suffix`, with the
    /// permission bits `mode`, less the umask.
    pub(crate) fn create_unique(
        jail: &Arc<Jail>,
        dir: &VirtualPath,
        prefix: &[u8],
        suffix: &[u8],
        mode: u32,
    ) -> Result<Self, FilesystemError> {
        let names = || [prefix, &random_name(), suffix].concat();
        Self::create_first_free(jail, dir, mode, names)
    }

    /// Creates a file in `dir` with the permission bits `mode`, less the umask, and the first of
    /// `names` that is not taken.
    fn create_first_free(
        jail: &Arc<Jail>,
        dir: &VirtualPath,
        mode: u32,
        mut names: impl FnMut() -> Vec<u8>,
    ) -> Result<Self, FilesystemError> {
        let flags = WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::NO_FOLLOW;
        let parent = jail.open(dir, OpenFlags::PATH | OpenFlags::DIRECTORY, 0)?;
        let mut tries = 0;
        loop {
            let name = names();
            match open_at(parent.as_fd(), &name, flags, mode) {
                Ok(file) => {
                    let (mut written, facts) = Self::over(jail, file, dir.join(&name)?)?;
                    written.created = Some(Created::new(jail, &facts));
                    return Ok(written);
                }
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && tries < MOST_TRIES =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Opens the file if it exists, or else creates it.
    fn open_or_create(
        jail: &Arc<Jail>,
        path: &VirtualPath,
        flags: OpenFlags,
    ) -> Result<(Self, FileStat), FilesystemError> {
        let flags = flags | OpenFlags::CREATE;
        match jail.open(path, flags | OpenFlags::EXCLUSIVE, NEW_FILE_MODE) {
            Ok(file) => {
                let (mut written, facts) = Self::over(jail, file, path.clone())?;
                written.created = Some(Created::new(jail, &facts));
                Ok((written, facts))
            }
            // The target of a link may still have to be created.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Self::open_at_start(jail, path, flags)
            }
            Err(error) => Err(error),
        }
    }

    fn open_at_start(
        jail: &Arc<Jail>,
        path: &VirtualPath,
        flags: OpenFlags,
    ) -> Result<(Self, FileStat), FilesystemError> {
        let file = jail.open(path, flags, NEW_FILE_MODE)?;
        let (mut written, facts) = Self::over(jail, file, path.clone())?;
        if facts.size == 0 {
            written.pending = Pending::Touch;
        }
        Ok((written, facts))
    }

    fn over(
        jail: &Jail,
        file: OwnedFd,
        path: VirtualPath,
    ) -> Result<(Self, FileStat), FilesystemError> {
        let facts = regular(&file)?;
        let storage = jail.storage(file.as_fd(), &facts);
        let written = Self {
            storage,
            looked_up: Cell::new(LookedUp::new(&facts, storage)),
            file: file.into(),
            path,
            pending: Pending::Nothing,
            runs_as_owner: runs_as_owner(facts.mode) && is_root(),
            created: None,
        };
        Ok((written, facts))
    }

    /// Returns facts of the file, which are looked up again if they are too old; most uploads end
    /// before that. No facts are looked up for a file that may block.
    fn looked_up(&self) -> LookedUp {
        let known = self.looked_up.get();
        if self.storage != Storage::Remote
            && known.at.elapsed() >= FACTS_HOLD
            && let Ok(facts) = stat_descriptor(self.file.as_fd())
        {
            self.looked_up.set(LookedUp::new(&facts, self.storage));
        }
        self.looked_up.get()
    }

    fn seek_to(&mut self, offset: u64) -> io::Result<()> {
        if offset > 0 {
            self.file.seek(SeekFrom::Start(offset))?;
        }
        Ok(())
    }

    /// Does what a complete upload still has to do if it ends before its first byte.
    fn settle(&mut self) -> io::Result<()> {
        match self.pending {
            Pending::Nothing => {}
            Pending::Touch => {
                // Sets the exact time if the file is the user's, since the kernel's own time is
                // coarse. Not every filesystem keeps times, and libfuse 2 sets only both.
                let now = SystemTime::now();
                let times = FileTimes::new().set_accessed(now).set_modified(now);
                let _ = self
                    .file
                    .set_times(times)
                    .or_else(|_| touch(self.file.as_fd()));
            }
            Pending::Clear(found) => {
                if found.is_of(&stat_descriptor(self.file.as_fd())?) {
                    self.clear_set_id_bits()?;
                    self.file.set_len(0)?;
                }
            }
        }
        self.pending = Pending::Nothing;
        Ok(())
    }

    /// Clears the bits that make the file run as its owner or group, as the kernel does when anyone
    /// but root changes the content.
    fn clear_set_id_bits(&mut self) -> io::Result<()> {
        if self.runs_as_owner {
            let facts = stat_descriptor(self.file.as_fd())?;
            let cleared = set_mode(&self.file, facts.mode & !RUNS_AS_OWNER);
            // On a network disk this root may be nobody, for whom the disk's system clears them.
            if self.storage != Storage::Remote {
                cleared?;
            }
            self.runs_as_owner = false;
        }
        Ok(())
    }

    /// Gives the file to a caller that goes on writing to it directly.
    pub(crate) fn into_parts(mut self) -> io::Result<(File, VirtualPath)> {
        self.settle()?;
        self.clear_set_id_bits()?;
        Ok((self.file, self.path))
    }
}

impl WriteFile for DiskWriteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.pending {
            Pending::Clear(_) => self.settle()?,
            // The write itself changes the time.
            Pending::Touch if !bytes.is_empty() => self.pending = Pending::Nothing,
            Pending::Touch | Pending::Nothing => {}
        }
        if !bytes.is_empty() {
            self.clear_set_id_bits()?;
        }
        self.file.write(bytes)
    }

    /// However the transfer ends, what has arrived is kept, as a client that resumes expects. If it
    /// breaks off before anything has arrived, the file is left alone: after a lost connection, the
    /// client may have uploaded it again.
    fn finish(mut self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
        match (end, &self.created) {
            (TransferEnd::Complete, _) => self.settle()?,
            (TransferEnd::Unsecured, Some(created)) => created.undo(&self.file, &self.path)?,
            _ => {}
        }
        Ok(close(OwnedFd::from(self.file))?)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (self.storage != Storage::Remote).then(|| self.file.as_fd())
    }

    fn size(&self) -> Option<u64> {
        Some(self.looked_up().size)
    }

    fn may_wait(&self) -> bool {
        if self.storage != Storage::Disk {
            return false;
        }
        let known = self.looked_up();
        known.unwritten && (known.removed || matches!(self.pending, Pending::Clear(_)))
    }

    fn path(&self) -> &VirtualPath {
        &self.path
    }

    fn mode(&self) -> Option<u32> {
        Some(stat_descriptor(self.file.as_fd()).ok()?.mode)
    }

    fn set_mode(&mut self, mode: u32) -> Result<(), FilesystemError> {
        Ok(set_mode(&self.file, mode)?)
    }
}

/// Sets the mode by `fchmod`, which every kernel has, unlike what descriptors with `O_PATH` need.
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode & 0o7777))
}

/// With two thousand million names to choose from, more tries would mean that something else is
/// wrong.
const MOST_TRIES: usize = 100;

/// Six unpredictable letters and digits.
fn random_name() -> [u8; 6] {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = random_number();
    [(); 6].map(|()| {
        let letter = LETTERS[(random % 36) as usize];
        random /= 36;
        letter
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::jail::Resolver;

    const CLEAR: Pending = Pending::Clear(ContentId {
        size: 1,
        modified: [0; 2],
    });

    /// A file of nine bytes, for which a single byte, completely written, was looked up some time
    /// `ago`.
    fn written(ago: Duration, storage: Storage, pending: Pending) -> DiskWriteFile {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"nine byte").unwrap();
        let at_rest = LookedUp {
            at: Instant::now() - ago,
            size: 1,
            removed: false,
            unwritten: false,
        };
        DiskWriteFile {
            file,
            path: VirtualPath::root(),
            storage,
            looked_up: Cell::new(at_rest),
            pending,
            runs_as_owner: false,
            created: None,
        }
    }

    #[test]
    fn a_file_that_others_had_written_to_had_the_size_of_long_ago() {
        let mut written = written(FACTS_HOLD, Storage::Disk, Pending::Nothing);
        assert_eq!(written.size(), Some(9));
        // No facts are looked up for a file that may block.
        written = self::written(FACTS_HOLD, Storage::Remote, Pending::Nothing);
        assert_eq!(written.size(), Some(1));
    }

    #[test]
    fn a_unique_name_is_none_that_a_file_or_a_link_has() {
        let home = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().join("target");
        fs::write(home.path().join("file"), "text").unwrap();
        std::os::unix::fs::symlink(&target, home.path().join("link")).unwrap();
        let jail = Arc::new(Jail::open_home(home.path(), Resolver::Kernel).unwrap());
        let mut names = ["file", "link", "free"].into_iter();
        let names = || names.next().unwrap().into();
        let written =
            DiskWriteFile::create_first_free(&jail, &VirtualPath::root(), NEW_FILE_MODE, names);
        assert_eq!(written.unwrap().path.as_bytes(), b"/free");
        assert_eq!(fs::read(home.path().join("file")).unwrap(), b"text");
        assert!(!target.exists());
    }

    #[test]
    fn only_what_was_stored_lately_is_waited_for_to_be_emptied() {
        let long_ago = |storage, pending| written(FACTS_HOLD, storage, pending).may_wait();
        assert!(long_ago(Storage::Disk, CLEAR));
        assert!(!long_ago(Storage::Memory, CLEAR));
        // Nothing is emptied, but the file was removed, and closing it frees its content.
        assert!(long_ago(Storage::Disk, Pending::Nothing));
        let mut upload = written(FACTS_HOLD, Storage::Disk, CLEAR);
        let mut known = upload.looked_up();
        // Keeps the facts fresh for as long as this test takes.
        known.at += Duration::from_secs(3600);
        known.removed = false;
        upload.looked_up.set(known);
        assert!(upload.may_wait());
        upload.write(b"x").unwrap();
        assert!(!upload.may_wait());
    }
}
