//! Files that get their final name when they are complete.

use ftpdlib_filesystems::{ErrorKind, Filesystem, FilesystemError, WriteFile, WriteMode};
use ftpdlib_proto::{FileKind, Metadata, TransferEnd, VirtualPath};
use ftpdlib_session::Refusal;

use crate::jobs::file_io::{ended_early, read_some, write_everything};
use crate::jobs::{TimeSlice, reply_of};

/// Bytes copied at a time. Between two pieces, the time slice is checked.
const PIECE: usize = 64 << 10;

/// The prefix of the names of unfinished files.
const DRAFT: &[u8] = b".ftpdlib";

/// The mode of a file that is closed to all but its owner.
const CLOSED: u32 = 0o600;

/// The mode bits of the group and of others.
const OTHERS: u32 = 0o077;

/// Replaces `to` by a file that `write` writes, unless `check` refuses that when the file is
/// complete. The file has a temporary name until then, so that it never appears unfinished.
pub(super) fn replace(
    fs: &dyn Filesystem,
    to: &VirtualPath,
    time: &mut TimeSlice,
    write: impl FnOnce(&mut Draft, &mut TimeSlice) -> Result<(), Refusal>,
    check: impl FnOnce(&mut TimeSlice) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let replaced = existing(fs, to)?;
    check_renames(fs, to)?;
    if replaced.is_some() {
        check_writable(fs, to)?;
    }
    let place = to.parent().ok_or(ErrorKind::IsADirectory);
    let draft = place.map_err(|kind| reply_of(kind.into()))?.join(DRAFT);
    let draft = draft.map_err(FilesystemError::from).map_err(reply_of)?;
    let mut draft = Draft::create(fs, &draft, replaced.map(|facts| facts.mode))?;
    let path = draft.file.path().clone();
    let mut written = match draft.is_closed {
        true => Ok(()),
        false => draft.take_mode(fs),
    };
    written = written.and_then(|()| write(&mut draft, time));
    if draft.is_closed {
        written = written.and_then(|()| draft.take_mode(fs));
    }
    let end = if written.is_ok() {
        TransferEnd::Complete
    } else {
        TransferEnd::Aborted
    };
    let finished = draft.file.finish(&end).map_err(reply_of);
    // On a network disk, finishing may take longest.
    let done = written
        .and(finished)
        .and_then(|()| check(time))
        .and_then(|()| fs.rename(&path, to).map_err(reply_of));
    if done.is_err()
        && let Err(error) = fs.remove(&path)
    {
        log::warn!("an unfinished copy was left behind as {path}: {error}");
    }
    done
}

/// The metadata of the file at `path`, if there is one.
pub(super) fn existing(
    fs: &dyn Filesystem,
    path: &VirtualPath,
) -> Result<Option<Metadata>, Refusal> {
    let kind = match fs.stat(path) {
        Ok(metadata) => match metadata.kind {
            FileKind::File => return Ok(Some(metadata)),
            FileKind::Directory => ErrorKind::IsADirectory,
            FileKind::Symlink | FileKind::Other => ErrorKind::NotARegularFile,
        },
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reply_of(error)),
    };
    Err(reply_of(kind.into()))
}

/// Refuses early what would end with a draft that cannot get its final name.
fn check_renames(fs: &dyn Filesystem, to: &VirtualPath) -> Result<(), Refusal> {
    // `to` is a file or does not exist, so nothing is below it: a filesystem that can rename only
    // finds nothing, and changes nothing.
    let Ok(nowhere) = to.join(DRAFT) else {
        return Ok(());
    };
    match fs.rename(&nowhere, &nowhere) {
        Err(error) if error.kind() == ErrorKind::NotSupported => Err(reply_of(error)),
        _ => Ok(()),
    }
}

/// Refuses a draft that cannot be moved, as in a directory that can only be added to: it would stay
/// there, complete.
fn check_moves(fs: &dyn Filesystem, draft: &VirtualPath) -> Result<(), Refusal> {
    let aside = [draft.as_bytes(), b"~"].concat();
    VirtualPath::new(aside)
        .map_err(FilesystemError::from)
        .and_then(|aside| {
            fs.rename(draft, &aside)?;
            fs.rename(&aside, draft)
        })
        .map_err(reply_of)
}

