//! Several directories of the disk under one root, each by name.
//!
//! Run it with the directories:
//! `cargo run -p ftpdlib --example several_directories_ftpd -- /srv/a /home/b`.
//! Clients see `/a` and `/b`.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::vec;

use ftpdlib::authorizers::{DummyAuthorizer, User};
use ftpdlib::filesystems::{
    AbstractedFs, Entry, ErrorKind, Filesystem, FilesystemError, Listing, MemoryFs, ReadFile,
    Recall, WriteFile, WriteMode,
};
use ftpdlib::handlers::FtpHandler;
use ftpdlib::proto::{Metadata, TransferEnd, VirtualPath};
use ftpdlib::servers::{FtpServer, ServeOptions};

/// Directories by name, and a root that contains only their names.
pub(crate) struct Directories {
    root: Arc<MemoryFs>,
    named: BTreeMap<Vec<u8>, Arc<dyn Filesystem>>,
}

/// Where a path leads.
enum Place<'a> {
    /// The root, or an unknown name in it.
    Root(&'a MemoryFs),
    /// One of the directories, and the path in it.
    Inside(&'a dyn Filesystem, VirtualPath),
}

impl Directories {
    pub(crate) fn new(directories: impl Iterator<Item = PathBuf>) -> Result<Self, FilesystemError> {
        let (root, mut named) = (MemoryFs::new(), BTreeMap::new());
        for directory in directories {
            let disk = AbstractedFs::new(&directory)?;
            let name = disk.root().file_name().unwrap_or(directory.as_os_str());
            let name = name.as_bytes().to_vec();
            root.mkdir(&VirtualPath::root().join(&name)?)?;
            named.insert(name, Arc::new(disk) as Arc<dyn Filesystem>);
        }
        let root = Arc::new(root);
        Ok(Self { root, named })
    }

    fn place(&self, path: &VirtualPath) -> Result<Place<'_>, FilesystemError> {
        let name = path.components().next().unwrap_or_default();
        match self.named.get(name) {
            Some(disk) => {
                let rest = path.as_bytes().get(1 + name.len()..).unwrap_or_default();
                Ok(Place::Inside(
                    &**disk,
                    VirtualPath::new([b"/", rest].concat())?,
                ))
            }
            None => Ok(Place::Root(&self.root)),
        }
    }

    /// The directory for a change at `path`, which must not be one of the names in the root.
    fn inside(
        &self,
        path: &VirtualPath,
    ) -> Result<(&dyn Filesystem, VirtualPath), FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) if !rest.is_root() => Ok((disk, rest)),
            Place::Inside(..) | Place::Root(_) => Err(ErrorKind::ReadOnly.into()),
        }
    }

    /// The same for two paths, which must be in the same directory.
    fn inside_both(
        &self,
        one: &VirtualPath,
        other: &VirtualPath,
    ) -> Result<(&dyn Filesystem, VirtualPath, VirtualPath), FilesystemError> {
        let (disk, one_rest) = self.inside(one)?;
        let (_, other_rest) = self.inside(other)?;
        if one.components().next() != other.components().next() {
            return Err(ErrorKind::NotSupported.into());
        }
        Ok((disk, one_rest, other_rest))
    }
}

