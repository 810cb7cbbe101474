//! Files of the disk, read and written.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ftpdlib_proto::{TransferEnd, VirtualPath};
use ftpdlib_sys::{
    Claim, EntryKind, FileStat, OpenFlags, Storage, close, is_made_up, is_root, open_at,
    random_number, set_mode, stat_at, stat_descriptor, touch, unlink_at,
};

use crate::error::{ErrorKind, FilesystemError};
use crate::filesystem::{DRAFT_MODE, WriteMode};
use crate::jail::Jail;
use crate::transfer_file::{ReadFile, WriteFile};

/// Never waits for the other end of a FIFO; a regular file does not mind.
const READ: OpenFlags = OpenFlags::READ.union(OpenFlags::NON_BLOCK);
const WRITE: OpenFlags = OpenFlags::WRITE.union(OpenFlags::NON_BLOCK);

/// What a new file may be used for, less the umask.
pub(crate) const NEW_FILE_MODE: u32 = 0o666;

/// The bits of a mode that have a program run as its owner and its group.
const RUNS_AS_OWNER: u32 = 0o6000;

/// How long what was looked up of a file that is open for writing may be told as it was then.
const FACTS_HOLD: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct DiskReadFile {
    file: File,
    size: u64,
    offset: u64,
    mode: u32,
    local: bool,
}

impl DiskReadFile {
    pub(crate) fn open(
        jail: &Jail,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Self, FilesystemError> {
        let file = jail.open(path, READ, 0)?;
        let facts = regular(&file)?;
        if offset > facts.size {
            return Err(ErrorKind::OffsetPastEnd.into());
        }
        Ok(Self {
            local: jail.storage(file.as_fd(), &facts) != Storage::Remote,
            file: file.into(),
            size: facts.size,
            offset,
            mode: facts.mode,
        })
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

impl ReadFile for DiskReadFile {
    /// Reads at the offset, not at the position of the descriptor, so that opening at an offset
    /// costs no seek.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        // It was empty when it was opened, and has become longer; one that the kernel makes up
        // (procfs) goes on saying that it is empty.
        if count > 0 && self.size == 0 && self.file.metadata()?.len() > 0 {
            return Ok(0);
        }
        self.offset += count as u64;
        // Nobody has made it shorter: it never had that size. Of any other, asking for its size now
        // tells nothing, as it may have been emptied for the read, and written again since.
        if count == 0
            && self.offset < self.size
            && !buffer.is_empty()
            && is_made_up(self.file.as_fd())
        {
            self.size = self.offset;
        }
        Ok(count)
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.local.then(|| self.file.as_fd())
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn mode(&self) -> Option<u32> {
        Some(self.mode)
    }
}

#[derive(Debug)]
pub(crate) struct DiskWriteFile {
    file: File,
    path: VirtualPath,
    storage: Storage,
    looked_up: Cell<LookedUp>,
    pending: Pending,
    /// Whether its mode says that it is run as its owner or group, which the kernel takes from a
    /// file that anybody but root writes to. Whoever may only store must not run a program as them.
    runs_as_owner: bool,
    /// Of a file that was not there before: nor is it to be there after such an upload.
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
                // Whoever else appends at the same time must not be overwritten. The kernel does
                // not splice into such a file, so it is copied to.
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

    /// Creates a file in `dir` whose name is `prefix`, something random and `suffix`, for
    /// what `mode` says, less the umask.
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

    /// Creates a file in `dir` for what `mode` says, less the umask, by the first of `names` that
    /// nothing there has.
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

    /// Opens what is there, or else creates it.
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
            // What a link leads to may still have to be created.
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
            runs_as_owner: facts.mode & RUNS_AS_OWNER != 0 && is_root(),
            created: None,
        };
        Ok((written, facts))
    }

    /// What is known of the file: most uploads are over before the system is to be asked again. A
    /// file that may block is not asked.
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

    /// Does what a complete upload does that ends before its first byte.
    fn settle(&mut self) -> io::Result<()> {
        match self.pending {
            Pending::Nothing => {}
            Pending::Touch => {
                // The exact time, if the file is the user's: ticks are coarse. Not every filesystem
                // keeps times.
                let _ = self
                    .file
                    .set_modified(SystemTime::now())
                    .or_else(|_| touch(self.file.as_fd()));
            }
            Pending::Clear(found) => {
                if found.is_of(&stat_descriptor(self.file.as_fd())?) {
                    self.run_as_nobody_else()?;
                    self.file.set_len(0)?;
                }
            }
        }
        self.pending = Pending::Nothing;
        Ok(())
    }

    /// Does what the kernel does for others than root when the content changes.
    fn run_as_nobody_else(&mut self) -> io::Result<()> {
        if self.runs_as_owner {
            let facts = stat_descriptor(self.file.as_fd())?;
            set_mode(self.file.as_fd(), facts.mode & 0o7777 & !RUNS_AS_OWNER)?;
            self.runs_as_owner = false;
        }
        Ok(())
    }

    /// The file, for somebody who writes on by himself.
    pub(crate) fn into_parts(mut self) -> io::Result<(File, VirtualPath)> {
        self.settle()?;
        self.run_as_nobody_else()?;
        Ok((self.file, self.path))
    }
}

impl WriteFile for DiskWriteFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.pending {
            Pending::Clear(_) => self.settle()?,
            // Writing does it.
            Pending::Touch if !bytes.is_empty() => self.pending = Pending::Nothing,
            Pending::Touch | Pending::Nothing => {}
        }
        if !bytes.is_empty() {
            self.run_as_nobody_else()?;
        }
        self.file.write(bytes)
    }

    /// Whatever the end, what came is kept, as a client that resumes expects. Where nothing came,
    /// the file may be another's by now: a client whose connection has died tries again.
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
        Ok(set_mode(self.file.as_fd(), mode & 0o7777)?)
    }
}

