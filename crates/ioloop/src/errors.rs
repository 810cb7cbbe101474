//! Which errors of sockets are the peer's and which the system's.

use std::io;

/// Whether an error of [`Context::accept`](crate::Context::accept) concerns only one client, which
/// has then left the queue. `WouldBlock` means that the queue is empty; any other error might recur
/// at once, for ever.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use ftpdlib_ioloop::is_of_one_client;
///
/// assert!(is_of_one_client(&io::ErrorKind::ConnectionAborted.into()));
/// assert!(!is_of_one_client(&io::ErrorKind::OutOfMemory.into()));
/// ```
pub fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
    )
}

/// Whether an error of a connection means that the peer is gone. Any other error is the system's:
/// it may have too little memory, or refuse to watch more descriptors for this user.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use ftpdlib_ioloop::is_of_peer;
///
/// assert!(is_of_peer(&io::ErrorKind::BrokenPipe.into()));
/// assert!(!is_of_peer(&io::ErrorKind::OutOfMemory.into()));
/// ```
pub fn is_of_peer(error: &io::Error) -> bool {
    is_of_one_client(error)
        || matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected | io::ErrorKind::TimedOut
        )
}
