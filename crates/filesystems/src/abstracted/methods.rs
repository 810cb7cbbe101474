//! The methods of pyftpdlib's class, under its names.

use std::ffi::OsStr;
use std::fs::File;
use std::iter;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftpdlib_proto::{
    FactSet, FileKind, ListEntry, Metadata, Perms, VirtualPath, Zone, format_facts,
    format_list_line,
};
use ftpdlib_sys::unix_now;

use super::AbstractedFs;
use crate::disk_file::{DiskReadFile, DiskWriteFile, NEW_FILE_MODE};
use crate::disk_listing::DiskListing;
use crate::error::{ErrorKind, FilesystemError};
use crate::filesystem::{Filesystem, WriteMode};

/// What [`AbstractedFs::open`] opens a file for. Exhaustive: a file is read or written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OpenMode {
    /// For reading, from the start (Python's `rb`).
    Read,
    /// For writing: emptied (`wb`) with [`WriteMode::Replace`], at its end (`ab`) with
    /// [`WriteMode::Append`], from an offset (`r+b`) with [`WriteMode::At`].
    Write(WriteMode),
}

/// Root and working directory.
impl AbstractedFs {
    /// Returns the home directory as a real, canonical path (pyftpdlib: `root`). Not for clients.
    pub fn root(&self) -> &Path {
        self.jail.home().real()
    }

    /// Replaces the home directory with another one. The working directory keeps its virtual path.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); nothing has changed in that case.
    pub fn set_root(&mut self, home: impl AsRef<Path>) -> Result<(), FilesystemError> {
        self.jail = Arc::new(self.jail.elsewhere(home.as_ref(), self.resolver)?);
        Ok(())
    }

    /// Returns the working directory (pyftpdlib: `cwd`), which is `/` at first.
    pub fn cwd(&self) -> &VirtualPath {
        &self.cwd
    }

    /// Sets the working directory without checking that it exists. A session has its own working
    /// directory, which starts at [`start_dir`](Filesystem::start_dir).
    pub fn set_cwd(&mut self, cwd: VirtualPath) {
        self.cwd = cwd;
    }

    /// Enters a directory.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::change_dir`]; the working directory stays the same in that case.
    pub fn chdir(&mut self, path: impl AsRef<[u8]>) -> Result<(), FilesystemError> {
        let path = self.ftpnorm(path)?;
        self.jail.enter(&path)?;
        self.cwd = path;
        Ok(())
    }
}

/// Translation of paths.
impl AbstractedFs {
    /// Makes an absolute virtual path from one as seen from the working directory.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NameTooLong`] for a path that is too long or contains a NUL byte.
    pub fn ftpnorm(&self, path: impl AsRef<[u8]>) -> Result<VirtualPath, FilesystemError> {
        Ok(self.cwd.join(path.as_ref())?)
    }

    /// Returns the real path that a virtual path stands for, by name: links are not resolved. Not
    /// for clients, and not used here to open files.
    ///
    /// # Errors
    ///
    /// As [`ftpnorm`](Self::ftpnorm).
    pub fn ftp2fs(&self, path: impl AsRef<[u8]>) -> Result<PathBuf, FilesystemError> {
        Ok(self.real(&self.ftpnorm(path)?))
    }

    /// Returns the virtual path of a real path, by name; a relative path starts from the home. A
    /// path outside the home gives `/`, as in pyftpdlib, which also resolves the links on the way.
    pub fn fs2ftp(&self, path: impl AsRef<Path>) -> VirtualPath {
        let target = self.root().join(path);
        // Not a virtual path yet, but normalised by the same rules.
        VirtualPath::new(target.as_os_str().as_bytes())
            .ok()
            .and_then(|target| {
                let rest = self.jail.home().strip(target.as_bytes())?;
                VirtualPath::new(rest.join(&b'/')).ok()
            })
            .unwrap_or_else(VirtualPath::root)
    }

    /// Whether a real path is in the home and stays there with its links resolved; it need not
    /// exist. A relative path starts from the process's working directory.
    ///
    /// The path has to begin with the path of the home, as it was given or with its links resolved:
    /// a path that reaches the home by `..` or through another link is not valid.
    ///
    /// For checking configurations: a path that is valid now may not be so later. Every operation
    /// resolves its path anew.
    pub fn validpath(&self, path: impl AsRef<Path>) -> bool {
        let Ok(target) = std::path::absolute(path) else {
            return false;
        };
        let rest = self.jail.home().strip(target.as_os_str().as_bytes());
        rest.is_some_and(|rest| self.jail.holds(&rest.join(&b'/')))
    }

    /// Returns the real path of a virtual path with its links resolved; a last component that does
    /// not exist is kept.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::canonical`].
    pub fn realpath(&self, path: impl AsRef<[u8]>) -> Result<PathBuf, FilesystemError> {
        let path = self.ftpnorm(path)?;
        Ok(self.real(&self.jail.canonical(path.relative())?))
    }

