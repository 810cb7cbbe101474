//! By how much a session is ahead of its own rates.

use std::time::Instant;

use ftpdlib_proto::TransferDirection;

/// Until when a session is ahead of its own rates.
///
/// A transfer may use some of its rate in advance, so that a small file does not wait. What it has
/// used in advance counts for the session's next transfer in that direction. Only sessions that had
/// a transfer with a rate keep more than a pointer.
#[derive(Default)]
pub(crate) struct Debts(Option<Box<Owing>>);

struct Owing {
    upload: Instant,
    download: Instant,
}

impl Debts {
    /// Notes until when the session is ahead of its rate after a transfer.
    pub(super) fn note(&mut self, direction: TransferDirection, until: Instant, now: Instant) {
        if self.0.is_none() && until <= now {
            return;
        }
        let (upload, download) = (now, now);
        let owing = self
            .0
            .get_or_insert_with(|| Box::new(Owing { upload, download }));
        match direction {
            TransferDirection::Upload => owing.upload = until,
            TransferDirection::Download => owing.download = until,
        }
        if owing.upload.max(owing.download) <= now {
            self.0 = None;
        }
    }

    /// Until when the session is ahead of its rate in this direction, if it is.
    pub(super) fn owed(&self, direction: TransferDirection) -> Option<Instant> {
        let owing = self.0.as_ref()?;
        Some(match direction {
            TransferDirection::Upload => owing.upload,
            TransferDirection::Download => owing.download,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_session_owes_until_that_has_come_in() {
        let (mut debts, now) = (Debts::default(), Instant::now());
        let until = now + Duration::from_millis(50);
        debts.note(TransferDirection::Download, until, now);
        assert_eq!(debts.owed(TransferDirection::Download), Some(until));
        let uploads = debts.owed(TransferDirection::Upload);
        assert!(uploads.is_none_or(|until| until <= now));
        debts.note(TransferDirection::Upload, now, until);
        assert!(debts.0.is_none());
    }
}