/// What was known of a file at some time.
#[derive(Clone, Copy, Debug)]
struct LookedUp {
    at: Instant,
    size: u64,
    removed: bool,
    /// Freeing its content may wait for the disk.
    unwritten: bool,
}

impl LookedUp {
    fn new(facts: &FileStat, storage: Storage) -> Self {
        Self {
            at: Instant::now(),
            size: facts.size,
            removed: facts.links == 0,
            unwritten: facts.is_unwritten(storage),
        }
    }
}

/// What an upload does to what was there before, with its first byte or when it is complete: one
/// that breaks off before does nothing to it.
#[derive(Debug)]
enum Pending {
    Nothing,
    /// Of an empty file only the time changes. Whoever has created it sees by that that it is no
    /// longer theirs alone.
    Touch,
    /// The content goes, if it is still this. Otherwise somebody has written to the file since: a
    /// client whose connection has died tries again, and what is left of the first try comes late.
    /// It is written over what is there then, as on servers that empty a file at STOR.
    Clear(ContentId),
}

/// Tells the contents that a file has had apart: its size, and the time of the last change.
#[derive(Clone, Copy, Debug)]
struct ContentId {
    size: u64,
    modified: [i64; 2],
}

impl ContentId {
    const fn of(facts: &FileStat) -> Self {
        let [seconds, nanoseconds, ..] = facts.changed;
        Self {
            size: facts.size,
            modified: [seconds, nanoseconds],
        }
    }

    /// Whether these are facts of the same content. Writing sets both times of a file to the same;
    /// where they differ, a client or a program has chosen the time of the last change.
    fn is_of(self, facts: &FileStat) -> bool {
        let [seconds, nanoseconds, status @ ..] = facts.changed;
        let modified = [seconds, nanoseconds];
        self.size == facts.size && (self.modified == modified || modified != status)
    }
}

/// A file that was created, empty as it is.
#[derive(Debug)]
struct Created {
    jail: Arc<Jail>,
    changed: [i64; 4],
}

impl Created {
    /// Remembers the new file of which these are the facts.
    fn new(jail: &Arc<Jail>, facts: &FileStat) -> Self {
        Self {
            jail: Arc::clone(jail),
            changed: facts.changed,
        }
    }

    /// Removes `file` again, unless somebody has done anything to it since, or may be about to:
    /// another upload may have opened it by now. It also stays while somebody only reads it, such
    /// as a backup, and where nobody can tell.
    ///
    /// Opening it here fails as busy meanwhile. Other programs wait, unless they ask not to, and
    /// then have the file that is gone.
    fn undo(&self, file: &File, path: &VirtualPath) -> Result<(), FilesystemError> {
        let Ok(_claim) = Claim::new(file.as_fd()) else {
            return Ok(());
        };
        let facts = stat_descriptor(file.as_fd())?;
        if facts.size > 0 || facts.changed != self.changed {
            return Ok(());
        }
        let (parent, name) = self.jail.parent(path)?;
        let there = stat_at(parent.as_fd(), name)?;
        if (there.device, there.inode) == (facts.device, facts.inode) {
            unlink_at(parent.as_fd(), name)?;
        }
        Ok(())
    }
}

fn regular(file: &OwnedFd) -> Result<FileStat, FilesystemError> {
    let facts = stat_descriptor(file.as_fd())?;
    match facts.kind {
        EntryKind::File => Ok(facts),
        EntryKind::Directory => Err(ErrorKind::IsADirectory.into()),
        EntryKind::Symlink | EntryKind::Other => Err(ErrorKind::NotARegularFile.into()),
    }
}

/// With two thousand million names to choose from, more tries mean something else is wrong.
const MOST_TRIES: usize = 100;

/// Six letters and digits that nobody can foresee.
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

    use super::*;
    use crate::jail::Resolver;

    const CLEAR: Pending = Pending::Clear(ContentId {
        size: 1,
        modified: [0; 2],
    });

    /// A file of nine bytes, which some time `ago` was one of a single byte, at rest.
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
        // One that may block is not asked.
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
        // Nothing is emptied; but it was removed, and closing it frees it.
        assert!(long_ago(Storage::Disk, Pending::Nothing));
        let mut upload = written(FACTS_HOLD, Storage::Disk, CLEAR);
        let mut known = upload.looked_up();
        // For as long as this test takes.
        known.at += Duration::from_secs(3600);
        known.removed = false;
        upload.looked_up.set(known);
        assert!(upload.may_wait());
        upload.write(b"x").unwrap();
        assert!(!upload.may_wait());
    }
}
