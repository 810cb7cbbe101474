//! Helpers for all calls: errors from return values, and names with a final NUL.

use std::ffi::CStr;
use std::io;

/// Turns the `-1` of a failed call into the error it left behind.
pub(crate) fn check<T: From<i8> + PartialEq>(returned: T) -> io::Result<T> {
    if returned == T::from(-1) {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned)
    }
}

/// Like [`check`], for a call that callers can do without: if the system lacks it or a sandbox
/// refuses it (seccomp, with whatever error it is configured to return), the error is
/// `Unsupported`.
#[cfg(target_os = "linux")]
pub(crate) fn check_optional<T: From<i8> + PartialEq>(returned: T) -> io::Result<T> {
    check(returned).map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS | libc::EOPNOTSUPP) => {
            io::Error::new(io::ErrorKind::Unsupported, error)
        }
        _ => error,
    })
}

/// Passes `name` with a final NUL to `call`. Short names, which nearly all are, are copied to the
/// stack only.
pub(crate) fn with_c_str<T>(
    name: &[u8],
    call: impl FnOnce(&CStr) -> io::Result<T>,
) -> io::Result<T> {
    const ON_STACK: usize = 384;
    if name.len() < ON_STACK {
        let mut buffer = [0; ON_STACK];
        buffer[..name.len()].copy_from_slice(name);
        call(terminated(&buffer[..=name.len()])?)
    } else {
        let mut buffer = Vec::with_capacity(name.len() + 1);
        buffer.extend_from_slice(name);
        buffer.push(0);
        call(terminated(&buffer)?)
    }
}

fn terminated(bytes: &[u8]) -> io::Result<&CStr> {
    CStr::from_bytes_with_nul(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "name contains a NUL byte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(name: &[u8], accepted: bool) {
        let got = with_c_str(name, |c_str| Ok(c_str.to_bytes().to_vec()));
        assert_eq!(got.ok().as_deref(), accepted.then_some(name));
    }

    #[test]
    fn names_are_terminated_and_checked() {
        check_name(b"", true);
        check_name(b"a.txt", true);
        check_name(&[b'x'; 383], true);
        check_name(&[b'x'; 384], true);
        check_name(&[b'\xff'; 5000], true);
        check_name(b"a\0b", false);
        check_name(&[0; 500], false);
    }
}
