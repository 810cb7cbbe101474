//! What a program with a server needs for its own process: inherited sockets, limits, memory,
//! signals, log files, privileges.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// The user that worker processes become.
pub use ftpdlib_sys::Identity;
/// A log to standard error, or to another stream that other processes have open too, that never
/// blocks.
pub use ftpdlib_sys::LogStream;
/// For a program several of whose processes write to the same log files.
pub use ftpdlib_sys::SharedWords;
/// The allocator for a program that receives uploads over TLS; it matters with glibc on AMD
/// processors.
pub use ftpdlib_sys::Staggered;
/// For a program that does something slow, such as reading its settings, before its server catches
/// signals. Use it for a server that has [`on_reload`](crate::ServeOptions::on_reload) and
/// [`upgrade`](crate::ServeOptions::upgrade). A pre-fork server refuses a `SIGUSR2` that comes
/// before its first worker accepts, even one that was kept.
pub use ftpdlib_sys::catch_early_signals;
/// For a program that checks its configuration without changing its logs.
pub use ftpdlib_sys::check_writable;
/// Must be called before the server starts threads. A client on the same machine can then finish
/// what it was about to send, so the loop finds more to do per turn.
pub use ftpdlib_sys::interrupt_nobody;
/// For a program that writes to log files, and must know for which of them it needs a thread.
pub use ftpdlib_sys::is_local_file;
/// For a program with settings that only root may use.
pub use ftpdlib_sys::is_root;
/// For a program that sends downloads over TLS. Must be called before it has threads; it matters
/// with glibc.
pub use ftpdlib_sys::keep_freed_memory;
/// For a program with log files.
pub use ftpdlib_sys::open_to_append as open_log;
/// For a program that warns about files and directories that users can move.
pub use ftpdlib_sys::places_on_the_way;
/// For a program that catches early signals and whose start has failed.
pub use ftpdlib_sys::set_early_exit_code;
/// For a program that writes to files, such as log files, before its server begins to serve: only
/// then does a server call it.
pub use ftpdlib_sys::survive_file_size_limit;

/// A listening socket that this process was started with.
#[derive(Debug)]
pub struct InheritedSocket {
    pub(crate) socket: TcpListener,
    pub(crate) bound_for: Option<SocketAddr>,
}

impl InheritedSocket {
    /// The address that the predecessor of this process bound the socket for
    /// ([`Upgrade`](crate::Upgrade)). Such a socket is closed as soon as its address is no longer
    /// [wanted](crate::ServerHandle::set_addresses). `None` for a socket from a service manager,
    /// which stays open.
    pub fn bound_for(&self) -> Option<SocketAddr> {
        self.bound_for
    }
}

/// Returns the listening sockets from a service manager (`LISTEN_FDS`) or from a server that this
/// process takes over from, in their order. A second call returns none.
///
/// # Errors
///
/// The variables are malformed, or a number in them is not an open descriptor.
pub fn inherited_sockets() -> io::Result<Vec<InheritedSocket>> {
    let inherited = ftpdlib_sys::inherited_listeners()?.into_iter();
    let inherited = inherited.map(|(descriptor, bound_for)| InheritedSocket {
        socket: descriptor.into(),
        bound_for,
    });
    Ok(inherited.collect())
}

/// Raises this process's limit on descriptors as far as it is allowed to, and returns the new
/// limit. Every session needs one descriptor, every transfer up to three more.
///
/// # Errors
///
/// The system's.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    ftpdlib_sys::raise_descriptor_limit().map(|(_, limit)| limit)
}

/// Calls `act`, which does something to the log file at `path`, for a server whose clients are
/// served as `user`, if any ([`ServeOptions::run_as`](crate::ServeOptions::run_as)).
///
/// This thread acts as that user meanwhile if that user, or anybody of whom [`others_can_redirect`]
/// tells, can make the path lead elsewhere: otherwise a link in the place of a log would give them
/// any file of root's.
///
/// # Errors
///
/// The error of `act`, or why the thread cannot act as the user. The text of a `PermissionDenied`
/// says if it did.
pub fn with_log_rights<T>(
    path: &Path,
    user: Option<&Identity>,
    act: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    // A path that cannot be followed is not known to be safe.
    let user = user.filter(|user| ftpdlib_sys::can_redirect(user, path).unwrap_or(true));
    let acting = user.map(Identity::assume_in_thread).transpose()?;
    act().map_err(|error| match (acting, error.kind()) {
        (Some(_), kind @ io::ErrorKind::PermissionDenied) => {
            let why = "to the user that serves: others than root may change the way to it, which \
                       should be root's or that user's";
            io::Error::new(kind, format!("{error} {why}"))
        }
        (_, _) => error,
    })
}

/// Whether somebody else than root and `user` can make the path of a log file lead elsewhere, and
/// so has the server write to whatever it may write to: the owner of a directory on the way, or of
/// a link in one that all may write to, or anybody. A group that may write there is trusted, as is
/// the user whose clients are served, if there is one. `false` too if the path cannot be followed.
pub fn others_can_redirect(path: &Path, user: Option<&Identity>) -> bool {
    ftpdlib_sys::others_can_redirect(path, user).unwrap_or(false)
}

/// The lowest port that a server of this process can listen on for data connections, if its clients
/// are served as `user`.
pub fn lowest_port(user: Option<&Identity>) -> u16 {
    ftpdlib_sys::lowest_port(user.is_some())
}
