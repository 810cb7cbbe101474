//! The transfer logs, and which of them are open.

mod file;
mod json;
mod xferlog;

use std::fs::{self, File};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use ftpdlib::handlers::FtpHandler;
use ftpdlib::servers::process::{Identity, open_log, with_log_rights};

use crate::error::ConfigError;
use crate::settings::{LogFiles, NamedFile};
use file::{Format, MODE, TransferLog, Writer, check};

/// The open transfer logs, shared with the code that opens them again.
#[derive(Clone, Debug, Default)]
pub(crate) struct TransferLogs(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    /// The user that serving processes become.
    run_as: Option<Identity>,
    logs: Vec<Arc<TransferLog>>,
    /// Logs that are no longer configured, the latest last: earlier sessions still write to them,
    /// also in other processes.
    retired: Vec<Retired>,
    next: u8,
}

/// A log that is no longer configured.
#[derive(Debug)]
struct Retired {
    number: u8,
    path: PathBuf,
    format: Format,
    log: Weak<TransferLog>,
}

/// How many retired logs are remembered.
const MOST_RETIRED: usize = 64;

/// Logs whose files were just opened and not written to yet. Unless they are kept, dropping this
/// value removes the files that it created, except one created at the end of a link.
pub(crate) struct OpenedLogs {
    logs: Vec<(Arc<TransferLog>, Option<File>)>,
    made: Vec<PathBuf>,
    run_as: Option<Identity>,
}

impl TransferLogs {
    /// Creates the state without open logs. The processes that will write to them become `run_as`,
    /// if given.
    pub(crate) fn new(run_as: Option<Identity>) -> Self {
        Self(Arc::new(Mutex::new(Open {
            run_as,
            ..Open::default()
        })))
    }

    /// Opens the files that are named. The file of a log that stays in use is opened again by its
    /// name, since it may have been moved away.
    ///
    /// # Errors
    ///
    /// The first file that cannot be opened.
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
                    let log = copy.and_then(|copy| TransferLog::new(number, path, format, copy));
                    (
                        log.map_err(|error| cannot_append(named, &error))?,
                        Some(file),
                    )
                }
                Known::Nothing => {
                    let log = TransferLog::new(open.next_number(), path, format, file);
                    (log.map_err(|error| cannot_append(named, &error))?, None)
                }
            });
        }
        Ok(opened)
    }

    /// Takes over the opened logs, once nothing can fail any more. A file that replaces another one
    /// also goes to `hand_over`, with the number of its log, for other processes that write to it.
    pub(crate) fn replace(&self, mut opened: OpenedLogs, hand_over: impl Fn(u8, File)) {
        self.take_over(&mut opened, hand_over);
        opened.keep();
    }

    /// Takes over the opened logs while the start may still fail: the files that were created are
    /// then removed again, unless they are [kept](OpenedLogs::keep). Other processes that start in
    /// the meantime know these logs.
    pub(crate) fn take_over(&self, opened: &mut OpenedLogs, hand_over: impl Fn(u8, File)) {
        let renew = |(log, file): (Arc<TransferLog>, Option<File>)| {
            if let Some(file) = file {
                log.renew(file, &hand_over);
            }
            log
        };
        let logs = opened.logs.drain(..).map(renew).collect();
        let replaced = self.lock().replace(logs);
        // Dropped without the lock: closing a file may take as long as its disk does.
        drop(replaced);
    }

    /// Opens the files in use by their names again, as far as possible. `hand_over` is as for
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

    /// Continues a log in a file that another process has opened again.
    pub(crate) fn go_on_in(&self, number: u8, file: File) {
        // A log from a later configuration is unknown here.
        if let Some(log) = self.lock().logs.iter().find(|log| log.number == number) {
            log.go_on_in(file);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks whether this process could open the files, without creating any.
    ///
    /// # Errors
    ///
    /// The first file that could not be opened.
    pub(crate) fn check(named: &LogFiles, run_as: Option<&Identity>) -> Result<(), ConfigError> {
        for named in named.named() {
            let path = named.path();
            let checked = with_log_rights(path, run_as, || check(path));
            checked.map_err(|error| cannot_append(named, &error))?;
        }
        Ok(())
    }
}

/// What is known about a file that is named.
enum Known {
    Nothing,
    /// Its number: the log is no longer open here, but may be in other processes.
    Number(u8),
    Log(Arc<TransferLog>),
}

impl Open {
    /// Replaces the open logs, and returns the former ones.
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

    /// Returns a number that no log has; there are always fewer logs than numbers.
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
    /// Creates the value without any opened file.
    fn of_user(open: &Open) -> Self {
        Self {
            logs: Vec::new(),
            made: Vec::new(),
            run_as: open.run_as.clone(),
        }
    }

    /// Adds observers to `handler` that log its clients' transfers.
    pub(crate) fn watch(&self, handler: FtpHandler) -> FtpHandler {
        let logs = self.logs.iter();
        logs.fold(handler, |handler, (log, _)| {
            handler.observer(Writer(Arc::clone(log)))
        })
    }

    /// Keeps the files that were created.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }

    /// Opens a file, and notes it if it did not exist, not even as a link.
    fn append_to(&mut self, path: &Path) -> io::Result<File> {
        with_log_rights(path, self.run_as.as_ref(), || {
            if let Ok(file) = open_log(path, MODE, true) {
                self.made.push(path.to_owned());
                return Ok(file);
            }
            // Usually the file exists. If not, as at the end of a link, this creates it or returns
            // the error.
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

/// How many numbers there are. They are reused: a process that has missed this many changes of the
/// configuration has no sessions left, or else may mistake one log for another.
const NUMBERS: u8 = 128;

/// Returns the error for a file that cannot be opened.
fn cannot_append(named: &NamedFile, error: &io::Error) -> ConfigError {
    let path = named.path();
    named.error(format!(
        "found {path:?}, which cannot be opened ({error}), expected a file to append to"
    ))
}

/// Returns seconds and milliseconds since 1970.
fn unix(time: SystemTime) -> (i64, u32) {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or((0, 0), |since| {
            (since.as_secs().cast_signed(), since.subsec_millis())
        })
}

#[cfg(test)]
mod tests {
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
        // If only another process has such a session, that process is handed the file.
        drop(of_a_session);
        name(&LogFiles::default());
        assert_eq!(name(&named), Some(number));
    }
}
