//! What the system reports about TCP sockets.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::check;

/// Returns how many connected clients of a listening TCP socket are not accepted yet.
///
/// # Errors
///
/// The error of `getsockopt`: `Unsupported` for sockets other than TCP.
pub fn waiting_clients(listener: BorrowedFd<'_>) -> io::Result<usize> {
    // For a listener, this field holds the length of the accept queue.
    Ok(tcp_info(listener)?.tcpi_unacked as usize)
}

/// Returns approximately how many bytes the peer of a TCP socket has acknowledged since it was
/// connected.
///
/// # Errors
///
/// As for [`waiting_clients`].
pub fn acknowledged(socket: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(tcp_info(socket)?.tcpi_bytes_acked)
}

fn tcp_info(socket: BorrowedFd<'_>) -> io::Result<libc::tcp_info> {
    // SAFETY: the structure has only integers, for which zero is valid.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is borrowed for the whole call, which writes at most `length` bytes to
    // `info` and then their number to `length`; both are live, writable and owned by this frame.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    })?;
    Ok(info)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn clients_wait_until_they_are_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = || waiting_clients(listener.as_fd()).unwrap();
        assert_eq!(waiting(), 0);
        let clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
        // Clients may be connected an instant before they are in the queue.
        let until = Instant::now() + Duration::from_secs(60);
        while waiting() < 3 && Instant::now() < until {
            thread::yield_now();
        }
        assert_eq!(waiting(), 3);
        listener.accept().unwrap();
        assert_eq!(waiting(), 2);
        drop(clients);
    }

    #[test]
    fn the_peer_acknowledges_what_it_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut theirs = listener.accept().unwrap().0;
        ours.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(bytes) = ours.write(&[0; 65_536]) {
            sent += bytes as u64;
        }
        assert!(acknowledged(ours.as_fd()).unwrap() < sent);
        io::copy(&mut Read::by_ref(&mut theirs).take(sent), &mut io::sink()).unwrap();
        while acknowledged(ours.as_fd()).unwrap() < sent {
            thread::yield_now();
        }
    }
}