    pub(super) fn real(&self, path: &VirtualPath) -> PathBuf {
        let mut real = self.root().to_owned();
        // Joining an empty path would add a slash.
        if !path.is_root() {
            real.push(OsStr::from_bytes(path.relative()));
        }
        real
    }
}

/// Operations.
impl AbstractedFs {
    /// Opens a regular file as a [`File`] of the standard library, at the start or where `mode`
    /// says.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::open_read`] and [`Filesystem::open_write`].
    pub fn open(&self, path: impl AsRef<[u8]>, mode: OpenMode) -> Result<File, FilesystemError> {
        let path = self.ftpnorm(path)?;
        match mode {
            OpenMode::Read => Ok(DiskReadFile::open(&self.jail, &path, 0)?.into_file()),
            OpenMode::Write(mode) => {
                let (file, _path) = DiskWriteFile::open(&self.jail, &path, mode)?.into_parts()?;
                Ok(file)
            }
        }
    }

    /// Creates a file in `dir` with a new name: `prefix`, something random, `suffix`. Pass an empty
    /// string where pyftpdlib has a default. The file is open for writing, in binary, and has the
    /// permission bits of other uploads, whereas Python sets `0600`.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::open_write`]; [`ErrorKind::NameTooLong`] for a prefix or suffix with a
    /// slash.
    pub fn mkstemp(
        &self,
        suffix: impl AsRef<[u8]>,
        prefix: impl AsRef<[u8]>,
        dir: impl AsRef<[u8]>,
    ) -> Result<(File, VirtualPath), FilesystemError> {
        let (prefix, suffix) = (prefix.as_ref(), suffix.as_ref());
        if prefix.contains(&b'/') || suffix.contains(&b'/') {
            return Err(FilesystemError::new(
                ErrorKind::NameTooLong,
                "Invalid file name.",
            ));
        }
        let dir = self.ftpnorm(dir)?;
        Ok(
            DiskWriteFile::create_unique(&self.jail, &dir, prefix, suffix, NEW_FILE_MODE)?
                .into_parts()?,
        )
    }

    /// Returns the names in a directory, in directory order, which are read as they are requested.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::list`]; an error while reading comes as the last item.
    pub fn listdir(
        &self,
        path: impl AsRef<[u8]>,
    ) -> Result<impl Iterator<Item = Result<Vec<u8>, FilesystemError>>, FilesystemError> {
        let mut listing = Some(DiskListing::open(&self.jail, &self.ftpnorm(path)?)?);
        Ok(iter::from_fn(move || {
            let next = listing.as_mut()?.next_name().transpose();
            if !matches!(next, Some(Ok(_))) {
                listing = None;
            }
            next
        }))
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::mkdir`].
    pub fn mkdir(&self, path: impl AsRef<[u8]>) -> Result<(), FilesystemError> {
        Filesystem::mkdir(self, &self.ftpnorm(path)?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::rmdir`].
    pub fn rmdir(&self, path: impl AsRef<[u8]>) -> Result<(), FilesystemError> {
        Filesystem::rmdir(self, &self.ftpnorm(path)?)
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::remove`].
    pub fn remove(&self, path: impl AsRef<[u8]>) -> Result<(), FilesystemError> {
        Filesystem::remove(self, &self.ftpnorm(path)?)
    }

    /// Renames `from` to `to`.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::rename`].
    pub fn rename(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
    ) -> Result<(), FilesystemError> {
        Filesystem::rename(self, &self.ftpnorm(from)?, &self.ftpnorm(to)?)
    }

    /// Makes `link` a symbolic link to `target`, both as seen from the working directory.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::symlink`].
    pub fn symlink(
        &self,
        target: impl AsRef<[u8]>,
        link: impl AsRef<[u8]>,
    ) -> Result<(), FilesystemError> {
        Filesystem::symlink(self, &self.ftpnorm(target)?, &self.ftpnorm(link)?)
    }

    /// Sets permission bits.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::set_mode`].
    pub fn chmod(&self, path: impl AsRef<[u8]>, mode: u32) -> Result<(), FilesystemError> {
        self.set_mode(&self.ftpnorm(path)?, mode)
    }

    /// Sets the modification time, and the access time with it, in seconds since 1970 UTC.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::set_modified`].
    pub fn utime(&self, path: impl AsRef<[u8]>, modified: i64) -> Result<(), FilesystemError> {
        self.set_modified(&self.ftpnorm(path)?, modified)
    }
}

/// Facts of files.
impl AbstractedFs {
    /// Returns the facts of what `path` leads to. There are fewer than in Python: the only time is
    /// that of the last modification, in whole seconds.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::stat`].
    pub fn stat(&self, path: impl AsRef<[u8]>) -> Result<Metadata, FilesystemError> {
        Filesystem::stat(self, &self.ftpnorm(path)?)
    }

