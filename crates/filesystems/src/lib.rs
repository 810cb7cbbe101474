//! Virtual filesystems: the trait, the jail, and one in memory.
//!
//! A session accesses files only through a [`Filesystem`], which takes absolute [`VirtualPath`]s
//! and may block. [`AbstractedFs`] shows a directory of the disk and nothing outside it;
//! [`UnixFilesystem`] shows the whole disk; [`MemoryFs`] keeps files in memory, for tests and
//! examples. A [`Layer`] changes something about another filesystem.
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
/// The offset of the system's time zone at a given time. For [`AbstractedFs::format_list`] in local
/// time, pass `Zone::Local(local_offset)`.
pub use ftpdlib_sys::local_offset;
pub use jail::Resolver;
pub use layer::{Layer, Layered};
pub use memory::MemoryFs;
pub use transfer_file::{Entry, Listing, ReadFile, Recall, WriteFile};
pub use unix::UnixFilesystem;
