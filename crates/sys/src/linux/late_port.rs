//! Taking a local port no earlier than it is needed.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::check;

/// Has the system choose the port when the socket connects, not when it is bound to port 0: it may
/// then be one that connections to other addresses have, too.
///
/// # Errors
///
/// The error of `setsockopt`.
pub fn choose_port_late(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is borrowed for the whole call. The option, of both versions of IP
    // (ip(7)), reads one `int`: `on`, which is live and owned by this frame.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    })
    .map(drop)
}
