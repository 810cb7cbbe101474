//! Files that did not exist before an upload.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

use ftpdlib_proto::VirtualPath;
use ftpdlib_sys::{Claim, FileStat, stat_at, stat_descriptor, unlink_at};

use crate::error::FilesystemError;
use crate::jail::Jail;

/// A file that this upload has created, and that is still empty.
#[derive(Debug)]
pub(super) struct Created {
    jail: Arc<Jail>,
    changed: [i64; 4],
}

impl Created {
    /// Remembers a new file by its facts.
    pub(super) fn new(jail: &Arc<Jail>, facts: &FileStat) -> Self {
        Self {
            jail: Arc::clone(jail),
            changed: facts.changed,
        }
    }

    /// Removes `file` again, unless it was changed since or may be about to be: another upload may
    /// have opened it by now. The file also stays while a program, such as a backup, only reads it,
    /// and if its users cannot be determined.
    ///
    /// Meanwhile, this server's attempts to open the file fail as busy. Other programs wait, unless
    /// they ask not to, and then have the removed file open.
    pub(super) fn undo(&self, file: &File, path: &VirtualPath) -> Result<(), FilesystemError> {
        let Ok(_claim) = Claim::new(file.as_fd()) else {
            return Ok(());
        };
        let facts = stat_descriptor(file.as_fd())?;
        if facts.size > 0 || facts.changed != self.changed {
            return Ok(());
        }
        let (parent, name) = self.jail.parent(path)?;
        let there = stat_at(parent.as_fd(), name)?;
        if (there.device, there.inode) == (facts.device, facts.inode) {
            unlink_at(parent.as_fd(), name)?;
        }
        Ok(())
    }
}
