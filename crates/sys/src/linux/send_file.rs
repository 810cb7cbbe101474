//! `sendfile`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::broken_pipe::expect_broken_pipe;
use crate::call::check_optional;

/// Sends up to `count` bytes of `file`, from `offset` on, to `socket` without copying them through
/// this process. Advances `offset`; the position of `file` does not change. `Ok(0)` is the end of
/// the file.
///
/// # Errors
///
/// The error of `sendfile`: `WouldBlock` if a non-blocking socket is full; `InvalidInput` for a
/// kind of file that it cannot send, and `Unsupported` if the call may not be used. In the last two
/// cases the file must be copied instead.
pub fn send_file(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: &mut u64,
    count: usize,
) -> io::Result<usize> {
    let mut position = libc::off64_t::try_from(*offset)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "offset out of range"))?;
    let (to, from) = (socket.as_raw_fd(), file.as_raw_fd());
    // SAFETY: both descriptors are borrowed for the whole call, so neither can be closed or reused
    // under it. `position` is a live, writable `off64_t` owned by this frame.
    let send = || unsafe { libc::sendfile64(to, from, &raw mut position, count) };
    let sent = check_optional(expect_broken_pipe(send))? as usize;
    *offset += sent as u64;
    Ok(sent)
}

/// Sends bytes of `file`, from `offset` on, through `buffer`, up to its length. The kernel holds
/// the last bytes back until the stream ends, so that both leave in one segment if they fit.
/// Returns how many bytes were sent; `Ok(0)` is the end of the file.
///
/// For small files this costs less than [`send_file`]. After the last bytes the caller must shut
/// down the sending side, which flushes those held back.
///
/// # Errors
///
/// The error of `pread` or `send`: `WouldBlock` if a non-blocking socket is full; `Unsupported`
/// where the calls may not be used.
pub fn send_last(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let position = libc::off64_t::try_from(offset)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "offset out of range"))?;
    let start = buffer.as_mut_ptr().cast();
    // SAFETY: `start` is the beginning of `buffer`, which is borrowed mutably and has the given
    // length; the descriptor is borrowed for the whole call.
    let read = unsafe { libc::pread64(file.as_raw_fd(), start, buffer.len(), position) };
    let bytes = &buffer[..check_optional(read)? as usize];
    if bytes.is_empty() {
        return Ok(0);
    }
    match send(socket, bytes, libc::MSG_MORE | libc::MSG_NOSIGNAL) {
        // The flag only saves a segment, so the call can do without it.
        Err(error) if is_refused(&error) => send(socket, bytes, libc::MSG_NOSIGNAL),
        sent => sent,
    }
}

fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput
    )
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], flags: libc::c_int) -> io::Result<usize> {
    let (start, length) = (bytes.as_ptr().cast(), bytes.len());
    // SAFETY: `bytes` is initialised memory of the given length, borrowed for the whole call, as
    // the descriptor is.
    let sent = unsafe { libc::send(socket.as_raw_fd(), start, length, flags) };
    Ok(check_optional(sent)? as usize)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::linux::sandbox::{Refused, run_without};

    #[test]
    fn sends_from_the_offset_to_the_end() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a");
        File::create(&path)
            .unwrap()
            .write_all(b"0123456789")
            .unwrap();
        let file = File::open(&path).unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut offset = 4;
        assert_eq!(
            send_file(ours.as_fd(), file.as_fd(), &mut offset, 3).unwrap(),
            3
        );
        assert_eq!(
            send_file(ours.as_fd(), file.as_fd(), &mut offset, 100).unwrap(),
            3
        );
        assert_eq!(
            send_file(ours.as_fd(), file.as_fd(), &mut offset, 100).unwrap(),
            0
        );
        assert_eq!(offset, 10);
        drop(ours);
        let mut got = String::new();
        theirs.read_to_string(&mut got).unwrap();
        assert_eq!(got, "456789");
    }

    #[test]
    fn sends_what_the_buffer_holds_by_way_of_it() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = File::open(&path).unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut buffer = [0; 4];
        let mut send = |offset| send_last(ours.as_fd(), file.as_fd(), offset, &mut buffer).unwrap();
        assert_eq!((send(4), send(8), send(10)), (4, 2, 0));
        drop(ours);
        let mut got = String::new();
        theirs.read_to_string(&mut got).unwrap();
        assert_eq!(got, "456789");
    }

    #[test]
    fn a_sendfile_that_a_sandbox_refused_was_an_error_of_the_file() {
        let file = tempfile::tempfile().unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        for error in [libc::EPERM, libc::EACCES, libc::ENOSYS, libc::EOPNOTSUPP] {
            let refused = Refused(libc::SYS_sendfile, None);
            let kind = run_without(refused, error, || {
                let sent = send_file(ours.as_fd(), file.as_fd(), &mut 0, 1);
                sent.unwrap_err().kind()
            });
            assert!(kind.is_none_or(|kind| kind == io::ErrorKind::Unsupported));
        }
    }

    #[test]
    fn the_end_of_a_file_was_not_sent_where_a_flag_is_refused() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        for error in [libc::EPERM, libc::EINVAL] {
            let flags = (3, libc::MSG_MORE as u32);
            let refused = Refused(libc::SYS_sendto, Some(flags));
            let sent = run_without(refused, error, || {
                send_last(ours.as_fd(), file.as_fd(), 4, &mut [0; 9]).unwrap()
            });
            if sent.is_none() {
                return;
            }
            let mut got = [0; 6];
            theirs.read_exact(&mut got).unwrap();
            assert_eq!(&got, b"456789");
        }
    }
}
