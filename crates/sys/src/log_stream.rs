//! Streams for logs.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use crate::call::check;
use crate::open_to_append;

/// A shared stream, such as standard error, for writing without waiting for its reader. It stays
/// unchanged for other users of the stream.
#[derive(Debug)]
pub struct LogStream {
    file: File,
    is_socket: bool,
}

impl LogStream {
    /// Reopens a pipe or a terminal. If the system does not permit that, writes work but may wait,
    /// as writes to a file on a disk may.
    ///
    /// # Errors
    ///
    /// The process has no descriptor left.
    pub fn new(stream: impl AsFd) -> io::Result<Self> {
        let mut file = File::from(stream.as_fd().try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        if kind.is_fifo() || kind.is_char_device() {
            let name = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
            file = open_to_append(&name, 0, false).unwrap_or(file);
        }
        Ok(Self {
            file,
            is_socket: kind.is_socket(),
        })
    }
}

impl Write for LogStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_socket {
            return self.file.write(bytes);
        }
        let (data, length) = (bytes.as_ptr().cast(), bytes.len());
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the descriptor is open while `self.file` is, and `data` readable for `length`
        // bytes.
        let sent = check(unsafe { libc::send(self.file.as_raw_fd(), data, length, flags) })?;
        Ok(sent.cast_unsigned())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
