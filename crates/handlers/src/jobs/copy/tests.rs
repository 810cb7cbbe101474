use std::fs;
use std::sync::{Arc, Mutex};

use ftpdlib_filesystems::{
    AbstractedFs, ErrorKind, FilesystemError, Layer, Layered, MemoryFs, ReadFile, WriteFile,
    WriteMode,
};

use ftpdlib_proto::TransferEnd;

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

/// Looks at the mode of the draft whenever a source is opened, and may lack something.
struct Watching {
    lacks: Option<Lack>,
    seen: Arc<Mutex<Vec<u32>>>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Lack {
    Drafts,
    Removing,
    Modes,
}

impl Layer for Watching {
    fn open_read(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        let mut entries = Vec::new();
        let mut listing = inner.list(&VirtualPath::root())?;
        while listing.next_batch(usize::MAX, &mut entries)? {}
        let drafts = entries
            .iter()
            .filter(|entry| entry.name.starts_with(b".ftpdlib"));
        let modes = drafts.filter_map(|entry| Some(entry.metadata.as_ref()?.mode));
        self.seen.lock().unwrap().extend(modes);
        inner.open_read(path, offset)
    }

    fn open_write(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        if mode == WriteMode::Draft && self.lacks == Some(Lack::Drafts) {
            return Err(ErrorKind::NotSupported.into());
        }
        let file = inner.open_write(path, mode)?;
        // Others may open it here.
        if mode == WriteMode::Draft {
            assert_eq!(file.mode(), Some(0o600));
        }
        Ok(match self.lacks {
            Some(Lack::Modes) => Box::new(Modeless(file)),
            _ => file,
        })
    }

    fn remove(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
        if self.lacks == Some(Lack::Removing) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        inner.remove(path)
    }
}

/// A file whose mode can only be looked at.
struct Modeless(Box<dyn WriteFile>);

impl WriteFile for Modeless {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
        self.0.finish(end)
    }

    fn size(&self) -> Option<u64> {
        self.0.size()
    }

    fn may_wait(&self) -> bool {
        self.0.may_wait()
    }

    fn path(&self) -> &VirtualPath {
        self.0.path()
    }

    fn mode(&self) -> Option<u32> {
        self.0.mode()
    }
}

/// Makes a file of two, the second of which has the mode `private`. `expected` are the modes of the
/// draft when they are opened, and of the new file.
#[track_caller]
fn check_modes(lacks: Option<Lack>, private: u32, expected: Option<([u32; 2], u32)>) {
    let files = Arc::new(files());
    files.set_mode(&path("/b"), private).unwrap();
    let seen = Arc::new(Mutex::default());
    let layer = Watching {
        lacks,
        seen: Arc::clone(&seen),
    };
    let fs = Layered::new(layer, Arc::clone(&files) as Arc<dyn Filesystem>);
    let parts = [path("/a"), path("/b")];
    let done = combine(&fs, &path("/new"), &parts, &mut TimeSlice::alone());
    let Some((drafts, new)) = expected else {
        assert_eq!(done.err().unwrap().code.value(), 550);
        return;
    };
    assert!(done.is_ok());
    assert_eq!(*seen.lock().unwrap(), drafts);
    assert_eq!(files.stat(&path("/new")).unwrap().mode & 0o7777, new);
    let held = files.contents("/new").unwrap();
    assert_eq!(held, b"in ain b");
}

#[test]
fn whoever_had_opened_a_draft_read_the_private_files_that_went_into_it() {
    check_modes(None, 0o600, Some(([0o600; 2], 0o600)));
    check_modes(None, 0o640, Some(([0o600; 2], 0o640)));
    check_modes(None, 0o644, Some(([0o600; 2], 0o644)));
}

#[test]
fn copies_are_made_where_a_draft_cannot_be_closed() {
    for lacks in [Lack::Drafts, Lack::Removing] {
        check_modes(Some(lacks), 0o600, Some(([0o644; 2], 0o600)));
    }
    check_modes(Some(Lack::Modes), 0o644, Some(([0o644; 2], 0o644)));
    check_modes(Some(Lack::Modes), 0o600, None);
}

/// A directory that can only be added to.
struct AppendOnly;

impl Layer for AppendOnly {
    fn remove(&self, _: &dyn Filesystem, _: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::PermissionDenied.into())
    }

    fn rename(
        &self,
        _: &dyn Filesystem,
        _: &VirtualPath,
        _: &VirtualPath,
    ) -> Result<(), FilesystemError> {
        Err(ErrorKind::PermissionDenied.into())
    }
}

#[test]
fn a_whole_copy_was_left_where_nothing_can_be_moved() {
    let files = Arc::new(files());
    let fs = Layered::new(AppendOnly, Arc::clone(&files) as Arc<dyn Filesystem>);
    let before = contents(&files);
    let done = copy(&fs, &path("/a"), &path("/new"), &mut TimeSlice::alone());
    assert_eq!(done.unwrap_err().code.value(), 550);
    // What could not be removed is empty.
    let mut left = contents(&files);
    left.retain(|file| !before.contains(file));
    assert!(left.iter().all(|file| file.ends_with(": ")), "{left:?}");
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

    fn remove(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
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

/// Empties each file that was opened to be read.
struct Emptying;

impl Layer for Emptying {
    fn open_read(
        &self,
        inner: &dyn Filesystem,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        let opened = inner.open_read(path, offset)?;
        let emptied = inner.open_write(path, WriteMode::Replace)?;
        emptied.finish(&TransferEnd::Complete)?;
        Ok(opened)
    }
}

#[test]
fn a_copy_was_complete_though_its_source_was_emptied_meanwhile() {
    let files = Arc::new(files());
    let fs = Layered::new(Emptying, Arc::clone(&files) as Arc<dyn Filesystem>);
    let done = copy(&fs, &path("/a"), &path("/b"), &mut TimeSlice::alone());
    assert_eq!(done.unwrap_err().code.value(), 451);
    assert_eq!(contents(&files), ["/a: ", "/b: in b", "/dir/c: in c"]);
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

    fn remove(&self, inner: &dyn Filesystem, path: &VirtualPath) -> Result<(), FilesystemError> {
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

/// Renames nothing and removes nothing, and is not written to.
struct Rigid;

impl Layer for Rigid {
    fn open_write(
        &self,
        _: &dyn Filesystem,
        path: &VirtualPath,
        _: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        panic!("{path} was opened to be written")
    }

    fn remove(&self, _: &dyn Filesystem, _: &VirtualPath) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }

    fn rename(
        &self,
        _: &dyn Filesystem,
        _: &VirtualPath,
        _: &VirtualPath,
    ) -> Result<(), FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }
}

#[test]
fn a_copy_was_written_whole_where_no_file_can_be_renamed() {
    let files = Arc::new(files());
    let fs = Layered::new(Rigid, Arc::clone(&files) as Arc<dyn Filesystem>);
    for to in ["/b", "/new"] {
        let done = copy(&fs, &path("/a"), &path(to), &mut TimeSlice::alone());
        assert_eq!(done.unwrap_err().code.value(), 550, "{to}");
        let done = combine(&fs, &path(to), &[path("/a")], &mut TimeSlice::alone());
        assert_eq!(done.err().unwrap().code.value(), 550, "{to}");
    }
    assert_eq!(contents(&files), ["/a: in a", "/b: in b", "/dir/c: in c"]);
}
