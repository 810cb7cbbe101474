//! Copies of files, and files made of parts.

use std::collections::HashSet;

use ftpdlib_filesystems::{ErrorKind, Filesystem, FilesystemError, WriteFile, WriteMode};
use ftpdlib_proto::{FileKind, ReplyCode, TransferEnd, VirtualPath};
use ftpdlib_session::Refusal;

use super::file_io::{read_some, write_everything};
use super::{Cancel, refusal, reply_of};

/// Bytes copied at a time, between two looks at whether to go on.
const PIECE: usize = 256 << 10;

/// What the name of an unfinished file begins with.
const DRAFT: &[u8] = b".ftpdlib";

/// Makes `to` a copy of `from`. What was there before is there until the copy is complete.
pub(super) fn copy(
    fs: &dyn Filesystem,
    from: &VirtualPath,
    to: &VirtualPath,
    cancel: &Cancel,
) -> Result<(), Refusal> {
    let to = fs.canonical(to).map_err(reply_of)?;
    replace(fs, &to, |draft| append(fs, from, draft, cancel))
}

/// Appends `parts` to `target`, which need not be there, and removes them. Until all are appended
/// everything is as it was.
pub(super) fn combine(
    fs: &dyn Filesystem,
    target: &VirtualPath,
    parts: &[VirtualPath],
    cancel: &Cancel,
) -> Result<(), Refusal> {
    let target = fs.canonical(target).map_err(reply_of)?;
    for part in parts {
        if fs.canonical(part).map_err(reply_of)? == target {
            let text = "The target cannot be one of its parts.";
            return Err(refusal(ReplyCode::new(553), text));
        }
    }
    replace(fs, &target, |draft| {
        let own = existing(fs, &target)?.map(|_| &target);
        let mut sources = own.into_iter().chain(parts);
        sources.try_for_each(|source| append(fs, source, draft, cancel))
    })?;
    let mut removed = HashSet::new();
    let mut parts = parts.iter().filter(|part| removed.insert(*part));
    parts.try_for_each(|part| fs.remove(part)).map_err(reply_of)
}

/// Puts a file in the place of `to` that `write` has written. It gets a name of its own first, so
/// that one that is not finished is never seen under this one.
fn replace(
    fs: &dyn Filesystem,
    to: &VirtualPath,
    write: impl FnOnce(&mut dyn WriteFile) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mode = existing(fs, to)?;
    let place = to.parent().ok_or(ErrorKind::IsADirectory);
    let draft = place.map_err(|kind| reply_of(kind.into()))?.join(DRAFT);
    let draft = draft.map_err(FilesystemError::from).map_err(reply_of)?;
    let mut file = fs.open_write(&draft, WriteMode::Unique).map_err(reply_of)?;
    let draft = file.path().clone();
    let written = take_mode(fs, &draft, mode).and_then(|()| write(&mut *file));
    let end = if written.is_ok() {
        TransferEnd::Complete
    } else {
        TransferEnd::Aborted
    };
    let finished = file.finish(&end).map_err(reply_of);
    let done = written
        .and(finished)
        .and_then(|()| fs.rename(&draft, to).map_err(reply_of));
    if done.is_err()
        && let Err(error) = fs.remove(&draft)
    {
        log::warn!("an unfinished copy was left behind as {draft}: {error}");
    }
    done
}

/// The mode of the file at `path`, if there is one.
fn existing(fs: &dyn Filesystem, path: &VirtualPath) -> Result<Option<u32>, Refusal> {
    let kind = match fs.stat(path) {
        Ok(metadata) => match metadata.kind {
            FileKind::File => return Ok(Some(metadata.mode)),
            FileKind::Directory => ErrorKind::IsADirectory,
            FileKind::Symlink | FileKind::Other => ErrorKind::NotARegularFile,
        },
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(reply_of(error)),
    };
    Err(reply_of(kind.into()))
}

