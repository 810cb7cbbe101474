//! The system calls that ftpdlib needs and the standard library lacks, behind a safe API; and the
//! time of day.
//!
//! This is the only crate of the workspace with `unsafe` code. Most functions wrap one call, take
//! descriptors as [`BorrowedFd`](std::os::fd::BorrowedFd) or [`OwnedFd`](std::os::fd::OwnedFd) and
//! return an [`io::Result`](std::io::Result). Names are plain bytes without the final NUL; a name
//! that contains a NUL is refused with [`InvalidInput`](std::io::ErrorKind::InvalidInput).
//!
//! Where a call exists only on Linux, the function returns
//! [`Unsupported`](std::io::ErrorKind::Unsupported) or a safe answer on other systems, so callers
//! choose at run time and need no `cfg`.

mod access;
mod append;
mod broken_pipe;
mod call;
mod children;
mod clock;
mod default_action;
mod entry;
pub mod errno;
#[cfg(not(target_os = "linux"))]
mod fallback;
mod freed_memory;
mod inherited;
#[cfg(target_os = "linux")]
mod linux;
mod log_stream;
mod open;
mod process;
mod process_places;
mod random;
mod redirection;
mod shadow;
mod shared_words;
mod signals;
mod space;
mod staggered;
mod stat;
mod successor;
mod users;
mod zone;

#[cfg(not(target_os = "linux"))]
use fallback as imp;
#[cfg(target_os = "linux")]
use linux as imp;

pub use access::check_writable;
pub use append::{is_local_file, open_to_append};
pub use broken_pipe::expect_broken_pipe;
pub use children::{ChildEnd, ChildProcess, exit_at_once};
pub use clock::unix_now;
pub use entry::{make_dir_at, read_link_at, remove_dir_at, rename_at, symlink_at, unlink_at};
pub use freed_memory::keep_freed_memory;
pub use imp::{
    ActingAs, Claim, Credentials, DirectoryReader, Fork, Identity, Pipe, Place, ProcessLock,
    ProcessLockGuard, acknowledged, can_act_as_others, check_forkable, choose_port_late, crypt,
    crypt_setting, device_of, discard, fork, give_way, has_access_list, has_remote_mount_below,
    has_remote_mount_near, interrupt_nobody, is_made_up, is_process_filesystem, is_root,
    leave_sockets, lowest_port, open_beneath, open_real_directory, read_with_file, recall_at,
    send_file, send_last, set_mode, set_modified, storage, touch, waiting_clients, write_with_file,
};
pub use inherited::{inherited_listeners, readiness_pipe};
pub use log_stream::LogStream;
pub use open::{OpenFlags, Scope, close, open_at, open_directory};
pub use process::{
    ephemeral_ports, idle_time, raise_descriptor_limit, reserve_descriptors,
    survive_file_size_limit, usable_cpus,
};
pub use process_places::{ProcessPlace, ProcessPlaces, ProcessTicket};
pub use random::random_number;
pub use redirection::{can_redirect, is_roots, others_can_redirect, places_on_the_way};
pub use shadow::ShadowEntry;
pub use shared_words::SharedWords;
pub use signals::{Signal, Signals, catch_early_signals, set_early_exit_code};
pub use space::available_space;
pub use staggered::Staggered;
pub use stat::{EntryKind, FileStat, Storage, stat_at, stat_descriptor};
pub use successor::{Successor, start_successor};
pub use users::{UserRecord, group_name, user_name};
pub use zone::local_offset;
