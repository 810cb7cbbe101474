//! Virtual filesystems: the trait, the jail, and one in memory.
#![forbid(unsafe_code)]

mod error;
mod filesystem;

pub use error::{ErrorKind, FilesystemError};
pub use filesystem::{Entry, Filesystem, Listing, ReadFile, WriteFile, WriteMode};
