//! Files that transfers are written down in.

mod json;
mod xferlog;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use ftpdlib::handlers::{FtpHandler, ObservedSession, ObservedTransfer, Observer};
use ftpdlib::servers::{Identity, check_writable, open_log, with_log_rights};

use crate::error::ConfigError;
use crate::last_line::LastLine;
use crate::settings::{LogFiles, NamedFile};

/// The logs that are open, for whoever opens them again.
#[derive(Clone, Debug, Default)]
pub(crate) struct TransferLogs(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    /// The user that serving processes become.
    run_as: Option<Identity>,
    logs: Vec<Arc<TransferLog>>,
    /// Those that were named once, the last at the end: sessions from then write to them still, also
    /// in other processes.
    retired: Vec<Retired>,
    next: u8,
}

/// A log that is named no more.
#[derive(Debug)]
struct Retired {
    number: u8,
    path: PathBuf,
    format: Format,
    log: Weak<TransferLog>,
}

/// The most of them that are remembered.
const MOST_RETIRED: usize = 64;

/// The same with files that were just opened, none of which is written to yet. Those that were not
/// there are taken away again, unless they are taken over; one that was made at the end of a link
/// stays.
pub(crate) struct OpenedLogs {
    logs: Vec<(Arc<TransferLog>, Option<File>)>,
    made: Vec<PathBuf>,
    run_as: Option<Identity>,
}

impl TransferLogs {
    /// None is open yet. The processes that will write to them become `run_as`, if that is given.
    pub(crate) fn new(run_as: Option<Identity>) -> Self {
        Self(Arc::new(Mutex::new(Open {
            run_as,
            ..Open::default()
        })))
    }

    /// Opens the files that are named. One that stays in use is opened by its name again, for
    /// whoever writes to it: somebody may have moved the file away.
    ///
    /// # Errors
    ///
    /// The first that cannot be opened.
    pub(crate) fn open(&self, named: &LogFiles) -> Result<OpenedLogs, ConfigError> {
        let formats = [
            (xferlog::line as Format, &named.xferlog),
            (json::line, &named.json),
        ];
        let mut open = self.lock();
        let mut opened = OpenedLogs::of_user(&open);
        for (format, named) in formats {
            let Some(named) = named else {
                continue;
            };
            let path = named.path();
            let file = opened.append_to(path);
            let file = file.map_err(|error| cannot_append(named, &error))?;
            opened.logs.push(match open.find(path, format) {
                Known::Log(log) => (log, Some(file)),
                Known::Number(number) => {
                    let copy = file.try_clone();
                    let copy = copy.map_err(|error| cannot_append(named, &error))?;
                    (TransferLog::new(number, path, format, copy), Some(file))
                }
                Known::Nothing => {
                    let log = TransferLog::new(open.next_number(), path, format, file);
                    (log, None)
                }
            });
        }
        Ok(opened)
    }

    /// Takes over what was opened, once nothing can fail any more. A file that takes another's place
    /// goes to `hand_over` too, with the number of its log: for other processes that write to it.
    pub(crate) fn replace(&self, mut opened: OpenedLogs, hand_over: impl Fn(u8, File)) {
        let renew = |(log, file): (Arc<TransferLog>, Option<File>)| {
            if let Some(file) = file {
                log.renew(file, &hand_over);
            }
            log
        };
        opened.made.clear();
        let logs = opened.logs.drain(..).map(renew).collect();
        let replaced = self.lock().replace(logs);
        // Without the lock: to close a file may take as long as its disk does.
        drop(replaced);
    }

    /// Opens the files that are in use by their names again, each that can be. `hand_over` is as for
    /// [`replace`](Self::replace).
    pub(crate) fn open_again(&self, hand_over: impl Fn(u8, File)) {
        let open = self.lock();
        let mut opened = OpenedLogs::of_user(&open);
        for log in &open.logs {
            match opened.append_to(&log.path) {
                Ok(file) => log.renew(file, &hand_over),
                Err(error) => log::error!("cannot open {} again: {error}", log.path.display()),
            }
        }
        opened.made.clear();
    }

