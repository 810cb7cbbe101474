//! A user who logged in, as jobs see it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ftpdlib_authorizers::{Authorizer, Guard, Login, client_network};
use ftpdlib_filesystems::Filesystem;
use ftpdlib_ioloop::Lane;
use ftpdlib_proto::Zone;
use ftpdlib_session::Refusal;

use super::{Helpers, HomeLanes, WorkLane, reply_of};
use crate::Service;
use crate::client::Client;

/// The login, its filesystem, and where its jobs run.
///
/// Every idle session keeps one, so what a whole server shares is in the service instead.
pub(crate) struct Account {
    client: Arc<Client>,
    pub(super) login: Login,
    pub(super) filesystem: Arc<dyn Filesystem>,
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
            filesystem,
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
        let filesystem = self.filesystem.without_links().map_err(reply_of)?;
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
        self.lane().unwrap_or(&self.client.service.large_lane)
    }

    /// The lane of this user's digests and copies.
    pub(crate) fn work_lane(&self) -> &WorkLane {
        let lanes = self.lanes.as_ref();
        lanes.map_or(&self.client.service.work_lane, |lanes| &lanes.work)
    }

    /// The helpers for long jobs on the loop; `None` if no job runs there.
    pub(super) fn helpers(&self) -> Option<&Helpers> {
        self.lanes.is_none().then_some(&self.client.service.helpers)
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

    pub(crate) fn filesystem(&self) -> &dyn Filesystem {
        &*self.filesystem
    }
}

/// The prefix of the session's log lines.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.prefix(Some(&self.login.username)).fmt(f)
    }
}
