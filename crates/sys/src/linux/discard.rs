//! Discarding received bytes without a copy.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::call::check;

/// Discards up to `count` bytes that a TCP socket received, without copying them to this process.
/// `Ok(0)` is the end of the stream.
///
/// # Errors
///
/// The error of `recv`: `WouldBlock` if a non-blocking socket has received nothing.
pub fn discard(socket: BorrowedFd<'_>, count: usize) -> io::Result<usize> {
    let flags = libc::MSG_TRUNC;
    // SAFETY: the descriptor is borrowed for the whole call. With `MSG_TRUNC` a TCP socket drops
    // the bytes without accessing the buffer (tcp(7)); a kind of socket that does access it fails
    // with EFAULT for the null pointer. Nothing is ever written.
    let bytes = check(unsafe { libc::recv(socket.as_raw_fd(), ptr::null_mut(), count, flags) })?;
    Ok(bytes as usize)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn bytes_are_dropped_up_to_the_count_and_the_end_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut theirs = listener.accept().unwrap().0;
        theirs.write_all(b"0123456789").unwrap();
        drop(theirs);
        let mut dropped = 0;
        while dropped < 4 {
            dropped += discard(ours.as_fd(), 4 - dropped).unwrap();
        }
        let mut rest = String::new();
        ours.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "456789");
        assert_eq!(discard(ours.as_fd(), 4).unwrap(), 0);
    }
}
