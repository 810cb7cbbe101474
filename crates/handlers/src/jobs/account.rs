//! A user who logged in, as jobs see it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ftpdlib_authorizers::{Authorizer, Guard, Login, client_network};
use ftpdlib_filesystems::Filesystem;
use ftpdlib_ioloop::Lane;
use ftpdlib_proto::Zone;
use ftpdlib_session::Refusal;

use super::large::drop_on;
use super::{Helpers, HomeLanes, WorkLane, reply_of};
use crate::Service;
use crate::client::Client;

/// The login, its filesystem, and where its jobs run.
///
/// Every idle session keeps one, so what a whole server shares is in the service instead.
pub(crate) struct Account {
    client: Arc<Client>,
    pub(super) login: Login,
    /// Always there: only dropping takes it.
    filesystem: Option<Arc<dyn Filesystem>>,
    /// For jobs that may block. `None` if no job does; jobs then run in place, on the loop.
    lanes: Option<Arc<HomeLanes>>,
}

impl Account {
    pub(super) fn new(
        client: &Arc<Client>,
        login: Login,
        filesystem: Arc<dyn Filesystem>,
        lanes: Option<Arc<HomeLanes>>,
    ) -> Self {
        Self {
            client: Arc::clone(client),
            login,
            filesystem: Some(filesystem),
            lanes,
        }
    }

    /// Acts as the user until the guard is dropped.
    pub(super) fn impersonate(&self) -> Result<Guard, Refusal> {
        self.authorizer().impersonate(&self.login).map_err(|error| {
            log::error!("{error}");
            Refusal::local_error()
        })
    }

    /// The same account, limited to canonical paths; `None` if the filesystem has no links.
    pub(super) fn without_links(&self) -> Result<Option<Arc<Self>>, Refusal> {
        let filesystem = self.filesystem().without_links().map_err(reply_of)?;
        Ok(filesystem.map(|filesystem| {
            let (login, lanes) = (self.login.clone(), self.lanes.clone());
            Arc::new(Self::new(&self.client, login, filesystem, lanes))
        }))
    }

    /// Whether permissions depend on the path, so that links must be resolved to look them up.
    /// Asked each time, since an override may be added during a session.
    pub(super) fn has_overrides(&self) -> bool {
        self.authorizer().has_overrides(&self.login)
    }

    pub(super) fn authorizer(&self) -> &dyn Authorizer {
        &*self.client.service.authorizer
    }

    pub(super) fn zone(&self) -> Zone {
        self.client.service.session.zone
    }

    /// Whether MLST and MLSD show links as such.
    pub(super) fn shows_links(&self) -> bool {
        self.client.service.mlsd_shows_links
    }

    /// Most bytes that a digest reads; 0 for no limit.
    pub(super) fn hash_limit(&self) -> u64 {
        self.client.service.hash_limit
    }

    /// The lane of this user's jobs; `None` for in place, on the loop.
    pub(crate) fn lane(&self) -> Option<&Lane> {
        self.lanes.as_ref().map(|lanes| &lanes.jobs)
    }

    /// The lane of jobs that are too large for the loop.
    pub(crate) fn large_lane(&self) -> &Lane {
        self.lane().unwrap_or(&self.client.service.lanes.large)
    }

    /// The lane of this user's digests and copies.
    pub(crate) fn work_lane(&self) -> &WorkLane {
        let lanes = self.lanes.as_ref();
        lanes.map_or(&self.client.service.lanes.work, |lanes| &lanes.work)
    }

    /// The helpers for long jobs on the loop; `None` if no job runs there.
    pub(super) fn helpers(&self) -> Option<&Helpers> {
        self.lanes
            .is_none()
            .then_some(&self.client.service.lanes.helpers)
    }

    /// The network of the client's address: clients of one network share their turns.
    pub(crate) fn network(&self) -> IpAddr {
        client_network(self.client.peer)
    }

    /// What all sessions of the server share.
    pub(crate) fn service(&self) -> &Service {
        &self.client.service
    }

    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    pub(crate) fn filesystem(&self) -> &Arc<dyn Filesystem> {
        self.filesystem.as_ref().expect("only dropping takes it")
    }
}

/// A filesystem that may block is not dropped on the loop, where most sessions end.
impl Drop for Account {
    fn drop(&mut self) {
        if let Some(lanes) = &self.lanes {
            drop_on(&lanes.jobs, self.filesystem.take());
        }
    }
}

