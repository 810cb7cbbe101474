//! What a job has opened and nothing needs any more.

use std::sync::Arc;

use ftpdlib_proto::TransferEnd;
use ftpdlib_session::{Answer, JobOutcome, Refusal};

use super::{Opened, Payload, finish, upload_lane};

/// The outcome of a job until it is taken. If it is dropped before, since the client did not wait
/// for a disk that hung, it discards what was opened.
pub(crate) struct Untaken(Option<JobOutcome<Payload>>);

impl Untaken {
    pub(crate) fn new(outcome: JobOutcome<Payload>) -> Self {
        Self(Some(outcome))
    }

    pub(crate) fn take(mut self) -> JobOutcome<Payload> {
        // Only this and `drop` take it.
        self.0.take().unwrap_or_else(|| Err(Refusal::local_error()))
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        if let Some(Ok(Answer::Opened { payload, .. })) = self.0.take() {
            discard(payload);
        }
    }
}

/// Closes what a job has opened and nothing will use. A file that was to be replaced keeps its
/// content: no data connection, or none that was known to be the client's, was made for it.
pub(crate) fn discard(payload: Payload) {
    let Payload { account, opened } = payload;
    let Opened::Write(file) = opened else {
        return;
    };
    let lane = upload_lane(&account, &*file, 0).cloned();
    let user = Arc::clone(&account);
    let close = move || {
        drop(finish(&account, file, &TransferEnd::Unsecured));
    };
    let Some(lane) = lane else {
        return close();
    };
    if let Err(error) = lane.submit(close) {
        log::error!("{user} no thread to close a file: {error}");
    }
}
