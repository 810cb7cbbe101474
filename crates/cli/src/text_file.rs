//! Files that options name.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// More than anyone writes; where an option names a device, reading might never end.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Which files are read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Readable {
    /// Whatever ends, also a pipe whose writer has to be waited for.
    #[default]
    Anything,
    /// Those that need no writer: nothing may wait for one.
    Regular,
}

/// Reads the whole file.
///
/// # Errors
///
/// What is wrong with it, in words for the option's error.
pub(crate) fn read(path: &Path, readable: Readable) -> Result<Vec<u8>, String> {
    let cannot = |error: io::Error| {
        format!("found {path:?}, which cannot be read ({error}), expected a file that can")
    };
    // It stands for a file that is empty.
    let is_null = path == Path::new("/dev/null");
    if readable == Readable::Regular && !is_null && !fs::metadata(path).map_err(cannot)?.is_file() {
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
        assert!(
            read(Path::new("/dev/null"), Readable::Regular)
                .unwrap()
                .is_empty()
        );
    }
}