/// The prefix of the session's log lines.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.prefix(Some(&self.login.username)).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Sender};
    use std::thread::{self, ThreadId};

    use ftpdlib_authorizers::{DummyAuthorizer, User};
    use ftpdlib_filesystems::{
        Entry, FilesystemError, Layer, Layered, Listing, MemoryFs, ReadFile, WriteFile, WriteMode,
    };
    use ftpdlib_proto::{ByteRange, FactSet, Metadata, NameEncoding, TransferEnd, VirtualPath};
    use ftpdlib_session::{Action, Job, ListFormat, WriteHow};

    use super::*;
    use crate::FtpHandler;
    use crate::jobs::run;
    use crate::testing::{enter_as_user, service};

    /// Tells which thread drops it.
    struct Told<T>(T, Sender<ThreadId>);

    impl<T> Drop for Told<T> {
        fn drop(&mut self) {
            let _ = self.1.send(thread::current().id());
        }
    }

    /// A filesystem that may block; it, or what it opens, tells who drops it.
    struct Slow(Sender<ThreadId>);

    impl Layer for Slow {
        fn open_read(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
            offset: u64,
        ) -> Result<Box<dyn ReadFile>, FilesystemError> {
            let file = inner.open_read(path, offset)?;
            Ok(Box::new(Told(file, self.0.clone())))
        }

        fn open_write(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
            mode: WriteMode,
        ) -> Result<Box<dyn WriteFile>, FilesystemError> {
            let file = inner.open_write(path, mode)?;
            Ok(Box::new(Told(file, self.0.clone())))
        }

        fn list(
            &self,
            inner: &dyn Filesystem,
            path: &VirtualPath,
        ) -> Result<Box<dyn Listing>, FilesystemError> {
            let listing = inner.list(path)?;
            Ok(Box::new(Told(listing, self.0.clone())))
        }
    }

    impl ReadFile for Told<Box<dyn ReadFile>> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }

        fn size(&self) -> Option<u64> {
            self.0.size()
        }

        fn offset(&self) -> u64 {
            self.0.offset()
        }
    }

    impl WriteFile for Told<Box<dyn WriteFile>> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes)
        }

        fn finish(self: Box<Self>, _: &TransferEnd) -> Result<(), FilesystemError> {
            Ok(())
        }

        fn size(&self) -> Option<u64> {
            self.0.size()
        }

        fn may_wait(&self) -> bool {
            false
        }

        fn path(&self) -> &VirtualPath {
            self.0.path()
        }
    }

    impl Listing for Told<Box<dyn Listing>> {
        fn next_batch(
            &mut self,
            max: usize,
            out: &mut Vec<Entry>,
        ) -> Result<bool, FilesystemError> {
            self.0.next_batch(max, out)
        }

        fn lstat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
            self.0.lstat(name)
        }

        fn stat(&self, name: &[u8]) -> Result<Metadata, FilesystemError> {
            self.0.stat(name)
        }

        fn readlink(&self, name: &[u8]) -> Result<Vec<u8>, FilesystemError> {
            self.0.readlink(name)
        }
    }

    /// The account of a user whose files may block, and who drops what they open.
    fn slow() -> (Arc<Account>, mpsc::Receiver<ThreadId>) {
        let authorizer = DummyAuthorizer::new();
        let user = User::new("user", "12345", std::env::temp_dir());
        authorizer.add_user(user).unwrap();
        let (dropped, told) = mpsc::channel();
        let handler = FtpHandler::new(authorizer).abstracted_fs(move |_| {
            let files = MemoryFs::new();
            files.insert("/file", b"x").unwrap();
            Ok(Arc::new(Layered::new(
                Slow(dropped.clone()),
                Arc::new(files),
            )))
        });
        (enter_as_user(&service(handler)), told)
    }

    #[test]
    fn others_waited_for_the_disk_of_a_user_who_had_left() {
        let authorizer = DummyAuthorizer::new();
        let user = User::new("user", "12345", std::env::temp_dir());
        authorizer.add_user(user).unwrap();
        let (dropped, told) = mpsc::channel();
        let handler = FtpHandler::new(authorizer).abstracted_fs(move |_| {
            let layer = Told(Slow(dropped.clone()), dropped.clone());
            Ok(Arc::new(Layered::new(layer, Arc::new(MemoryFs::new()))))
        });
        drop(enter_as_user(&service(handler)));
        assert_ne!(told.recv().unwrap(), thread::current().id());
    }

    impl Layer for Told<Slow> {}

    #[test]
    fn others_waited_until_a_disk_that_hung_had_closed_what_was_broken_off() {
        let path = || VirtualPath::new("/file").unwrap();
        let how = WriteHow::Append;
        let list = |format| Action::OpenList {
            path: VirtualPath::root(),
            whole: None,
            prefix: Vec::new(),
            format,
            encoding: NameEncoding::UTF_8,
        };
        for action in [
            Action::OpenRead {
                path: path(),
                range: ByteRange::default(),
            },
            Action::OpenWrite { path: path(), how },
            list(ListFormat::Names),
            list(ListFormat::Facts(FactSet::default())),
        ] {
            let text = format!("{action:?}");
            let (account, told) = slow();
            let Ok(opened) = run(&account, Job { perm: None, action }) else {
                panic!("{text} was refused");
            };
            drop(opened);
            assert_ne!(told.recv().unwrap(), thread::current().id(), "{text}");
        }
    }
}
