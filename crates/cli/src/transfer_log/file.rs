//! A single transfer log file.

use std::env;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use ftpdlib::handlers::{ObservedSession, ObservedTransfer, Observer};
use ftpdlib::servers::process::{check_writable, is_local_file};

use crate::last_line::LastLine;
use crate::patience::Patience;

/// Formats a line, including its line end, for a transfer that ended at the given time.
pub(super) type Format = fn(&ObservedSession, &ObservedTransfer, SystemTime) -> String;

/// A transfer log.
#[derive(Debug)]
pub(super) struct TransferLog {
    /// The number by which other processes know the log.
    pub(super) number: u8,
    pub(super) path: PathBuf,
    pub(super) format: Format,
    file: Mutex<Arc<Lines>>,
}

impl TransferLog {
    /// Continues `file`, which was opened at `path`.
    ///
    /// # Errors
    ///
    /// No memory can be shared.
    pub(super) fn new(
        number: u8,
        path: &Path,
        format: Format,
        file: File,
    ) -> io::Result<Arc<Self>> {
        let lines = Lines::new(file, Arc::new(LastLine::new()?));
        lines.see_end();
        Ok(Arc::new(Self {
            number,
            path: path.to_owned(),
            format,
            file: Mutex::new(Arc::new(lines)),
        }))
    }

    fn write(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        let line = (self.format)(session, transfer, SystemTime::now());
        // Copied, so that opening the file again does not wait for this write to a disk that may
        // hang.
        let file = Arc::clone(&self.lock());
        if let Err(error) = file.add(&line) {
            log::error!("cannot write to {}: {error}", self.path.display());
        }
    }

    /// Continues in another file, in other processes too.
    pub(super) fn renew(&self, file: File, hand_over: impl Fn(u8, File)) {
        match file.try_clone() {
            Ok(copy) => hand_over(self.number, copy),
            Err(error) => {
                let path = self.path.display();
                log::error!("other processes go on with the old {path}: {error}");
            }
        }
        self.go_on_in(file);
    }

    pub(super) fn go_on_in(&self, file: File) {
        let last = Arc::clone(&self.lock().last);
        let renewed = Arc::new(Lines::new(file, last));
        let replaced = mem::replace(&mut *self.lock(), renewed);
        // Dropped without the lock, which writers need: closing a file may take as long as its disk
        // does.
        drop(replaced);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Arc<Lines>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long all lines together may wait for room within ten seconds. A session's next reply waits
/// for its line.
const PATIENCE: Duration = Duration::from_secs(2);

/// An open file of lines.
#[derive(Debug)]
pub(super) struct Lines {
    /// Derived from its device and its inode.
    identity: u64,
    /// Whether a loop may write to it.
    is_local: bool,
    file: File,
    /// For files that may have no room for a moment, such as pipes. Held while a line is written:
    /// otherwise another line could get between two parts of it, even in a file whose disk is
    /// nearly full.
    patience: Mutex<Patience>,
    /// Shared by all files of one log, since an old one may still be written to.
    last: Arc<LastLine>,
}

impl Lines {
    fn new(file: File, last: Arc<LastLine>) -> Self {
        Self {
            identity: file.metadata().map_or(1, |found| {
                (found.dev().rotate_left(32) ^ found.ino()).max(1)
            }),
            is_local: is_local_file(file.as_fd()),
            file,
            patience: Mutex::new(Patience::new(PATIENCE)),
            last,
        }
    }

    /// Checks whether an earlier process has left the last line without its line end.
    fn see_end(&self) {
        let last_byte = || {
            let found = self.file.metadata()?;
            let mut byte = *b"\n";
            if found.is_file() && found.len() > 0 {
                // The same file, opened for reading, whatever its name leads to by now.
                let same = File::open(format!("/proc/self/fd/{}", self.file.as_raw_fd()))?;
                same.read_exact_at(&mut byte, found.len() - 1)?;
            }
            Ok::<_, io::Error>(byte)
        };
        // If this cannot be checked, the last line is most likely complete.
        if last_byte().is_ok_and(|byte| byte != *b"\n") {
            self.last.note_cut(self.identity);
        }
    }

    /// Adds a line, including its line end.
    pub(super) fn add(&self, line: &str) -> io::Result<()> {
        self.add_to(&self.file, line)
    }

    /// Adds a line to the file through `out`.
    fn add_to(&self, mut out: impl Write, line: &str) -> io::Result<()> {
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let write = |bytes: &[u8]| patience.write(&mut out, bytes);
        self.last.add_next(self.identity, line.as_bytes(), write)
    }
}

/// Writes every transfer to a log: on the event loop to a local file, otherwise on a thread.
pub(super) struct Writer(pub(super) Arc<TransferLog>);

impl Observer for Writer {
    /// If another thread opens the log again just then, as something that may block, one loop waits
    /// for it once: for a pipe, at most for the time that all lines together may wait.
    fn may_block(&self) -> bool {
        !self.0.lock().is_local
    }

    fn wants_commands(&self) -> bool {
        false
    }

    fn on_file_sent(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        self.0.write(session, transfer);
    }

    fn on_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        self.0.write(session, transfer);
    }

    fn on_incomplete_file_sent(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        self.0.write(session, transfer);
    }

    fn on_incomplete_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        self.0.write(session, transfer);
    }
}