    /// Has a log go on in a file that another process opened again.
    pub(crate) fn go_on_in(&self, number: u8, file: File) {
        // One that came with a later configuration is not known here.
        if let Some(log) = self.lock().logs.iter().find(|log| log.number == number) {
            log.go_on_in(file);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees whether files could be opened by whoever asks, and makes no file.
    ///
    /// # Errors
    ///
    /// The first that could not.
    pub(crate) fn check(named: &LogFiles, run_as: Option<&Identity>) -> Result<(), ConfigError> {
        for named in named.named() {
            let path = named.path();
            let checked = with_log_rights(path, run_as, || check(path));
            checked.map_err(|error| cannot_append(named, &error))?;
        }
        Ok(())
    }
}

/// What is known of a file that is named.
enum Known {
    Nothing,
    /// Its number: it is not open here any more, but may be in other processes.
    Number(u8),
    Log(Arc<TransferLog>),
}

impl Open {
    /// Takes other logs for those that are open, and gives these.
    fn replace(&mut self, logs: Vec<Arc<TransferLog>>) -> Vec<Arc<TransferLog>> {
        let replaced = mem::replace(&mut self.logs, logs);
        let is_open = |number| self.logs.iter().any(|log| log.number == number);
        self.retired.retain(|retired| !is_open(retired.number));
        let retired = replaced.iter().filter(|log| !is_open(log.number));
        self.retired.extend(retired.map(|log| Retired {
            number: log.number,
            path: log.path.clone(),
            format: log.format,
            log: Arc::downgrade(log),
        }));
        let forgotten = self.retired.len().saturating_sub(MOST_RETIRED);
        self.retired.drain(..forgotten);
        replaced
    }

    /// A number that no log has; there are too few of these for all numbers.
    fn next_number(&mut self) -> u8 {
        loop {
            self.next = (self.next + 1) % NUMBERS;
            let logs = self.logs.iter().map(|log| log.number);
            let mut taken = logs.chain(self.retired.iter().map(|retired| retired.number));
            if taken.all(|number| number != self.next) {
                return self.next;
            }
        }
    }

    fn find(&self, path: &Path, format: Format) -> Known {
        let is_it = |of: &Path, as_format| of == path && std::ptr::fn_addr_eq(as_format, format);
        if let Some(log) = self.logs.iter().find(|log| is_it(&log.path, log.format)) {
            return Known::Log(Arc::clone(log));
        }
        let mut retired = self.retired.iter();
        match retired.find(|retired| is_it(&retired.path, retired.format)) {
            None => Known::Nothing,
            Some(retired) => match retired.log.upgrade() {
                Some(log) => Known::Log(log),
                None => Known::Number(retired.number),
            },
        }
    }
}

impl OpenedLogs {
    /// None is opened yet.
    fn of_user(open: &Open) -> Self {
        Self {
            logs: Vec::new(),
            made: Vec::new(),
            run_as: open.run_as.clone(),
        }
    }

    /// Has the transfers of `handler`'s clients written down.
    pub(crate) fn watch(&self, handler: FtpHandler) -> FtpHandler {
        let logs = self.logs.iter();
        logs.fold(handler, |handler, (log, _)| {
            handler.observer(Writer(Arc::clone(log)))
        })
    }

    /// Opens a file, and notes it if neither it nor a link was there.
    fn append_to(&mut self, path: &Path) -> io::Result<File> {
        with_log_rights(path, self.run_as.as_ref(), || {
            if let Ok(file) = open_log(path, MODE, true) {
                self.made.push(path.to_owned());
                return Ok(file);
            }
            // Mostly it is there. Where it is not, as at the end of a link, this says what is wrong,
            // if anything is.
            open_log(path, MODE, false)
        })
    }
}

impl Drop for OpenedLogs {
    fn drop(&mut self) {
        for path in &self.made {
            let run_as = self.run_as.as_ref();
            if let Err(error) = with_log_rights(path, run_as, || fs::remove_file(path)) {
                log::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }
}

/// Numbers that logs can have. They come round: a process that has missed so many changes of the
/// configuration has no sessions left, or may take one log for another.
const NUMBERS: u8 = 128;

/// A line of a log, ended, from a transfer and the time at which it ended.
type Format = fn(&ObservedSession, &ObservedTransfer, SystemTime) -> String;

/// One file.
#[derive(Debug)]
struct TransferLog {
    /// As which other processes know it.
    number: u8,
    path: PathBuf,
    format: Format,
    file: Mutex<Arc<Lines>>,
}

impl TransferLog {
    fn new(number: u8, path: &Path, format: Format, file: File) -> Arc<Self> {
        Arc::new(Self {
            number,
            path: path.to_owned(),
            format,
            file: Mutex::new(Arc::new(Lines::new(file))),
        })
    }

    fn write(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
        let line = (self.format)(session, transfer, SystemTime::now());
        // Whoever opens the file again is not to wait for a disk that hangs.
        let file = Arc::clone(&self.lock());
        if let Err(error) = file.add(&line) {
            log::error!("cannot write to {}: {error}", self.path.display());
        }
    }

    /// Goes on in another file, in other processes too.
    fn renew(&self, file: File, hand_over: impl Fn(u8, File)) {
        match file.try_clone() {
            Ok(copy) => hand_over(self.number, copy),
            Err(error) => {
                let path = self.path.display();
                log::error!("other processes go on with the old {path}: {error}");
            }
        }
        self.go_on_in(file);
    }

    fn go_on_in(&self, file: File) {
        let mut renewed = Lines::new(file);
        let mut lines = self.lock();
        renewed.go_on_after(&lines);
        let replaced = mem::replace(&mut *lines, Arc::new(renewed));
        drop(lines);
        // Without the lock, which whoever writes wants: to close a file may take as long as its
        // disk does.
        drop(replaced);
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Lines>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open file of lines.
#[derive(Debug)]
struct Lines {
    /// Its device and its inode, where the system tells.
    identity: Option<(u64, u64)>,
    file: File,
    /// Shared by all that is opened of one file, of which an old one may be written to still.
    last: Arc<LastLine>,
}

impl Lines {
    fn new(file: File) -> Self {
        let identity = file.metadata().map(|found| (found.dev(), found.ino()));
        Self {
            identity: identity.ok(),
            file,
            last: Arc::default(),
        }
    }

    /// Takes over how the last line ends, where `before` is the same file.
    fn go_on_after(&mut self, before: &Self) {
        if self.identity.is_some() && self.identity == before.identity {
            self.last = Arc::clone(&before.last);
        }
    }

    /// Adds a line, which holds its end.
    fn add(&self, line: &str) -> io::Result<()> {
        self.last.add_next(&self.file, line.as_bytes())
    }
}

/// Writes every transfer to a log, on a thread.
struct Writer(Arc<TransferLog>);

impl Observer for Writer {
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

/// That it cannot be opened.
fn cannot_append(named: &NamedFile, error: &io::Error) -> ConfigError {
    let path = named.path();
    named.error(format!(
        "found {path:?}, which cannot be opened ({error}), expected a file to append to"
    ))
}

/// The names in it are those of files in homes that others may not look into.
const MODE: u32 = 0o640;

/// Whether a file could be appended to, or made. It is not made, nor is any other: whoever looks may
/// be somebody else than whoever will write. Nor is a pipe opened to see whether anybody reads: a
/// reader that waits for its first writer would find that writer gone, and end before the start.
fn check(path: &Path) -> io::Result<()> {
    let mut path = path.to_owned();
    // The system follows so many links only, and says so where there are more.
    loop {
        match path.metadata() {
            // The error is the one that the server would get.
            Ok(found) if found.is_dir() => {
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
            // The file would be made where the link leads.
            Ok(target) => directory.join(target),
            // To find the dot in it takes the right to enter it, which to make a file does too.
            Err(_) => return check_writable(&directory.join(".")),
        };
    }
}

/// Seconds and milliseconds since 1970.
fn unix(time: SystemTime) -> (i64, u32) {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or((0, 0), |since| {
            (since.as_secs().cast_signed(), since.subsec_millis())
        })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_log_got_the_number_of_one_that_was_open() {
        let directory = tempfile::tempdir().unwrap();
        let named = |name: &str| Some(NamedFile::by_option(&directory.path().join(name), "--log"));
        let logs = TransferLogs::default();
        for turn in 0..2 * u16::from(NUMBERS) {
            let files = LogFiles {
                xferlog: named("stays"),
                json: named(["one", "other"][usize::from(turn % 2)]),
            };
            logs.replace(logs.open(&files).unwrap(), |_, _| {});
            let open = logs.lock();
            assert_ne!(open.logs[0].number, open.logs[1].number, "turn {turn}");
        }
    }

    #[test]
    fn sessions_from_before_wrote_to_a_moved_file_once_their_log_had_been_named_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let named = LogFiles {
            xferlog: Some(NamedFile::by_option(&path, "--xferlog")),
            json: None,
        };
        let logs = TransferLogs::default();
        let name = |named: &LogFiles| {
            let handed = std::cell::Cell::new(None);
            logs.replace(logs.open(named).unwrap(), |number, _| {
                handed.set(Some(number));
            });
            handed.take()
        };
        assert_eq!(name(&named), None);
        let of_a_session = Arc::clone(&logs.lock().logs[0]);
        let number = of_a_session.number;
        name(&LogFiles::default());
        name(&named);
        fs::rename(&path, directory.path().join("moved")).unwrap();
        assert_eq!(name(&named), Some(number));
        of_a_session.lock().add("line\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "line\n");
        // Where only another process has such a session, that is handed the file.
        drop(of_a_session);
        name(&LogFiles::default());
        assert_eq!(name(&named), Some(number));
    }

    /// A stream that a line was written to until it was full, and its reader.
    fn cut_stream() -> (File, Lines, UnixStream) {
        let (ours, reader) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        reader.set_nonblocking(true).unwrap();
        let file = File::from(OwnedFd::from(ours));
        let lines = Lines::new(file.try_clone().unwrap());
        assert!(lines.add(&too_long()).is_err());
        (file, lines, reader)
    }

    /// A line that no stream has room for.
    fn too_long() -> String {
        "x".repeat(8 << 20) + "\n"
    }

    /// What is in a stream that stays open.
    fn read(mut reader: &UnixStream) -> String {
        let mut text = String::new();
        assert!(reader.read_to_string(&mut text).is_err());
        text
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
        // Whoever began with the old one ends with it.
        before.add("two\n").unwrap();
        assert_eq!(read(&reader), "\none\ntwo\n");
        assert!(before.add(&too_long()).is_err());
        log.go_on_in(File::from(OwnedFd::from(other)));
        log.lock().add("three\n").unwrap();
        assert_eq!(read(&other_reader), "three\n");
    }
}
