//! Calls that Linux has and other systems lack.

mod attributes;
mod beneath;
mod directory;
mod discard;
mod mount;
mod pipe;
mod send_file;

pub use attributes::{set_mode, set_modified};
pub use beneath::open_beneath;
pub use directory::DirectoryReader;
pub use discard::discard;
pub use mount::is_local_filesystem;
pub use pipe::Pipe;
pub use send_file::send_file;