    /// Returns the facts of `path` itself.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::lstat`].
    pub fn lstat(&self, path: impl AsRef<[u8]>) -> Result<Metadata, FilesystemError> {
        Filesystem::lstat(self, &self.ftpnorm(path)?)
    }

    /// Returns the target of a link, as a client may see it.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::readlink`].
    pub fn readlink(&self, path: impl AsRef<[u8]>) -> Result<Vec<u8>, FilesystemError> {
        Filesystem::readlink(self, &self.ftpnorm(path)?)
    }

    /// Whether `path` leads to a regular file; `false` if that cannot be determined.
    pub fn isfile(&self, path: impl AsRef<[u8]>) -> bool {
        self.stat(path)
            .is_ok_and(|facts| facts.kind == FileKind::File)
    }

    /// Whether `path` leads to a directory; `false` if that cannot be determined.
    pub fn isdir(&self, path: impl AsRef<[u8]>) -> bool {
        self.stat(path)
            .is_ok_and(|facts| facts.kind == FileKind::Directory)
    }

    /// Whether `path` is a link; `false` if that cannot be determined.
    pub fn islink(&self, path: impl AsRef<[u8]>) -> bool {
        self.lstat(path)
            .is_ok_and(|facts| facts.kind == FileKind::Symlink)
    }

    /// Whether something has this name, even a link that leads nowhere.
    pub fn lexists(&self, path: impl AsRef<[u8]>) -> bool {
        self.lstat(path).is_ok()
    }

    /// Returns the size in bytes of what `path` leads to.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::stat`].
    pub fn getsize(&self, path: impl AsRef<[u8]>) -> Result<u64, FilesystemError> {
        Ok(self.stat(path)?.size)
    }

    /// Returns the modification time of what `path` leads to, in whole seconds since 1970 UTC.
    ///
    /// # Errors
    ///
    /// As [`Filesystem::stat`].
    pub fn getmtime(&self, path: impl AsRef<[u8]>) -> Result<i64, FilesystemError> {
        Ok(self.stat(path)?.modified)
    }
}

/// Lines for listings, in disk bytes, each with its CRLF. Files that vanished meanwhile are left
/// out.
impl AbstractedFs {
    /// Formats the lines of `LIST` for `names` in the directory `basedir`, in the form of `ls -l`,
    /// with times in `zone`. For the system's time zone, pass `Zone::Local(local_offset)`; see
    /// [`local_offset`](crate::local_offset).
    ///
    /// # Errors
    ///
    /// As [`ftpnorm`](Self::ftpnorm).
    pub fn format_list<I>(
        &self,
        basedir: impl AsRef<[u8]>,
        names: I,
        zone: Zone,
    ) -> Result<impl Iterator<Item = Vec<u8>>, FilesystemError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let dir = self.ftpnorm(basedir)?;
        let now = unix_now();
        Ok(names.into_iter().filter_map(move |name| {
            let path = dir.join(name.as_ref()).ok()?;
            let metadata = Filesystem::lstat(self, &path).ok()?;
            let target = match metadata.kind {
                FileKind::Symlink => Filesystem::readlink(self, &path).ok(),
                FileKind::File | FileKind::Directory | FileKind::Other => None,
            };
            let entry = ListEntry {
                name: name.as_ref(),
                target: target.as_deref(),
                owner: &self.user_name(metadata.uid),
                group: &self.group_name(metadata.gid),
                metadata: &metadata,
            };
            let mut line = Vec::new();
            format_list_line(&mut line, &entry, now, zone);
            Some(line)
        }))
    }

    /// Formats the lines of `MLSD` for `names` in the directory `basedir` (RFC 3659 §7.2). A link
    /// has the facts of what it leads to, unless it leads nowhere or out of the home.
    ///
    /// # Errors
    ///
    /// As [`ftpnorm`](Self::ftpnorm).
    pub fn format_mlsx<I>(
        &self,
        basedir: impl AsRef<[u8]>,
        names: I,
        perms: Perms,
        facts: FactSet,
        zone: Zone,
    ) -> Result<impl Iterator<Item = Vec<u8>>, FilesystemError>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let dir = self.ftpnorm(basedir)?;
        Ok(names.into_iter().filter_map(move |name| {
            let path = dir.join(name.as_ref()).ok()?;
            let metadata = Filesystem::stat(self, &path)
                .or_else(|_| Filesystem::lstat(self, &path))
                .ok()?;
            let mut line = Vec::new();
            format_facts(&mut line, facts, &metadata, perms.into(), zone);
            line.extend_from_slice(name.as_ref());
            line.extend_from_slice(b"\r\n");
            Some(line)
        }))
    }
}
