//! Where a job runs: in place, on the loop, or, if it may block, on a thread.
//!
//! Some do not ask here. A digest or a copy always has a thread, by
//! [`WorkLane::start`](super::WorkLane::start). The pump chooses for each piece of a file, by
//! [`Account::lane`] and [`upload_lane`](super::upload_lane): file and buffer have to come back to
//! it, and a piece that is moved in place is no job. Nor is a file that is
//! [discarded](super::discard), which nobody waits for.

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
    /// The same, in turn with the jobs of other networks.
    InTurn(Lane, IpAddr),
}

/// A job that has begun.
pub(crate) enum Started<T> {
    /// It has run in place, and came to this.
    Done(T),
    /// It runs on a thread; if the task is dropped before that, not at all.
    OnThread(Task<T>),
}

impl RunsOn {
    /// Where `action` is done for `account`.
    pub(crate) fn of_action(account: &Account, action: &Action) -> Self {
        let is_large = || removes_much(account, action);
        let lane = account
            .lane()
            .or_else(|| is_large().then(|| account.large_lane()));
        lane.cloned().map_or(Self::Here, Self::Lane)
    }

    /// Where a command of the server's owner runs.
    pub(crate) fn of_command(client: &Client) -> Self {
        Self::Lane(client.service.command_lane.clone())
    }

    /// Where `credentials` are checked.
    pub(crate) fn of_check(client: &Client, credentials: &Credentials) -> Self {
        if credentials.are_checked_at_once(client) {
            return Self::Here;
        }
        let lane = client.service.login_lane.clone();
        Self::InTurn(lane, client_network(client.peer))
    }

    /// Where the filesystem of `login` is made: a home directory that hangs holds up those who live
    /// there, and not whoever logs in.
    pub(crate) fn of_home(client: &Client, login: &Login) -> Self {
        if enters_at_once(client, login) {
            return Self::Here;
        }
        Self::Lane(client.service.homes.lanes(&login.home).jobs.clone())
    }

    /// Runs `job` there, which is about `about`.
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