/// Refuses to replace a file that the user could not write to: renaming over a file only needs the
/// rights for its directory.
fn check_writable(fs: &dyn Filesystem, path: &VirtualPath) -> Result<(), Refusal> {
    let file = fs.open_write(path, WriteMode::Replace).map_err(reply_of)?;
    // An upload that never came leaves the file unchanged.
    file.finish(&TransferEnd::Unsecured).map_err(reply_of)
}

/// An unfinished file.
///
/// Its mode is set through the open file: another user who may write to the directory may have put
/// a different file under its name.
pub(super) struct Draft {
    file: Box<dyn WriteFile>,
    /// The final mode, if files have modes.
    mode: Option<u32>,
    /// Whether the final mode is that of the file that it replaces, whatever the sources have.
    replaces: bool,
    /// Whether it was closed to others from the beginning, and gets its mode when it is complete: a
    /// user who has opened a file before it is closed could go on reading.
    is_closed: bool,
}

impl Draft {
    /// Creates a draft that will replace a file with the mode `replaced`, if there is one.
    fn create(
        fs: &dyn Filesystem,
        prefix: &VirtualPath,
        replaced: Option<u32>,
    ) -> Result<Self, Refusal> {
        let unique = || fs.open_write(prefix, WriteMode::Unique).map_err(reply_of);
        let mut file = unique()?;
        // Only a new file shows what umask, directory and disk make of its mode.
        let own = file.mode();
        let mut is_closed = own.is_some_and(|own| own & OTHERS == 0);
        // A file whose mode cannot be set would stay closed.
        if own.is_some() && !is_closed && file.set_mode(CLOSED).is_ok() {
            if fs.remove(file.path()).is_ok() {
                // It was empty, and its name is gone already.
                let _ = file.finish(&TransferEnd::Aborted);
                (file, is_closed) = match fs.open_write(prefix, WriteMode::Draft) {
                    Err(error) if error.kind() == ErrorKind::NotSupported => (unique()?, false),
                    opened => (opened.map_err(reply_of)?, true),
                };
            } else {
                // On some filesystems users may not remove what they have made.
                check_moves(fs, file.path())?;
            }
        }
        Ok(Self {
            file,
            mode: replaced.or(own).map(|mode| mode & 0o777),
            replaces: replaced.is_some(),
            is_closed,
        })
    }

    /// Sets the final mode. From a replaced file it does not take the bits that make a program run
    /// as its owner, since owner and content may have changed. If the mode cannot be set, and the
    /// draft is open to more users than the replaced file, it is refused.
    fn take_mode(&mut self, fs: &dyn Filesystem) -> Result<(), Refusal> {
        let Some(mode) = self.mode else {
            return Ok(());
        };
        let own = self.file.mode().map(|own| own & 0o777);
        if own == Some(mode) {
            return Ok(());
        }
        match self.file.set_mode(mode) {
            Err(error) if error.kind() == ErrorKind::NotSupported => {
                let looked_up = || fs.lstat(self.file.path()).map(|facts| facts.mode);
                let own = own.map_or_else(looked_up, Ok).map_err(reply_of)?;
                match own & !mode & 0o777 {
                    0 => Ok(()),
                    _ => Err(reply_of(error)),
                }
            }
            outcome => outcome.map_err(reply_of),
        }
    }

    pub(super) fn append(
        &mut self,
        fs: &dyn Filesystem,
        from: &VirtualPath,
        time: &mut TimeSlice,
    ) -> Result<(), Refusal> {
        let mut file = fs.open_read(from, 0).map_err(reply_of)?;
        self.keep_private(fs, file.mode())?;
        let mut buffer = vec![0; PIECE];
        loop {
            time.go_on()?;
            match read_some(&mut *file, &mut buffer)? {
                0 if ended_early(&*file) => {
                    let text = "File became shorter while it was copied.";
                    return Err(Refusal::new(451, text));
                }
                0 => return Ok(()),
                bytes => write_everything(&mut *self.file, &buffer[..bytes])?,
            }
        }
    }

    /// Keeps a new file from all others that a source with this mode is closed to.
    fn keep_private(&mut self, fs: &dyn Filesystem, source: Option<u32>) -> Result<(), Refusal> {
        let (Some(mode), Some(source), false) = (self.mode, source, self.replaces) else {
            return Ok(());
        };
        self.mode = Some(mode & (source | 0o700));
        match self.is_closed {
            true => Ok(()),
            false => self.take_mode(fs),
        }
    }
}
