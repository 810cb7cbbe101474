//! Error numbers that callers compare directly, mostly because they have no distinct, stable
//! [`io::ErrorKind`](std::io::ErrorKind); see
//! [`io::Error::raw_os_error`](std::io::Error::raw_os_error).

pub use libc::{
    EACCES, EAGAIN, EINPROGRESS, ELOOP, EMFILE, ENFILE, ENODEV, ENOSYS, ENOTDIR, ENXIO, EOPNOTSUPP,
    EPERM, EXDEV,
};