/// Gives a file the mode of the one it takes the place of, where files have modes.
fn take_mode(fs: &dyn Filesystem, path: &VirtualPath, mode: Option<u32>) -> Result<(), Refusal> {
    let Some(mode) = mode else {
        return Ok(());
    };
    match fs.set_mode(path, mode & 0o7777) {
        Err(error) if error.kind() != ErrorKind::NotSupported => Err(reply_of(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn append(
    fs: &dyn Filesystem,
    from: &VirtualPath,
    to: &mut dyn WriteFile,
    cancel: &Cancel,
) -> Result<(), Refusal> {
    let mut file = fs.open_read(from, 0).map_err(reply_of)?;
    let mut buffer = vec![0; PIECE];
    loop {
        cancel.check()?;
        match read_some(&mut *file, &mut buffer)? {
            0 => return Ok(()),
            bytes => write_everything(to, &buffer[..bytes])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use ftpdlib_filesystems::MemoryFs;

    use super::*;

    fn files() -> MemoryFs {
        let fs = MemoryFs::new();
        for (name, contents) in [("/a", "in a"), ("/b", "in b"), ("/dir/c", "in c")] {
            fs.insert(name, contents).unwrap();
        }
        fs
    }

    fn path(text: &str) -> VirtualPath {
        VirtualPath::new(text).unwrap()
    }

    /// Every file and what it holds.
    fn contents(fs: &MemoryFs) -> Vec<String> {
        let mut all = Vec::new();
        for dir in ["/", "/dir"] {
            let mut entries = Vec::new();
            while fs
                .list(&path(dir))
                .unwrap()
                .next_batch(usize::MAX, &mut entries)
                .unwrap()
            {}
            for entry in entries {
                let file = path(dir).join(&entry.name).unwrap();
                if let Some(held) = fs.contents(file.as_bytes()) {
                    all.push(format!("{file}: {}", String::from_utf8(held).unwrap()));
                }
            }
        }
        all
    }

    #[track_caller]
    fn check_copy(from: &str, to: &str, expected: Result<&[&str], u16>) {
        let fs = files();
        let done = copy(&fs, &path(from), &path(to), &Cancel::default());
        let untouched = ["/a: in a", "/b: in b", "/dir/c: in c"];
        assert_eq!(
            contents(&fs),
            expected.unwrap_or(&untouched),
            "{from} to {to}"
        );
        assert_eq!(
            done.err().map(|refusal| refusal.code.value()),
            expected.err()
        );
    }

    #[test]
    fn copies_take_the_place_of_files_only() {
        check_copy("/a", "/b", Ok(&["/a: in a", "/b: in a", "/dir/c: in c"]));
        check_copy(
            "/dir/c",
            "/d",
            Ok(&["/a: in a", "/b: in b", "/d: in c", "/dir/c: in c"]),
        );
        check_copy("/a", "/a", Ok(&["/a: in a", "/b: in b", "/dir/c: in c"]));
        for (from, to) in [
            ("/x", "/d"),
            ("/dir", "/d"),
            ("/a", "/dir"),
            ("/a", "/"),
            ("/a", "/x/d"),
            ("/a", "/b/d"),
        ] {
            check_copy(from, to, Err(550));
        }
    }

    #[track_caller]
    fn check_combine(target: &str, parts: &[&str], expected: Result<&[&str], u16>) {
        let fs = files();
        let parts: Vec<_> = parts.iter().map(|part| path(part)).collect();
        let done = combine(&fs, &path(target), &parts, &Cancel::default());
        let untouched = ["/a: in a", "/b: in b", "/dir/c: in c"];
        assert_eq!(contents(&fs), expected.unwrap_or(&untouched), "{target}");
        assert_eq!(
            done.err().map(|refusal| refusal.code.value()),
            expected.err()
        );
    }

    #[test]
    fn parts_are_appended_and_removed() {
        check_combine(
            "/new",
            &["/b", "/dir/c"],
            Ok(&["/a: in a", "/new: in bin c"]),
        );
        check_combine("/a", &["/b"], Ok(&["/a: in ain b", "/dir/c: in c"]));
        check_combine(
            "/new",
            &["/b", "/b"],
            Ok(&["/a: in a", "/new: in bin b", "/dir/c: in c"]),
        );
        check_combine("/a", &["/b", "/x"], Err(550));
        check_combine("/a", &["/b", "/a"], Err(553));
        check_combine("/dir", &["/b"], Err(550));
        check_combine("/new", &["/b", "/dir"], Err(550));
    }

    #[test]
    fn cancelled_copies_leave_nothing() {
        let (fs, cancel) = (files(), Cancel::default());
        cancel.cancel();
        let before = contents(&fs);
        let done = copy(&fs, &path("/a"), &path("/b"), &cancel);
        assert_eq!(done.unwrap_err().code.value(), 426);
        let done = combine(&fs, &path("/a"), &[path("/b")], &cancel);
        assert_eq!(done.unwrap_err().code.value(), 426);
        assert_eq!(contents(&fs), before);
    }

    #[test]
    fn the_mode_of_what_was_there_stays() {
        let fs = files();
        fs.set_mode(&path("/b"), 0o600).unwrap();
        copy(&fs, &path("/a"), &path("/b"), &Cancel::default()).unwrap();
        assert_eq!(fs.stat(&path("/b")).unwrap().mode & 0o7777, 0o600);
    }
}
