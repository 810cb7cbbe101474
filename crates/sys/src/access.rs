//! Permission checks without opening the file.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::call::{check, with_c_str};

/// Checks whether this thread may write to the file at `path`, following links. Does not open the
/// file, so it does not wait for the reader of a pipe.
///
/// # Errors
///
/// The error of `faccessat`: writing is not permitted, or the file is missing.
pub fn check_writable(path: &Path) -> io::Result<()> {
    with_c_str(path.as_os_str().as_bytes(), |path| {
        // Check for the user that this thread acts as, not for that of the process.
        let (directory, flags) = (libc::AT_FDCWD, libc::AT_EACCESS);
        // SAFETY: `path` ends with a NUL and outlives the call.
        check(unsafe { libc::faccessat(directory, path.as_ptr(), libc::W_OK, flags) })
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::is_root;

    #[test]
    fn what_may_be_written_to_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        let answer = |path: &Path| check_writable(path).map_err(|error| error.kind());
        assert_eq!(answer(&file), Err(io::ErrorKind::NotFound));
        fs::write(&file, "").unwrap();
        assert_eq!(answer(&file), Ok(()));
        assert_eq!(answer(scratch.path()), Ok(()));
        fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
        let expected = match is_root() {
            true => Ok(()),
            false => Err(io::ErrorKind::PermissionDenied),
        };
        assert_eq!(answer(&file), expected);
    }
}
