//! What this process may do with a file, without doing it.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::call::{check, with_c_str};

/// Sees whether this process may write to what is at `path`; of a link, to where it leads. Nothing
/// is opened, so a pipe does not wait for its reader.
///
/// # Errors
///
/// What `access` answers: why it may not, or why there is nothing.
pub fn check_writable(path: &Path) -> io::Result<()> {
    with_c_str(path.as_os_str().as_bytes(), |path| {
        // SAFETY: `path` ends with a NUL and outlives the call.
        check(unsafe { libc::access(path.as_ptr(), libc::W_OK) })
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
