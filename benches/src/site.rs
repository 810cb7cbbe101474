//! The files that are served, and the bytes that are uploaded.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Scale;

/// The ordinary user and group that serve where the benchmark runs as root: `nobody`.
pub(crate) const ORDINARY: u32 = 65_534;

/// Files of 4 KiB to choose from, so that none is always the last one.
pub(crate) const SMALL_FILES: usize = 100;

/// A directory tree that every server serves.
///
/// | path | what |
/// | --- | --- |
/// | `/big` | one large file |
/// | `/ten` | 10 MiB, or less in a short run |
/// | `/small/00` to `/small/99` | 4 KiB each |
/// | `/many` | a directory of many empty files |
/// | `/in` | where uploads go |
#[derive(Debug)]
pub struct Site {
    root: PathBuf,
    source: File,
    scale: Scale,
}

impl Site {
    /// Makes the tree in the empty directory `root`, on a tmpfs if results are to mean anything.
    ///
    /// # Errors
    ///
    /// No room, or no permission.
    pub fn create(root: &Path, scale: Scale) -> io::Result<Self> {
        let block: Vec<u8> = (0..1 << 20).map(|index: u32| (index % 251) as u8).collect();
        write(&root.join("big"), &block, scale.bulk_bytes)?;
        write(&root.join("ten"), &block, scale.crowd_bytes)?;
        for directory in ["small", "many", "in"] {
            fs::create_dir(root.join(directory))?;
        }
        for index in 0..SMALL_FILES {
            write(&root.join(format!("small/{index:02}")), &block, 4096)?;
        }
        for index in 0..scale.entries {
            File::create(root.join(format!("many/file-{index:06}.txt")))?;
        }
        // The root is not written to: vsftpd serves nothing else to the anonymous.
        fs::set_permissions(root, Permissions::from_mode(0o755))?;
        fs::set_permissions(root.join("in"), Permissions::from_mode(0o777))?;
        Ok(Self {
            source: File::open(root.join("big"))?,
            root: root.to_owned(),
            scale,
        })
    }

    /// The directory that is served.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Bytes to upload: at least [`Scale::bulk_bytes`].
    pub fn source(&self) -> &File {
        &self.source
    }

    /// The same, to be read from the beginning.
    ///
    /// # Errors
    ///
    /// It is gone.
    pub fn whole_source(&self) -> io::Result<File> {
        File::open(self.root.join("big"))
    }

    /// How much of everything there is.
    pub fn scale(&self) -> &Scale {
        &self.scale
    }

    /// Removes what was uploaded.
    ///
    /// # Errors
    ///
    /// No permission.
    pub fn clear_uploads(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("in"))? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

fn write(path: &Path, block: &[u8], size: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut left = size;
    while left > 0 {
        let count = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
        file.write_all(&block[..count])?;
        left -= count as u64;
    }
    Ok(())
}
