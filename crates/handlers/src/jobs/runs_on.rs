//! Where a job runs: in place, on the loop, or, if it may block, on a thread.
//!
//! Some choices are made elsewhere. A digest or a copy always gets a thread, by
//! [`WorkLane::start`](super::WorkLane::start). The pump decides for each piece of a file, by
//! [`Account::lane`] and [`upload_lane`](super::upload_lane), since it needs file and buffer back.
//! A file that is [discarded](super::discard) is closed without anything waiting for it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ftpdlib_authorizers::{Login, client_network};
use ftpdlib_ioloop::{Context, Lane, Task};
use ftpdlib_session::Action;

use super::large::removes_much;
use super::login::enters_at_once;
use super::{Account, Credentials};
use crate::client::Client;

/// Where a job runs.
pub(crate) enum RunsOn {
    /// In place, on the loop.
    Here,
    /// On a thread of this lane.
    Lane(Lane),
    /// On a thread of this lane, in turn with the jobs of other networks.
    InTurn(Lane, IpAddr),
}

/// A job that was started.
pub(crate) enum Started<T> {
    /// It has run in place, with this outcome.
    Done(T),
    /// It runs on a thread. If the task is dropped before, it does not run.
    OnThread(Task<T>),
}

impl RunsOn {
    /// Where `action` runs for `account`.
    pub(crate) fn of_action(account: &Account, action: &Action) -> Self {
        let is_large = || removes_much(account, action);
        let lane = account
            .lane()
            .or_else(|| is_large().then(|| account.large_lane()));
        lane.cloned().map_or(Self::Here, Self::Lane)
    }

    /// Where a custom command runs.
    pub(crate) fn of_command(client: &Client) -> Self {
        Self::Lane(client.service.lanes.command.clone())
    }

    /// Where `credentials` are checked.
    pub(crate) fn of_check(client: &Client, credentials: &Credentials) -> Self {
        if credentials.are_checked_at_once(client) {
            return Self::Here;
        }
        let lane = client.service.lanes.login.clone();
        Self::InTurn(lane, client_network(client.peer))
    }

    /// Where the filesystem of `login` is created: a home directory that hangs holds up only the
    /// users who have it.
    pub(crate) fn of_home(client: &Client, login: &Login) -> Self {
        if enters_at_once(client, login) {
            return Self::Here;
        }
        Self::Lane(client.service.lanes.of_home(&login.home).jobs.clone())
    }

    /// Runs `job`, which gets `about`.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub(crate) fn begin<A, T>(
        self,
        about: &Arc<A>,
        cx: &mut Context<'_>,
        job: impl FnOnce(&Arc<A>) -> T + Send + 'static,
    ) -> io::Result<Started<T>>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (lane, network) = match self {
            Self::Here => return Ok(Started::Done(job(about))),
            Self::Lane(lane) => (lane, None),
            Self::InTurn(lane, network) => (lane, Some(network)),
        };
        let (about, notifier) = (Arc::clone(about), cx.notifier());
        let job = move || job(&about);
        let task = match network {
            None => Task::spawn_while_wanted(&lane, &notifier, job),
            Some(network) => Task::spawn_for(&lane, network, &notifier, job),
        };
        task.map(Started::OnThread)
    }
}
