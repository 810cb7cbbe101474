//! What a program with a server needs of its own process: inherited sockets, limits, memory,
//! signals, log files, privileges.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// The user that worker processes change to.
pub use ftpdlib_sys::Identity;
/// Standard error, or another stream that other processes have open too, for a log that never
/// blocks.
pub use ftpdlib_sys::LogStream;
/// For a program whose log files are written to by several processes.
pub use ftpdlib_sys::SharedWords;
/// The allocator for a program that is to take uploads over TLS; it matters where the C library is
/// glibc and the processor AMD's.
pub use ftpdlib_sys::Staggered;
/// For a program that reads its settings, or does anything else that takes time, before its server
/// catches signals. Such a server has [`on_reload`](crate::ServeOptions::on_reload) and
/// [`upgrade`](crate::ServeOptions::upgrade). A pre-fork server refuses a `SIGUSR2` that comes
/// before its first worker accepts, also one that was kept.
pub use ftpdlib_sys::catch_early_signals;
/// For a program that checks its configuration, and leaves its logs as they are.
pub use ftpdlib_sys::check_writable;
/// To be called before the server has threads. A client on the same machine can then finish what it
/// was about to send, and the loop finds more to do per turn.
pub use ftpdlib_sys::interrupt_nobody;
/// For a program that has settings for root alone.
pub use ftpdlib_sys::is_root;
/// For a program that is to send downloads over TLS, to be called before it has threads; it matters
/// where the C library is glibc.
pub use ftpdlib_sys::keep_freed_memory;
/// For a program that has log files.
pub use ftpdlib_sys::open_to_append as open_log;
/// For a program that warns of files and directories that users can move.
pub use ftpdlib_sys::places_on_the_way;
/// For a program that catches early signals, and whose start has failed.
pub use ftpdlib_sys::set_early_exit_code;
/// For a program that writes anything before its server does so, such as log lines to a file: a
/// server calls it only when it begins to serve.
pub use ftpdlib_sys::survive_file_size_limit;

/// A listening socket that this process was started with.
#[derive(Debug)]
pub struct InheritedSocket {
    pub(crate) socket: TcpListener,
    pub(crate) bound_for: Option<SocketAddr>,
}

impl InheritedSocket {
    /// The address that it was bound for by the server that this process takes over from
    /// ([`Upgrade`](crate::Upgrade)). Such a socket is closed as soon as it is not
    /// [wanted](crate::ServerHandle::set_addresses) any more. `None` for a socket of a service
    /// manager, which stays.
    pub fn bound_for(&self) -> Option<SocketAddr> {
        self.bound_for
    }
}

/// The listening sockets that were handed over by a service manager (`LISTEN_FDS`), or by a server
/// that this process takes over from, in their order. They are given out once: a second call
/// returns none.
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

/// Raises the number of descriptors that this process may have to the highest limit it is allowed
/// to set, and returns that limit. Every session needs one, every transfer up to three more.
///
/// # Errors
///
/// The system's.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    ftpdlib_sys::raise_descriptor_limit().map(|(_, limit)| limit)
}

/// Does `act` to the log file at `path`, for a server whose clients are served as `user`
/// ([`ServeOptions::run_as`](crate::ServeOptions::run_as)), if it has one.
///
/// This thread acts as that user meanwhile if that user, or anybody of whom [`others_can_redirect`]
/// tells, can make the path lead elsewhere: otherwise a link in the place of a log would give them
/// any file of root's.
///
/// # Errors
///
/// That of `act`, or why the thread cannot act as the user. `PermissionDenied` says that it did.
pub fn with_log_rights<T>(
    path: &Path,
    user: Option<&Identity>,
    act: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    // Where the way cannot be followed, it is not known to be safe.
    let user = user.filter(|user| ftpdlib_sys::can_redirect(user, path).unwrap_or(true));
    let acting = user.map(Identity::assume_in_thread).transpose()?;
    act().map_err(|error| match (acting, error.kind()) {
        (Some(_), kind @ io::ErrorKind::PermissionDenied) => {
            let why = "to the user that serves: others than root may change the way to it";
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

/// The lowest port that a server of this process can listen on for data connections, while its
/// clients are served as `user`, if it has one.
pub fn lowest_port(user: Option<&Identity>) -> u16 {
    ftpdlib_sys::lowest_port(user.is_some())
}
