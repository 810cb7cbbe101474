//! Digests and copies, on threads; and what becomes of jobs there that nobody waits for any more.

use std::sync::Arc;

use ftpdlib_ioloop::Context;
use ftpdlib_session::{Answer, Job, JobOutcome, Refusal};

use super::effects::discard;
use super::{Connection, RunningJob};
use crate::jobs::{self, Payload};

impl Connection {
    /// Starts a digest or a copy: never on the loop, and not beside short jobs of a local disk.
    pub(super) fn start_work(&mut self, job: Job, cx: &mut Context<'_>) {
        let Some(account) = &self.account else {
            return self
                .session
                .handle_job(Err(Refusal::local_error()), cx.now());
        };
        let lane = account.work_lane().unwrap_or(&self.service.work_lane);
        let (user, limit) = (Arc::clone(account), self.service.hash_limit);
        let started = lane.start(&cx.notifier(), move |time| {
            jobs::run_work(&user, job, limit, time)
        });
        let work = started.map(|(task, cancel)| RunningJob::Work(task, cancel));
        self.await_job(work, cx);
    }

    /// Lets a digest or a copy end at its next piece.
    pub(super) fn cancel_work(&self) {
        if let Some(RunningJob::Work(_, cancel)) = &self.job {
            cancel.cancel();
        }
    }
}

/// What a job came to, until somebody takes it. Dropped before that, whose client did not wait for a
/// disk that hung, it discards what was opened.
pub(super) struct Untaken(Option<JobOutcome<Payload>>);

impl Untaken {
    pub(super) fn new(outcome: JobOutcome<Payload>) -> Self {
        Self(Some(outcome))
    }

    /// Takes it; `None` never comes of one that is new.
    pub(super) fn take(mut self) -> Option<JobOutcome<Payload>> {
        self.0.take()
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        if let Some(Ok(Answer::Opened { payload, .. })) = self.0.take() {
            discard(payload);
        }
    }
}