/// Not readable by others: the log names files in homes that others may not look into.
pub(super) const MODE: u32 = 0o640;

/// Checks whether a file could be appended to or created. Creates nothing, since this user may not
/// be the one that will write. Does not open a pipe to see whether it has a reader: a reader
/// waiting for its first writer would see that writer close it, and end before the start.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let mut path = path.to_owned();
    // The system follows a limited number of links, and fails beyond that.
    loop {
        match path.metadata() {
            // Opening yields the error that the server would get.
            Ok(found) if found.is_dir() || found.file_type().is_socket() => {
                return OpenOptions::new().append(true).open(path).map(drop);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(_) | Err(_) => return check_writable(&path),
        }
        let bytes = path.as_os_str().as_bytes();
        let start = bytes.iter().rposition(|&byte| byte == b'/');
        let (directory, name) = bytes.split_at(start.map_or(0, |slash| slash + 1));
        if matches!(name, b"" | b"." | b"..") {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let directory = Path::new(OsStr::from_bytes(directory));
        path = match path.read_link() {
            // The file would be created where the link leads.
            Ok(target) => directory.join(target),
            Err(_) => {
                // Looking up the dot requires the right to enter the directory, as creating a file
                // does.
                let directory = directory.join(".");
                check_writable(&directory)?;
                // Only the working directory can be found although it was removed.
                return match directory == Path::new(".") {
                    true => env::current_dir().map(drop),
                    false => Ok(()),
                };
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::thread;

    use super::super::json;
    use super::*;

    fn new_lines(file: File) -> Lines {
        Lines::new(file, Arc::new(LastLine::new().unwrap()))
    }

    /// A stream that was filled until a line was cut short, and its reader.
    fn cut_stream() -> (File, Lines, UnixStream) {
        let (ours, reader) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        reader.set_nonblocking(true).unwrap();
        let file = File::from(OwnedFd::from(ours));
        let lines = new_lines(file.try_clone().unwrap());
        assert!(lines.add(&too_long()).is_err());
        (file, lines, reader)
    }

    /// A line that no stream has room for.
    fn too_long() -> String {
        "x".repeat(8 << 20) + "\n"
    }

    /// Reads the content of a stream that stays open.
    fn read(mut reader: &UnixStream) -> String {
        let mut text = String::new();
        assert!(reader.read_to_string(&mut text).is_err());
        text
    }

    #[test]
    fn lines_were_lost_though_the_reader_of_their_pipe_was_only_late() {
        let (ours, mut reader) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let line = "y".repeat(999) + "\n";
        while (&ours).write(line.as_bytes()).is_ok() {}
        let lines = new_lines(File::from(OwnedFd::from(ours)));
        let (begin, begun) = mpsc::channel();
        let reader = thread::spawn(move || {
            begun.recv().unwrap();
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        begin.send(()).unwrap();
        for _ in 0..500 {
            lines.add(&line).unwrap();
        }
        lines.add("last\n").unwrap();
        drop(lines);
        assert!(reader.join().unwrap().ends_with("y\nlast\n"));
    }

    /// Accepts a byte at a time, like a nearly full disk, while no other line may be written.
    struct NearlyFull<'a>(&'a Lines);

    impl Write for NearlyFull<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(self.0.patience.try_lock().is_err(), "another line may come");
            (&self.0.file).write(&bytes[..1])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn another_line_got_into_one_for_which_a_disk_had_just_some_room() {
        let mut file = tempfile::tempfile().unwrap();
        let lines = new_lines(file.try_clone().unwrap());
        lines.add_to(NearlyFull(&lines), "one\n").unwrap();
        lines.add("two\n").unwrap();
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn only_lines_for_a_local_file_need_no_thread() {
        let log = TransferLog::new(0, Path::new(""), json::line, tempfile::tempfile().unwrap());
        let writer = Writer(log.unwrap());
        let is_told = cfg!(target_os = "linux");
        assert_eq!(writer.may_block(), !is_told);
        let (_reader, pipe) = io::pipe().unwrap();
        let (socket, _reader) = UnixStream::pair().unwrap();
        for other in [OwnedFd::from(pipe), OwnedFd::from(socket)] {
            writer.0.go_on_in(File::from(other));
            assert!(writer.may_block());
        }
        writer.0.go_on_in(tempfile::tempfile().unwrap());
        assert_eq!(writer.may_block(), !is_told);
    }

    #[test]
    fn a_line_that_was_cut_was_forgotten_when_its_file_was_opened_again() {
        let (file, lines, reader) = cut_stream();
        read(&reader);
        let (other, other_reader) = UnixStream::pair().unwrap();
        other_reader.set_nonblocking(true).unwrap();
        let log = TransferLog {
            number: 0,
            path: PathBuf::new(),
            format: json::line,
            file: Mutex::new(Arc::new(lines)),
        };
        let before = Arc::clone(&log.lock());
        log.go_on_in(file);
        log.lock().add("one\n").unwrap();
        // A writer that began with the old file finishes with it.
        before.add("two\n").unwrap();
        assert_eq!(read(&reader), "\none\ntwo\n");
        assert!(before.add(&too_long()).is_err());
        log.go_on_in(File::from(OwnedFd::from(other)));
        log.lock().add("three\n").unwrap();
        assert_eq!(read(&other_reader), "three\n");
    }
}
