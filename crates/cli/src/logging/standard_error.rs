//! Standard error, which may be a pipe without an active reader.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib::servers::LogStream;
use log::Level;

use super::line::{LogLine, unix_now};
use crate::last_line::LastLine;

/// How long a line waits for room. Clients wait with it.
const PATIENCE: Duration = Duration::from_millis(200);

/// How often it checks for room.
const LOOK: Duration = Duration::from_millis(2);

/// After a wait without success, how long no line waits.
const AFTER_VAIN: Duration = Duration::from_secs(10);

/// Writes lines to standard error, one or more at a time. If that stays full, like a pipe that
/// nobody reads, it drops and counts lines after a short wait: the server must not block on its
/// log.
pub(super) struct StandardError {
    out: LogStream,
    last: LastLine,
    lost: u64,
    /// Until then nothing waits for room.
    hurried_until: Option<Instant>,
}

impl StandardError {
    /// # Errors
    ///
    /// The system gives no descriptor for it.
    pub(super) fn open() -> io::Result<Self> {
        Self::over(io::stderr())
    }

    fn over(stream: impl AsFd) -> io::Result<Self> {
        Ok(Self {
            out: LogStream::new(stream)?,
            last: LastLine::default(),
            lost: 0,
            hurried_until: None,
        })
    }
}

/// Each call writes whole lines, with their ends, or drops what there is no room for.
impl Write for StandardError {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let text = match self.lost {
            0 => Cow::Borrowed(lines),
            lost => Cow::Owned([&notice(lost)?, lines].concat()),
        };
        let mut out = Patient {
            out: &mut self.out,
            hurried_until: &mut self.hurried_until,
            deadline: None,
            refused: 0,
        };
        match self.last.add_next(&mut out, &text) {
            Ok(()) => self.lost = 0,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let (refused, all) = (out.refused, line_ends(lines));
                // More than all: the notice, too.
                self.lost = match refused > all {
                    true => self.lost + all,
                    false => refused,
                };
            }
            Err(error) => return Err(error),
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line that reports dropped ones.
fn notice(lost: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let message = format_args!("lines lost, since standard error was full: {lost}");
    LogLine::default().write(&mut line, Level::Warn, unix_now(), &message)?;
    Ok(line)
}

fn line_ends(text: &[u8]) -> u64 {
    text.iter().map(|&byte| u64::from(byte == b'\n')).sum()
}

/// The stream with some patience, one for all that is written at a time.
struct Patient<'a> {
    out: &'a mut LogStream,
    hurried_until: &'a mut Option<Instant>,
    deadline: Option<Instant>,
    /// How many lines there was no room for the end of.
    refused: u64,
}

impl Patient<'_> {
    /// Whether to look for room once more.
    fn may_wait(&mut self) -> bool {
        let now = Instant::now();
        if self.hurried_until.is_some_and(|until| now < until) {
            return false;
        }
        let may = now < *self.deadline.get_or_insert(now + PATIENCE);
        *self.hurried_until = (!may).then(|| now + AFTER_VAIN);
        may
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.out.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.may_wait() => {
                    thread::sleep(LOOK);
                }
                result => {
                    if result.is_err() {
                        self.refused = line_ends(bytes);
                    }
                    return result;
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Both ends of a pipe and of a socket, which do not wait for a reader.
    fn streams() -> [(OwnedFd, File); 2] {
        let (pipe_reader, pipe) = io::pipe().unwrap();
        let (socket, socket_reader) = UnixStream::pair().unwrap();
        [
            (pipe.into(), File::from(OwnedFd::from(pipe_reader))),
            (socket.into(), File::from(OwnedFd::from(socket_reader))),
        ]
    }

    #[test]
    fn the_server_stood_still_where_nobody_read_standard_error() {
        for (stream, mut reader) in streams() {
            let mut log = StandardError::over(stream).unwrap();
            let line = [b"x".repeat(99), b"\n".to_vec()].concat();
            while log.lost < 3 {
                log.write_all(&line).unwrap();
            }
            // A reader comes.
            let mut read = vec![0; 3000];
            reader.read_exact(&mut read).unwrap();
            let mut more = || {
                let count = reader.read(&mut read).unwrap();
                String::from_utf8(read[..count].to_vec()).unwrap()
            };
            let mut text = String::new();
            while !text.contains("last") {
                log.write_all(b"last\n").unwrap();
                text += &more();
            }
            let mut lines = text.lines().skip_while(|line| line.ends_with('x'));
            let notice = lines.next().unwrap();
            assert!(
                notice.starts_with("[W ")
                    && notice.ends_with("lines lost, since standard error was full: 3"),
                "{notice}"
            );
            assert_eq!(lines.next(), Some("last"));
        }
    }
}
