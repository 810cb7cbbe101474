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
    let file = fs.open_write(&draft, WriteMode::Unique).map_err(reply_of)?;
    let path = file.path().clone();
    let mut draft = Draft {
        file,
        replaced: replaced.map(|facts| facts.mode),
    };
    let written = draft.take_mode(fs).and_then(|()| write(&mut draft, time));
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
    // Below a file, or below a missing directory, there is nothing to find.
    let Ok(nowhere) = to.join(DRAFT) else {
        return Ok(());
    };
    match fs.rename(&nowhere, &nowhere) {
        Err(error) if error.kind() == ErrorKind::NotSupported => Err(reply_of(error)),
        _ => Ok(()),
    }
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
    /// The mode of the file that it will replace.
    replaced: Option<u32>,
}

impl Draft {
    /// Gives it the mode of the file it takes the place of, but for bits that have a program run as
    /// the owner: that may be another now, as the content is. Where that cannot be set, a file that
    /// is open to more is not put in the place of another.
    fn take_mode(&mut self, fs: &dyn Filesystem) -> Result<(), Refusal> {
        let Some(mode) = self.replaced else {
            return Ok(());
        };
        match self.file.set_mode(mode & 0o777) {
            Err(error) if error.kind() == ErrorKind::NotSupported => {
                let own = fs.lstat(self.file.path()).map_err(reply_of)?.mode;
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
        if self.replaced.is_none() {
            self.keep_private(file.mode())?;
        }
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

    /// Closes a new file to all others that a source with this mode is closed to.
    fn keep_private(&mut self, source: Option<u32>) -> Result<(), Refusal> {
        let (Some(own), Some(source)) = (self.file.mode(), source) else {
            return Ok(());
        };
        match own & (source | 0o700) {
            kept if kept == own => Ok(()),
            kept => self.file.set_mode(kept & 0o777).map_err(reply_of),
        }
    }
}
