//! Choosing a local port as late as possible.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::call::check;

/// Has the system choose the port when the socket connects, not when it is bound to port 0: the
/// port may then be shared with connections to other addresses.
///
/// # Errors
///
/// The error of `setsockopt`.
pub fn choose_port_late(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is borrowed for the whole call. The option, which applies to both
    // versions of IP (ip(7)), reads one `int`: `on`, which is live and owned by this frame.
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
