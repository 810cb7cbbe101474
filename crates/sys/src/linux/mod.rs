//! Calls that Linux has and other systems lack.

mod attributes;
mod beneath;
mod claim;
mod credentials;
mod crypt;
mod directory;
mod discard;
mod fork;
mod handed;
mod identity;
mod late_port;
mod left_sockets;
mod mount;
mod mounts;
mod pipe;
mod process_lock;
#[cfg(test)]
mod sandbox;
mod scheduling;
mod send_file;
mod shadow;
mod tcp_info;

pub use attributes::{set_mode, set_modified, touch};
pub use beneath::{open_beneath, open_real_directory, recall_at};
pub use claim::Claim;
pub use credentials::{ActingAs, Credentials, can_act_as_others};
pub use crypt::{crypt, crypt_setting};
pub use directory::DirectoryReader;
pub use discard::discard;
pub use fork::{Fork, check_forkable, fork};
pub use handed::{read_with_file, write_with_file};
pub use identity::{Identity, has_access_list, is_root, lowest_port};
pub use late_port::choose_port_late;
pub use left_sockets::leave_sockets;
pub use mount::{Place, device_of, is_made_up, is_process_filesystem, storage};
pub use mounts::{has_remote_mount_below, has_remote_mount_near};
pub use pipe::Pipe;
pub use process_lock::{ProcessLock, ProcessLockGuard};
pub use scheduling::{give_way, interrupt_nobody};
pub use send_file::{send_file, send_last};
pub use tcp_info::{acknowledged, waiting_clients};
