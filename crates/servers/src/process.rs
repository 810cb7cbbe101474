//! What a server takes from the process it runs in and may do there, for the program around it.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// A listening socket that this process was started with.
#[derive(Debug)]
pub struct InheritedSocket {
    pub(crate) socket: TcpListener,
    pub(crate) bound_for: Option<SocketAddr>,
}

impl InheritedSocket {
    /// The address that a server bound it for which this process takes over from
    /// ([`Upgrade`](crate::Upgrade)); it then goes as soon as it is not
    /// [wanted](crate::ServerHandle::set_addresses) any more. None where a service manager opened
    /// it, whose sockets stay.
    pub fn bound_for(&self) -> Option<SocketAddr> {
        self.bound_for
    }
}

/// Listening sockets that a service manager hands over (`LISTEN_FDS`), or a server that this process
/// takes over from, in its order; none without one. They are given out once: a second call finds
/// none.
///
/// # Errors
///
/// The variables are malformed, or a descriptor is none.
pub fn inherited_sockets() -> io::Result<Vec<InheritedSocket>> {
    let inherited = ftpdlib_sys::inherited_listeners()?.into_iter();
    let inherited = inherited.map(|(descriptor, bound_for)| InheritedSocket {
        socket: descriptor.into(),
        bound_for,
    });
    Ok(inherited.collect())
}

/// Raises the number of descriptors this process may have to the most it is allowed to ask for, and
/// tells that number. Every session needs one, every transfer up to three more.
///
/// # Errors
///
/// The system's.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    ftpdlib_sys::raise_descriptor_limit().map(|(_, limit)| limit)
}

/// Sees whether this process may write to what is at `path`, without opening it.
///
/// # Errors
///
/// Why it may not.
pub fn check_writable(path: &Path) -> io::Result<()> {
    ftpdlib_sys::check_writable(path)
}

/// Opens a log file to add to it, made with permissions `mode` if there is none; with `only_new` one
/// that is there is an error. Neither this nor a write waits for the reader of a pipe.
///
/// # Errors
///
/// The system's.
pub fn open_log(path: &Path, mode: u32, only_new: bool) -> io::Result<File> {
    ftpdlib_sys::open_to_append(path, mode, only_new)
}

/// Whether this process acts as root, whom the system refuses next to nothing.
pub fn is_root() -> bool {
    ftpdlib_sys::is_root()
}
