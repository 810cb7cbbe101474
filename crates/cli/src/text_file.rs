//! Files that options name.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// More than any real file has; an option may name a device that never ends.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Which files may be read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Readable {
    /// Any file, including a pipe whose writer has to be waited for.
    #[default]
    Anything,
    /// Only files that need no writer, for callers that must not wait for one.
    Regular,
}

/// Reads the whole file.
///
/// # Errors
///
/// The problem with the file, worded for the option's error.
pub(crate) fn read(path: &Path, readable: Readable) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| {
        format!("found {path:?}, which cannot be read ({error}), expected a file that can")
    };
    if readable == Readable::Regular && !needs_no_writer(path).map_err(cannot)? {
        return Err(format!(
            "found {path:?}, which only a start can read, expected a regular file"
        ));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!(
            "found more than 16 MiB in {path:?}, expected a smaller file"
        ));
    }
    Ok(bytes)
}

/// Whether it is a regular file, or the null device, which stands for an empty file.
fn needs_no_writer(path: &Path) -> io::Result<bool> {
    let found = fs::metadata(path)?;
    let is_null = || fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == found.rdev());
    Ok(found.is_file() || (found.file_type().is_char_device() && is_null()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_an_end_is_refused() {
        assert_eq!(
            read(Path::new("/dev/zero"), Readable::Anything).unwrap_err(),
            "found more than 16 MiB in \"/dev/zero\", expected a smaller file"
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_null_device_has_no_writer() {
        let scratch = tempfile::tempdir().unwrap();
        let link = scratch.path().join("f.toml");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [Path::new("/dev/null"), &link] {
            assert_eq!(read(path, Readable::Regular).unwrap(), b"");
        }
    }
}
