//! Copies of files, and files made of parts.

use std::collections::HashSet;
use std::iter;

use ftpdlib_filesystems::{ErrorKind, Filesystem, FilesystemError, WriteFile, WriteMode};
use ftpdlib_proto::{FileKind, Metadata, TransferEnd, VirtualPath};
use ftpdlib_session::{Answer, JobOutcome, Refusal};

use super::file_io::{read_some, write_everything};
use super::pin::canonical_entry;
use super::{Payload, TimeSlice, reply_of};

/// Bytes copied at a time, between two looks at whether to go on.
const PIECE: usize = 64 << 10;

/// What the name of an unfinished file begins with.
const DRAFT: &[u8] = b".ftpdlib";

/// Makes `to` a copy of `from`. What was there before is there until the copy is complete.
pub(super) fn copy(
    fs: &dyn Filesystem,
    from: &VirtualPath,
    to: &VirtualPath,
    time: &mut TimeSlice,
) -> Result<(), Refusal> {
    let to = fs.canonical(to).map_err(reply_of)?;
    let append = |draft: &mut Draft, time: &mut TimeSlice| draft.append(fs, from, time);
    replace(fs, &to, time, append, |_| Ok(()))
}

/// Appends `parts` to `target`, which need not be there, and removes them; answers which of them,
/// and why others stay. Until all are appended everything is as it was, and it stays so if any of
/// them is stored to meanwhile, as far as facts tell.
pub(super) fn combine(
    fs: &dyn Filesystem,
    target: &VirtualPath,
    parts: &[VirtualPath],
    time: &mut TimeSlice,
) -> JobOutcome<Payload> {
    let target = fs.canonical(target).map_err(reply_of)?;
    // A file may have several names: its directory may be mounted twice, or the disk may not tell
    // capital letters from small ones. To remove a part that is the target would remove the new
    // one. A hard link could go, but looks the same: a file that is met twice may have some as
    // well, and not every disk counts them.
    let own = existing(fs, &target)?.as_ref().and_then(inode);
    let (mut known, mut known_inodes) = (HashSet::new(), HashSet::new());
    let mut entries = Vec::with_capacity(parts.len());
    for part in parts {
        time.go_on()?;
        let source = fs.canonical(part).map_err(reply_of)?;
        let inode = inode(&fs.stat(&source).map_err(reply_of)?);
        if source == target || (own.is_some() && inode == own) {
            let text = "The target cannot be one of its parts.";
            return Err(Refusal::new(553, text));
        }
        // Otherwise one short line would make a file of any size.
        if !known.insert(source) || inode.is_some_and(|inode| !known_inodes.insert(inode)) {
            let text = "A file cannot be a part more than once.";
            return Err(Refusal::new(553, text));
        }
        entries.push(canonical_entry(fs, part).map_err(reply_of)?);
    }
    let look = |time: &mut TimeSlice| -> Result<Vec<_>, Refusal> {
        let all = iter::once(&target).chain(parts);
        all.map(|path| {
            time.go_on()?;
            Ok(existing(fs, path)?.as_ref().map(content))
        })
        .collect()
    };
    let before = look(time)?;
    let append = |draft: &mut Draft, time: &mut TimeSlice| {
        let own = before[0].is_some().then_some(&target);
        let mut sources = own.into_iter().chain(parts);
        sources.try_for_each(|source| draft.append(fs, source, time))
    };
    // What was stored meanwhile would be lost: the draft does not have it.
    let check = |time: &mut TimeSlice| match look(time)? == before {
        true => Ok(()),
        false => Err(Refusal::new(
            450,
            "The target or a part was changed meanwhile.",
        )),
    };
    replace(fs, &target, time, append, check)?;
    // One that stays keeps no other from going: all of them are in the target by now.
    let (mut removed, mut failed) = (Vec::new(), None);
    for (place, entry) in entries.iter().enumerate() {
        match fs.remove(entry) {
            Ok(()) => removed.push(place),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let refusal = failed.map(reply_of);
    Ok(Answer::Combined { removed, refusal })
}

/// Puts a file in the place of `to` that `write` has written, unless `check` refuses it when it is
/// complete. It gets a name of its own first, so that one that is not finished is never seen under
/// this one.
fn replace(
    fs: &dyn Filesystem,
    to: &VirtualPath,
    time: &mut TimeSlice,
    write: impl FnOnce(&mut Draft, &mut TimeSlice) -> Result<(), Refusal>,
    check: impl FnOnce(&mut TimeSlice) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let replaced = existing(fs, to)?;
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
    // On a disk of the network, to finish it may take longest of all.
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

/// What an upload to a file changes of its facts, mostly: the time is in seconds.
fn content(facts: &Metadata) -> (u64, u64, u64, i64) {
    (facts.device, facts.inode, facts.size, facts.modified)
}

/// What tells a file from all others, by whichever name; `None` of a filesystem without inodes.
fn inode(facts: &Metadata) -> Option<(u64, u64)> {
    (facts.inode != 0).then_some((facts.device, facts.inode))
}

/// The facts of the file at `path`, if there is one.
fn existing(fs: &dyn Filesystem, path: &VirtualPath) -> Result<Option<Metadata>, Refusal> {
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

/// Refuses to replace what could not be stored to: to rename over a file only the directory's
/// rights are asked.
fn check_writable(fs: &dyn Filesystem, path: &VirtualPath) -> Result<(), Refusal> {
    let file = fs.open_write(path, WriteMode::Replace).map_err(reply_of)?;
    // An upload that never came leaves the file as it is.
    file.finish(&TransferEnd::Unsecured).map_err(reply_of)
}

/// A file that is not finished.
///
/// Its mode is set by what is open: its name may stand for another file by now, put there by
/// whoever else may write to the directory.
struct Draft {
    file: Box<dyn WriteFile>,
    /// The mode of the file it is to take the place of.
    replaced: Option<u32>,
}

impl Draft {
    /// Has it the mode of the file it takes the place of, but for bits that have a program run as
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

    fn append(
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use ftpdlib_filesystems::{AbstractedFs, Layer, Layered, MemoryFs, ReadFile};

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
        let done = copy(&fs, &path(from), &path(to), &mut TimeSlice::alone());
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
        let done = combine(&fs, &path(target), &parts, &mut TimeSlice::alone());
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
        check_combine("/a", &["/b", "/x"], Err(550));
        check_combine("/a", &["/b", "/a"], Err(553));
        check_combine("/dir", &["/b"], Err(550));
        check_combine("/new", &["/b", "/dir"], Err(550));
    }

    #[test]
    fn a_part_was_appended_as_often_as_it_was_named() {
        check_combine("/new", &["/b", "/b"], Err(553));
        check_combine("/new", &["/b", "/dir/c", "/b"], Err(553));
        check_combine("/a", &["/dir/c", "/dir/c"], Err(553));
    }

    #[test]
    fn cancelled_copies_leave_nothing() {
        let fs = files();
        let before = contents(&fs);
        let done = copy(&fs, &path("/a"), &path("/b"), &mut TimeSlice::cancelled());
        assert_eq!(done.err().unwrap().code.value(), 426);
        let done = combine(&fs, &path("/a"), &[path("/b")], &mut TimeSlice::cancelled());
        assert_eq!(done.err().unwrap().code.value(), 426);
        assert_eq!(contents(&fs), before);
    }

    #[test]
    fn the_mode_of_what_was_there_stays() {
        let fs = files();
        fs.set_mode(&path("/b"), 0o600).unwrap();
        copy(&fs, &path("/a"), &path("/b"), &mut TimeSlice::alone()).unwrap();
        assert_eq!(fs.stat(&path("/b")).unwrap().mode & 0o7777, 0o600);
    }

    #[test]
    fn a_copy_of_a_private_file_was_open_to_everybody() {
        let fs = files();
        let mode = |name: &str| fs.stat(&path(name)).unwrap().mode & 0o7777;
        fs.set_mode(&path("/a"), 0o600).unwrap();
        copy(&fs, &path("/a"), &path("/new"), &mut TimeSlice::alone()).unwrap();
        assert_eq!(mode("/new"), 0o600);
        fs.set_mode(&path("/a"), 0o440).unwrap();
        fs.set_mode(&path("/b"), 0o404).unwrap();
        let parts = [path("/a"), path("/b")];
        combine(&fs, &path("/both"), &parts, &mut TimeSlice::alone()).unwrap();
        assert_eq!(mode("/both"), 0o600);
    }

    #[test]
    fn a_copy_was_run_as_the_owner_of_what_it_replaced() {
        let fs = files();
        fs.set_mode(&path("/b"), 0o6755).unwrap();
        copy(&fs, &path("/a"), &path("/b"), &mut TimeSlice::alone()).unwrap();
        assert_eq!(fs.stat(&path("/b")).unwrap().mode & 0o7777, 0o755);
    }

    /// Two names of one directory, and a file that can be neither stored to nor removed.
    struct Odd;

    impl Layer for Odd {
        fn canonical(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<VirtualPath, FilesystemError> {
            match path.as_bytes().strip_prefix(b"/dot") {
                Some(rest) => inner.canonical(&VirtualPath::new(rest)?),
                None => inner.canonical(path),
            }
        }

        fn open_read(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
            offset: u64,
        ) -> Result<Box<dyn ReadFile>, FilesystemError> {
            inner.open_read(&self.canonical(inner, path)?, offset)
        }

        fn open_write(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
            mode: WriteMode,
        ) -> Result<Box<dyn WriteFile>, FilesystemError> {
            if path.as_bytes() == b"/dir/c" {
                return Err(ErrorKind::PermissionDenied.into());
            }
            inner.open_write(path, mode)
        }

        fn remove(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<(), FilesystemError> {
            if path.as_bytes() == b"/dir/c" {
                return Err(ErrorKind::PermissionDenied.into());
            }
            inner.remove(path)
        }
    }

    #[test]
    fn a_copy_replaced_a_file_that_could_not_be_stored_to() {
        let files = Arc::new(files());
        let fs = Layered::new(Odd, Arc::clone(&files) as Arc<dyn Filesystem>);
        let done = copy(&fs, &path("/a"), &path("/dir/c"), &mut TimeSlice::alone());
        assert_eq!(done.unwrap_err().code.value(), 550);
        assert_eq!(files.contents("/dir/c").unwrap(), b"in c");
    }

    /// What may be gone on with, and not be replaced.
    struct Kept;

    impl Layer for Kept {
        fn open_write(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
            mode: WriteMode,
        ) -> Result<Box<dyn WriteFile>, FilesystemError> {
            match mode {
                WriteMode::Replace => Err(ErrorKind::PermissionDenied.into()),
                _ => inner.open_write(path, mode),
            }
        }
    }

    #[test]
    fn a_copy_replaced_a_file_that_could_only_be_appended_to() {
        let files = Arc::new(files());
        let fs = Layered::new(Kept, Arc::clone(&files) as Arc<dyn Filesystem>);
        let done = copy(&fs, &path("/a"), &path("/b"), &mut TimeSlice::alone());
        assert_eq!(done.unwrap_err().code.value(), 550);
        assert_eq!(files.contents("/b").unwrap(), b"in b");
        copy(&fs, &path("/a"), &path("/new"), &mut TimeSlice::alone()).unwrap();
        assert_eq!(files.contents("/new").unwrap(), b"in a");
    }

    #[test]
    fn a_part_with_two_names_was_appended_twice() {
        let files = Arc::new(files());
        let fs = Layered::new(Odd, Arc::clone(&files) as Arc<dyn Filesystem>);
        let before = contents(&files);
        for parts in [["/a", "/dot/a", "/b"], ["/dot/a", "/b", "/a"]] {
            let done = combine(
                &fs,
                &path("/new"),
                &parts.map(path),
                &mut TimeSlice::alone(),
            );
            assert_eq!(done.err().map(|refusal| refusal.code.value()), Some(553));
            assert_eq!(contents(&files), before);
        }
    }

    /// A disk that does not tell capital letters from small ones, as far as parts need it.
    struct Caseless;

    fn lowered(path: &VirtualPath) -> VirtualPath {
        VirtualPath::new(path.as_bytes().to_ascii_lowercase()).unwrap()
    }

    impl Layer for Caseless {
        fn open_read(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
            offset: u64,
        ) -> Result<Box<dyn ReadFile>, FilesystemError> {
            inner.open_read(&lowered(path), offset)
        }

        fn stat(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<Metadata, FilesystemError> {
            inner.stat(&lowered(path))
        }

        fn canonical(
            &self,
            _: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<VirtualPath, FilesystemError> {
            Ok(path.clone())
        }

        fn remove(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<(), FilesystemError> {
            inner.remove(&lowered(path))
        }
    }

    #[test]
    fn a_target_that_was_a_part_by_another_name_was_removed() {
        let files = Arc::new(files());
        let fs = Layered::new(Caseless, Arc::clone(&files) as Arc<dyn Filesystem>);
        for (target, parts) in [("/a", ["/b", "/A"]), ("/new", ["/a", "/A"])] {
            let done = combine(
                &fs,
                &path(target),
                &parts.map(path),
                &mut TimeSlice::alone(),
            );
            assert_eq!(done.err().map(|refusal| refusal.code.value()), Some(553));
            assert_eq!(contents(&files), ["/a: in a", "/b: in b", "/dir/c: in c"]);
        }
    }

    #[test]
    fn a_hard_link_of_the_target_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let place = |name: &str| scratch.path().join(name);
        fs::write(place("target"), "kept").unwrap();
        fs::hard_link(place("target"), place("part")).unwrap();
        let disk = AbstractedFs::new(scratch.path()).unwrap();
        for (target, parts) in [("/target", &["/part"][..]), ("/new", &["/part", "/target"])] {
            let parts: Vec<_> = parts.iter().copied().map(path).collect();
            let done = combine(&disk, &path(target), &parts, &mut TimeSlice::alone());
            assert_eq!(done.err().map(|refusal| refusal.code.value()), Some(553));
        }
        assert_eq!(fs::read(place("target")).unwrap(), b"kept");
        assert_eq!(fs::read(place("part")).unwrap(), b"kept");
    }

    #[test]
    fn of_a_part_that_is_a_link_the_file_was_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let place = |name: &str| scratch.path().join(name);
        fs::write(place("master"), "kept").unwrap();
        std::os::unix::fs::symlink("master", place("part")).unwrap();
        let disk = AbstractedFs::new(scratch.path()).unwrap();
        combine(
            &disk,
            &path("/new"),
            &[path("/part")],
            &mut TimeSlice::alone(),
        )
        .unwrap();
        assert_eq!(fs::read(place("new")).unwrap(), b"kept");
        assert_eq!(fs::read(place("master")).unwrap(), b"kept");
        assert!(fs::symlink_metadata(place("part")).is_err());
    }

    #[test]
    fn a_part_that_stayed_kept_the_others_from_being_removed() {
        let files = Arc::new(files());
        let fs = Layered::new(Odd, Arc::clone(&files) as Arc<dyn Filesystem>);
        let parts = ["/dir/c", "/a", "/b"].map(path);
        let done = combine(&fs, &path("/new"), &parts, &mut TimeSlice::alone());
        let Ok(Answer::Combined { removed, refusal }) = done else {
            panic!("nothing was appended");
        };
        assert_eq!(removed, [1, 2]);
        assert_eq!(refusal.unwrap().code.value(), 550);
        let mut held = contents(&files);
        held.sort();
        assert_eq!(held, ["/dir/c: in c", "/new: in cin ain b"]);
    }
}
