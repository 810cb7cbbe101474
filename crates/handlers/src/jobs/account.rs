//! A user who logged in, as jobs see it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_authorizers::{Authorizer, Guard, Login};
use ftpdlib_filesystems::Filesystem;
use ftpdlib_ioloop::Lane;
use ftpdlib_proto::Zone;
use ftpdlib_session::Refusal;

use super::{Helpers, HomeLanes, WorkLane, reply_of};
use crate::Service;
use crate::log_prefix::LogPrefix;

/// The login, its filesystem, and where its jobs run.
pub(crate) struct Account {
    pub(super) authorizer: Arc<dyn Authorizer>,
    pub(super) login: Login,
    pub(super) filesystem: Arc<dyn Filesystem>,
    pub(super) zone: Zone,
    /// Whether MLST and MLSD show links as such.
    pub(super) shows_links: bool,
    workplace: Workplace,
    /// What stands before the session's log lines, also in those of threads.
    log_prefix: LogPrefix,
    peer: SocketAddr,
}

/// Where a user's jobs run.
#[derive(Clone)]
pub(super) enum Workplace {
    /// In place, on the loop: none blocks. Helpers may take a part of a long one, and what is too
    /// large for the loop has a lane.
    Loop { helpers: Helpers, large: Lane },
    /// They may block.
    Threads(Arc<HomeLanes>),
}

impl Account {
    pub(super) fn new(
        service: &Service,
        peer: SocketAddr,
        login: Login,
        filesystem: Arc<dyn Filesystem>,
        workplace: Workplace,
    ) -> Self {
        Self {
            authorizer: Arc::clone(&service.settings.authorizer),
            login,
            filesystem,
            zone: service.session.zone,
            shows_links: service.settings.mlsd_shows_links,
            workplace,
            log_prefix: service.log_prefix.clone(),
            peer,
        }
    }

    /// Acts as the user until the guard is dropped.
    pub(super) fn impersonate(&self) -> Result<Guard, Refusal> {
        self.authorizer.impersonate(&self.login).map_err(|error| {
            log::error!("{error}");
            Refusal::local_error()
        })
    }

    /// The same user on the same files, but by canonical paths only; `None` where there are no
    /// links.
    pub(super) fn without_links(&self) -> Result<Option<Arc<Self>>, Refusal> {
        let filesystem = self.filesystem.without_links().map_err(reply_of)?;
        Ok(filesystem.map(|filesystem| {
            Arc::new(Self {
                authorizer: Arc::clone(&self.authorizer),
                login: self.login.clone(),
                filesystem,
                zone: self.zone,
                shows_links: self.shows_links,
                workplace: self.workplace.clone(),
                log_prefix: self.log_prefix.clone(),
                peer: self.peer,
            })
        }))
    }

    /// Whether permissions depend on the path, so that links must be resolved to look them up.
    /// Asked anew each time: an override may come during a session.
    pub(super) fn has_overrides(&self) -> bool {
        self.authorizer.has_overrides(&self.login)
    }

    /// Where this user's jobs run; `None` for in place, on the loop.
    pub(crate) fn lane(&self) -> Option<&Lane> {
        self.lanes().map(|lanes| &lanes.jobs)
    }

    /// Where those run that are too large for the loop.
    pub(crate) fn large_lane(&self) -> &Lane {
        match &self.workplace {
            Workplace::Loop { large, .. } => large,
            Workplace::Threads(lanes) => &lanes.jobs,
        }
    }

    /// The same of digests and copies; `None` for where those on local disks run.
    pub(crate) fn work_lane(&self) -> Option<&WorkLane> {
        self.lanes().map(|lanes| &lanes.work)
    }

    fn lanes(&self) -> Option<&HomeLanes> {
        match &self.workplace {
            Workplace::Loop { .. } => None,
            Workplace::Threads(lanes) => Some(lanes),
        }
    }

    /// Who may help with long jobs on the loop; `None` where none runs there.
    pub(super) fn helpers(&self) -> Option<&Helpers> {
        match &self.workplace {
            Workplace::Loop { helpers, .. } => Some(helpers),
            Workplace::Threads(_) => None,
        }
    }

    pub(crate) fn login(&self) -> &Login {
        &self.login
    }

    pub(crate) fn filesystem(&self) -> &dyn Filesystem {
        &*self.filesystem
    }
}

/// What stands before the session's log lines.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.log_prefix.of(self.peer, Some(&self.login.username));
        prefix.fmt(f)
    }
}
