//! Digests and copies, on threads.

use std::sync::Arc;

use ftpdlib_ioloop::{Context, Task};
use ftpdlib_session::{Job, Refusal};

use super::{Connection, RunningJob};
use crate::jobs::{self, Cancel};

impl Connection {
    /// Starts a digest or a copy: never on the loop, and not beside short jobs of a local disk.
    pub(super) fn start_work(&mut self, job: Job, cx: &mut Context<'_>) {
        let Some(account) = &self.account else {
            return self
                .session
                .handle_job(Err(Refusal::local_error()), cx.now());
        };
        let lane = account.lane().unwrap_or(&self.service.work_lane);
        let cancel = Cancel::default();
        let (user, limit, asked) = (Arc::clone(account), self.service.hash_limit, cancel.clone());
        let task = Task::spawn(lane, &cx.notifier(), move || {
            jobs::run_work(&user, job, limit, &asked)
        });
        self.await_job(task.map(|task| RunningJob::Work(task, cancel)), cx);
    }

    /// Lets a digest or a copy end at its next piece.
    pub(super) fn cancel_work(&self) {
        if let Some(RunningJob::Work(_, cancel)) = &self.job {
            cancel.cancel();
        }
    }
}
