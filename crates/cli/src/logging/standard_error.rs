//! Standard error, which may be a pipe without an active reader.

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use ftpdlib::servers::process::LogStream;
use log::Level;

use super::line::{LogLine, unix_now};
use crate::last_line::LastLine;
use crate::patience::Patience;

/// How long all lines together may wait for room within ten seconds. Clients wait as long.
const PATIENCE: Duration = Duration::from_millis(200);

/// The number of the file, which is always the same.
const FILE: u64 = 1;

/// Writes lines to standard error, one or more at a time. If standard error stays full, like a pipe
/// that is not read, it drops and counts lines after a short wait, since the server must not block
/// on its log. If standard error accepts nothing, like a file on a full disk, it drops them at
/// once.
pub(super) struct StandardError {
    out: LogStream,
    last: LastLine,
    lost: u64,
    patience: Patience,
}

impl StandardError {
    /// Opens the standard error of this process.
    ///
    /// # Errors
    ///
    /// No descriptor or no memory is left.
    pub(super) fn open() -> io::Result<Self> {
        Self::over(io::stderr())
    }

    fn over(stream: impl AsFd) -> io::Result<Self> {
        Ok(Self {
            out: LogStream::new(stream)?,
            last: LastLine::new()?,
            lost: 0,
            patience: Patience::new(PATIENCE),
        })
    }
}

/// Each call writes whole lines, including their line ends, or drops those that do not fit.
impl Write for StandardError {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let text = match self.lost {
            0 => Cow::Borrowed(lines),
            lost => Cow::Owned([&notice(lost)?, lines].concat()),
        };
        // How many line ends were not written.
        let mut refused = 0;
        let write = |bytes: &[u8]| {
            let written = self.patience.write(&mut self.out, bytes);
            if !matches!(written, Ok(1..)) {
                refused = line_ends(bytes);
            }
            written
        };
        match self.last.add_next(FILE, &text, write) {
            Ok(()) => self.lost = 0,
            // Whatever the cause, such as a pipe without a reader or a full disk, it may pass.
            Err(_) => {
                let all = line_ends(lines);
                // More than all of them: the notice was not written either.
                self.lost = match refused > all {
                    true => self.lost + all,
                    false => refused,
                };
            }
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line that reports how many lines were dropped.
fn notice(lost: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let message = format_args!("lines lost, since standard error was full: {lost}");
    LogLine::default().write(&mut line, Level::Warn, unix_now(), &message)?;
    Ok(line)
}

fn line_ends(text: &[u8]) -> u64 {
    text.iter().map(|&byte| u64::from(byte == b'\n')).sum()
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
            // The reader makes room.
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

    #[test]
    #[cfg(target_os = "linux")]
    fn lines_that_a_full_disk_did_not_take_were_not_counted() {
        use std::os::fd::AsRawFd;

        let mut full = StandardError::over(File::create("/dev/full").unwrap()).unwrap();
        full.write_all(b"one\ntwo\n").unwrap();
        full.write_all(b"three\n").unwrap();
        assert_eq!(full.lost, 3);

        // A pipe without any reader does not wait either, although a reader may come back.
        let (reader, writer) = io::pipe().unwrap();
        let again = format!("/proc/self/fd/{}", writer.as_raw_fd());
        let mut log = StandardError::over(&writer).unwrap();
        drop(reader);
        log.write_all(b"one\ntwo\n").unwrap();
        let mut reader = File::open(again).unwrap();
        log.write_all(b"last\n").unwrap();
        drop((log, writer));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let (notice, rest) = text.split_once('\n').unwrap();
        assert!(notice.ends_with(" was full: 2"), "{notice}");
        assert_eq!(rest, "last\n");
    }
}
