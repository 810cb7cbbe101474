//! Streams for logs.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::broken_pipe::expect_broken_pipe;
use crate::call::check;
use crate::open_to_append;

/// A shared stream, such as standard error, that can be written to without waiting for its reader.
/// For other users of the stream nothing changes.
#[derive(Debug)]
pub struct LogStream {
    file: File,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Writes never wait for a reader.
    Plain,
    Socket,
    /// A pipe or a terminal that cannot be reopened, so a write waits if there is no room.
    Blocking,
}

impl LogStream {
    /// Reopens a pipe or a terminal. If that is not permitted, because the stream belongs to
    /// another user, each write first checks for room. It may still wait, for a terminal with
    /// little room that does not control this process, or if another process takes the room first.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left.
    pub fn new(stream: impl AsFd) -> io::Result<Self> {
        Self::reopened(stream, |path| open_to_append(path, 0, false))
    }

    fn reopened(stream: impl AsFd, reopen: impl Fn(&Path) -> io::Result<File>) -> io::Result<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        if kind.is_socket() {
            let kind = Kind::Socket;
            return Ok(Self { file, kind });
        }
        if !kind.is_fifo() && !kind.is_char_device() {
            let kind = Kind::Plain;
            return Ok(Self { file, kind });
        }
        let name = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let reopened = reopen(&name).or_else(|error| match is_own_terminal(&file) {
            // Any process may open its own terminal by this name.
            true => reopen(Path::new("/dev/tty")),
            false => Err(error),
        });
        Ok(match reopened {
            Ok(file) => Self {
                file,
                kind: Kind::Plain,
            },
            Err(_) => Self {
                file,
                kind: Kind::Blocking,
            },
        })
    }

    /// Whether a pipe has room for `PIPE_BUF` bytes, or a terminal for any.
    fn has_room(&self) -> io::Result<bool> {
        let mut asked = libc::pollfd {
            fd: self.file.as_raw_fd(),
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one live, writable entry owned by this frame.
        Ok(check(unsafe { libc::poll(&raw mut asked, 1, 0) })? > 0)
    }
}

/// Whether `file` is the terminal that controls this process.
fn is_own_terminal(file: &File) -> bool {
    // SAFETY: takes no pointer. It fails for any other file.
    unsafe { libc::tcgetpgrp(file.as_raw_fd()) >= 0 }
}

impl Write for LogStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Plain => self.file.write(bytes),
            Kind::Blocking if self.has_room()? => {
                let bytes = &bytes[..bytes.len().min(libc::PIPE_BUF)];
                expect_broken_pipe(|| self.file.write(bytes))
            }
            Kind::Blocking => Err(io::ErrorKind::WouldBlock.into()),
            Kind::Socket => {
                let (data, length) = (bytes.as_ptr().cast(), bytes.len());
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                // SAFETY: the descriptor is open while `self.file` is, and `data` readable for
                // `length` bytes.
                let sent =
                    check(unsafe { libc::send(self.file.as_raw_fd(), data, length, flags) })?;
                Ok(sent.cast_unsigned())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn streams_do_not_wait_here_and_do_so_for_others() {
        let (_pipe_reader, pipe) = io::pipe().unwrap();
        let (socket, _socket_reader) = UnixStream::pair().unwrap();
        for stream in [OwnedFd::from(pipe), socket.into()] {
            let mut log = LogStream::new(&stream).unwrap();
            let error = loop {
                match log.write(&[0; 4096]) {
                    Ok(count) => assert!(count > 0),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            let info = format!("/proc/self/fdinfo/{}", stream.as_raw_fd());
            let info = std::fs::read_to_string(info).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = i32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
            assert_eq!(flags & libc::O_NONBLOCK, 0);
        }
    }

    #[test]
    fn a_pipe_of_another_user_was_waited_for() {
        let (mut reader, pipe) = io::pipe().unwrap();
        let refuse = |_: &Path| Err(io::ErrorKind::PermissionDenied.into());
        let mut log = LogStream::reopened(&pipe, refuse).unwrap();
        let fill = |log: &mut LogStream| {
            let mut written = 0;
            loop {
                match log.write(&[0; 5000]) {
                    Ok(count) => written += count,
                    Err(error) => break (written, error.kind()),
                }
            }
        };
        let (written, error) = fill(&mut log);
        assert!(written >= libc::PIPE_BUF);
        assert_eq!(error, io::ErrorKind::WouldBlock);
        // The reader makes room.
        reader.read_exact(&mut vec![0; written]).unwrap();
        assert_eq!(fill(&mut log), (written, io::ErrorKind::WouldBlock));
        drop(reader);
        assert_eq!(fill(&mut log), (0, io::ErrorKind::BrokenPipe));
    }

    #[test]
    fn what_stands_in_a_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut shared = File::create(&path).unwrap();
        shared.write_all(b"one\n").unwrap();
        LogStream::new(&shared)
            .unwrap()
            .write_all(b"two\n")
            .unwrap();
        shared.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    }
}
