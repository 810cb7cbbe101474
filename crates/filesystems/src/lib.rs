//! Virtual filesystems: the trait, the jail, and one in memory.
//!
//! A [`Filesystem`] is all that a session sees of files. It is given absolute [`VirtualPath`]s only
//! and may block. [`AbstractedFs`] shows a directory of the disk and nothing beside it;
//! [`UnixFilesystem`] shows the whole disk; [`MemoryFs`] keeps files in memory, for tests and
//! examples. A [`Layer`] changes something about another one.
//!
//! [`VirtualPath`]: ftpdlib_proto::VirtualPath
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod abstracted;
mod disk_file;
mod disk_listing;
mod error;
mod filesystem;
mod home;
mod jail;
mod layer;
mod memory;
mod root;
mod trail;
mod transfer_file;
mod unix;
mod walk;

pub use abstracted::{AbstractedFs, OpenMode};
pub use error::{ErrorKind, FilesystemError};
pub use filesystem::{Filesystem, WriteMode};
/// The system's time zone at a time, for [`AbstractedFs::format_list`] in local time:
/// `Zone::Local(local_offset)`.
pub use ftpdlib_sys::local_offset;
pub use jail::Resolver;
pub use layer::{Layer, Layered};
pub use memory::MemoryFs;
pub use transfer_file::{Entry, Listing, ReadFile, Recall, WriteFile};
pub use unix::UnixFilesystem;
