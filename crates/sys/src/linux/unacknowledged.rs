//! Unacknowledged bytes of a socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::check;

/// Bytes written to a TCP socket that its peer has not acknowledged, sent or not.
///
/// # Errors
///
/// The error of `ioctl`: `InvalidInput` for a listening socket.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is borrowed for the whole call. `TIOCOUTQ`, which tcp(7) calls
    // SIOCOUTQ, writes one `int`: `bytes`, which is live, writable and owned by this frame.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_the_peer_takes_is_counted_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut theirs = listener.accept().unwrap().0;
        assert_eq!(unacknowledged(ours.as_fd()).unwrap(), 0);
        ours.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(bytes) = ours.write(&[0; 65_536]) {
            sent += bytes;
        }
        let full = unacknowledged(ours.as_fd()).unwrap();
        assert!(full > 0 && full < sent, "{full} of {sent}");
        theirs.read_exact(&mut vec![0; sent]).unwrap();
        while unacknowledged(ours.as_fd()).unwrap() > 0 {
            std::thread::yield_now();
        }
    }
}
