//! Moving bytes from a socket to a file through a pipe, with `splice`.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use crate::call::{check, check_optional};

/// The sizes to request, in bytes. A larger pipe needs fewer calls; an ordinary user's pipes share
/// a limit, about 60 pipes of the first size.
const SIZES: [libc::c_int; 2] = [1 << 20, 256 << 10];

/// A pipe that carries bytes from a socket to a file without copying them to this process.
#[derive(Debug)]
pub struct Pipe {
    output: std::fs::File,
    input: OwnedFd,
}

impl Pipe {
    /// Creates a pipe of 1 MiB, or of the size that is allowed.
    ///
    /// # Errors
    ///
    /// The error of `pipe2`: no descriptors are left.
    pub fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: `ends` is a live array of two descriptors, which the call fills in.
        check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) })?;
        // SAFETY: the call succeeded, so both are open descriptors that nothing else owns.
        let [output, input] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        for size in SIZES {
            // SAFETY: the call takes a number and accesses no memory of this process.
            if unsafe { libc::fcntl(input.as_raw_fd(), libc::F_SETPIPE_SZ, size) } >= size {
                break;
            }
        }
        Ok(Self {
            output: output.into(),
            input,
        })
    }

    /// Moves up to `count` bytes that `socket` received into the pipe, as far as there is room.
    /// `Ok(0)` is the end of the stream.
    ///
    /// # Errors
    ///
    /// The error of `splice`: `WouldBlock` if the socket has no data or the pipe is full;
    /// `InvalidInput` if the socket does not support it; `Unsupported` where the call may not be
    /// used.
    pub fn fill(&self, socket: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
        splice(socket.as_raw_fd(), self.input.as_raw_fd(), count)
    }

    /// Moves up to `count` bytes out of the pipe into `file`, at its position.
    ///
    /// # Errors
    ///
    /// The error of `splice`: `WouldBlock` if the pipe is empty; `InvalidInput` for a file that it
    /// cannot write to, such as one opened for appending; `Unsupported` where the call may not be
    /// used. Bytes that were not moved stay in the pipe.
    pub fn drain(&self, file: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
        splice(self.output.as_raw_fd(), file.as_raw_fd(), count)
    }

    /// Reads bytes from the pipe, as many as are available and fit into `buffer`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the pipe is empty.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.output).read(buffer)
    }
}

fn splice(from: libc::c_int, to: libc::c_int, count: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    let position = ptr::null_mut();
    // SAFETY: both descriptors belong to values that are borrowed for the whole call. With null
    // pointers, the call uses the files' own positions and accesses no memory of this process.
    let moved =
        check_optional(unsafe { libc::splice(from, position, to, position, count, flags) })?;
    Ok(moved as usize)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;
    use crate::inherited::is_close_on_exec;
    use crate::linux::sandbox::{Refused, run_without};

    fn received(bytes: &[u8]) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        theirs.write_all(bytes).unwrap();
        listener.accept().unwrap().0
    }

    #[test]
    fn bytes_go_from_the_socket_to_the_position_of_the_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(b"ab").unwrap();
        let socket = received(b"cdefgh");
        let pipe = Pipe::new().unwrap();
        assert_eq!(pipe.fill(socket.as_fd(), 4).unwrap(), 4);
        assert_eq!(pipe.drain(file.as_fd(), 3).unwrap(), 3);
        let mut rest = [0; 9];
        assert_eq!(pipe.read(&mut rest).unwrap(), 1);
        assert_eq!(rest[0], b'f');
        assert_eq!(
            pipe.read(&mut rest).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        assert_eq!(pipe.fill(socket.as_fd(), 100).unwrap(), 2);
        assert_eq!(pipe.fill(socket.as_fd(), 100).unwrap(), 0);
        assert_eq!(pipe.drain(file.as_fd(), 100).unwrap(), 2);
        assert_eq!(std::fs::read(path).unwrap(), b"abcdegh");
    }

    #[test]
    fn no_program_gets_the_pipe() {
        let pipe = Pipe::new().unwrap();
        assert!(is_close_on_exec(pipe.output.as_fd()));
        assert!(is_close_on_exec(pipe.input.as_fd()));
    }

    #[test]
    fn a_file_open_for_appending_leaves_the_bytes_in_the_pipe() {
        let scratch = tempfile::tempdir().unwrap();
        let mut options = OpenOptions::new();
        let file = options
            .append(true)
            .create(true)
            .open(scratch.path().join("a"));
        let pipe = Pipe::new().unwrap();
        pipe.fill(received(b"abc").as_fd(), 3).unwrap();
        let error = pipe.drain(file.unwrap().as_fd(), 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let mut rest = [0; 9];
        assert_eq!(pipe.read(&mut rest).unwrap(), 3);
    }

    #[test]
    fn a_splice_that_a_sandbox_refused_looked_like_a_broken_connection() {
        let scratch = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(scratch.path().join("a")).unwrap();
        let pipe = Pipe::new().unwrap();
        let socket = received(b"abcdef");
        assert_eq!(pipe.fill(socket.as_fd(), 3).unwrap(), 3);
        for error in [libc::EPERM, libc::EACCES, libc::ENOSYS, libc::EOPNOTSUPP] {
            let refused = Refused(libc::SYS_splice, None);
            let kinds = run_without(refused, error, || {
                [
                    pipe.fill(socket.as_fd(), 3).unwrap_err().kind(),
                    pipe.drain(file.as_fd(), 3).unwrap_err().kind(),
                ]
            });
            let expected = [io::ErrorKind::Unsupported; 2];
            assert!(kinds.is_none_or(|kinds| kinds == expected), "{error}");
        }
        let mut rest = [0; 9];
        assert_eq!(pipe.read(&mut rest).unwrap(), 3);
    }
}