impl Filesystem for Directories {
    fn open_read(
        &self,
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Box<dyn ReadFile>, FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) => disk.open_read(&rest, offset),
            Place::Root(root) => root.open_read(path, offset),
        }
    }

    fn open_write(
        &self,
        path: &VirtualPath,
        mode: WriteMode,
    ) -> Result<Box<dyn WriteFile>, FilesystemError> {
        let (disk, rest) = self.inside(path)?;
        let file = disk.open_write(&rest, mode)?;
        let name = path.components().next().unwrap_or_default();
        let path = [b"/", name, file.path().as_bytes()].concat();
        let path = VirtualPath::new(path)?;
        Ok(Box::new(Upload { file, path }))
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) => {
                let listing = disk.list(&rest)?;
                let name = path.components().next().unwrap_or_default().to_vec();
                Ok(Box::new(Inside { listing, name }))
            }
            Place::Root(root) => {
                // Only the root itself can be listed.
                root.list(path)?;
                let named = self.named.clone();
                let names: Vec<_> = named.keys().cloned().collect();
                let rest = names.into_iter();
                Ok(Box::new(Names { named, rest }))
            }
        }
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) => disk.stat(&rest),
            Place::Root(root) => root.stat(path),
        }
    }

    fn lstat(&self, path: &VirtualPath) -> Result<Metadata, FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) => disk.lstat(&rest),
            Place::Root(root) => root.lstat(path),
        }
    }

    fn change_dir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) => disk.change_dir(&rest),
            Place::Root(root) => root.change_dir(path),
        }
    }

    fn readlink(&self, path: &VirtualPath) -> Result<Vec<u8>, FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) => {
                let name = path.components().next().unwrap_or_default();
                Ok(whole_target(name, disk.readlink(&rest)?))
            }
            Place::Root(root) => root.readlink(path),
        }
    }

    fn mkdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        let (disk, rest) = self.inside(path)?;
        disk.mkdir(&rest)
    }

    fn rmdir(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        let (disk, rest) = self.inside(path)?;
        disk.rmdir(&rest)
    }

    fn remove(&self, path: &VirtualPath) -> Result<(), FilesystemError> {
        let (disk, rest) = self.inside(path)?;
        disk.remove(&rest)
    }

    /// A file cannot be renamed from one directory into another.
    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FilesystemError> {
        let (disk, old, new) = self.inside_both(from, to)?;
        disk.rename(&old, &new)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FilesystemError> {
        let (disk, rest) = self.inside(path)?;
        disk.set_mode(&rest, mode)
    }

    fn set_modified(&self, path: &VirtualPath, modified: i64) -> Result<(), FilesystemError> {
        let (disk, rest) = self.inside(path)?;
        disk.set_modified(&rest, modified)
    }

    /// A link cannot lead from one directory into another.
    fn symlink(&self, target: &VirtualPath, link: &VirtualPath) -> Result<(), FilesystemError> {
        let (disk, target, link) = self.inside_both(target, link)?;
        disk.symlink(&target, &link)
    }

    fn available_space(&self, path: &VirtualPath) -> Result<u64, FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) => disk.available_space(&rest),
            Place::Root(root) => root.available_space(path),
        }
    }

    /// Permissions per directory are looked up by the canonical path, so a link cannot bypass them.
    fn canonical(&self, path: &VirtualPath) -> Result<VirtualPath, FilesystemError> {
        match self.place(path)? {
            Place::Inside(disk, rest) => {
                let name = path.components().next().unwrap_or_default();
                let whole =
                    |path: &VirtualPath| VirtualPath::new([b"/", name, path.as_bytes()].concat());
                match disk.canonical(&rest) {
                    Ok(resolved) => Ok(whole(&resolved)?),
                    Err(error) => {
                        let places = error.places().iter().map(whole).collect::<Result<_, _>>()?;
                        Err(error.with_places(places))
                    }
                }
            }
            Place::Root(_) => Ok(path.clone()),
        }
    }

    fn without_links(&self) -> Result<Option<Arc<dyn Filesystem>>, FilesystemError> {
        let mut named = BTreeMap::new();
        for (name, disk) in &self.named {
            let linkless = disk.without_links()?;
            named.insert(name.clone(), linkless.unwrap_or_else(|| Arc::clone(disk)));
        }
        let root = Arc::clone(&self.root);
        Ok(Some(Arc::new(Self { root, named })))
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        match self.place(path).ok()? {
            Place::Inside(disk, rest) => disk.real_path(&rest),
            Place::Root(_) => None,
        }
    }
}

/// The `target` of a link in the directory `name`, as the client sees it.
fn whole_target(name: &[u8], target: Vec<u8>) -> Vec<u8> {
    match target.starts_with(b"/") {
        true => [b"/", name, &target].concat(),
        false => target,
    }
}

/// What is in one of the directories.
struct Inside {
    listing: Box<dyn Listing>,
    /// Of the directory.
    name: Vec<u8>,
}

impl Listing for Inside {
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
        self.listing.next_batch(max, out)
    }

    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.listing.lstat(name)
    }

    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.listing.stat(name)
    }

    fn recall(&self) -> Option<Recall> {
        self.listing.recall()
    }

    fn readlink(&self, name: &[u8]) -> Result<Vec<u8>, FilesystemError> {
        Ok(whole_target(&self.name, self.listing.readlink(name)?))
    }
}

/// The directories themselves, each with what the disk tells of it.
struct Names {
    named: BTreeMap<Vec<u8>, Arc<dyn Filesystem>>,
    rest: vec::IntoIter<Vec<u8>>,
}

impl Listing for Names {
    fn next_batch(&mut self, max: usize, out: &mut Vec<Entry>) -> Result<bool, FilesystemError> {
        out.extend(self.rest.by_ref().take(max).map(|name| Entry {
            name,
            metadata: None,
        }));
        Ok(self.rest.len() > 0)
    }

    fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        let disk = self.named.get(name).ok_or(ErrorKind::NotFound)?;
        disk.lstat(&VirtualPath::root())
    }

    fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
        self.lstat(name)
    }

    fn readlink(&self, _name: &[u8]) -> Result<Vec<u8>, FilesystemError> {
        Err(ErrorKind::NotSupported.into())
    }
}

/// An upload, with the path that the client sees.
struct Upload {
    file: Box<dyn WriteFile>,
    path: VirtualPath,
}

impl WriteFile for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn finish(self: Box<Self>, end: &TransferEnd) -> Result<(), FilesystemError> {
        self.file.finish(end)
    }

    fn size(&self) -> Option<u64> {
        self.file.size()
    }

    fn may_wait(&self) -> bool {
        self.file.may_wait()
    }

    fn path(&self) -> &VirtualPath {
        &self.path
    }

    fn mode(&self) -> Option<u32> {
        self.file.mode()
    }

    fn set_mode(&mut self, mode: u32) -> Result<(), FilesystemError> {
        self.file.set_mode(mode)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let files: Arc<dyn Filesystem> = {
        let directories = std::env::args_os().skip(1).map(PathBuf::from);
        Arc::new(Directories::new(directories)?)
    };

    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(User::new("user", "12345", "/").perm("elradfmwMT"))?;

    let handler = FtpHandler::new(authorizer).abstracted_fs(move |_| Ok(Arc::clone(&files)));
    let mut server = FtpServer::new((Ipv4Addr::LOCALHOST, 2121), handler)?;
    server.serve_forever(ServeOptions::default())?;
    Ok(())
}
