//! Error numbers without a distinct, stable [`io::ErrorKind`](std::io::ErrorKind); compare with
//! [`io::Error::raw_os_error`](std::io::Error::raw_os_error).

pub use libc::{
    EACCES, EAGAIN, EBUSY, EDQUOT, EEXIST, EFBIG, EINPROGRESS, EINVAL, EISDIR, ELOOP, EMFILE,
    ENAMETOOLONG, ENFILE, ENODEV, ENOENT, ENOSPC, ENOSYS, ENOTDIR, ENOTEMPTY, ENXIO, EOPNOTSUPP,
    EPERM, EROFS, ETXTBSY, EXDEV,
};
