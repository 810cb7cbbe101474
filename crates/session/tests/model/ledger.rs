//! Keeps account of what a session owes: final replies, and payloads handed over.

use std::collections::HashSet;

use ftpdlib_proto::Reply;

/// Stands for an opened file or listing.
#[derive(Debug)]
pub(crate) struct Payload(u32);

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Final replies due: one for the greeting, one for each line.
    pub(crate) owed: u32,
    /// Whether ABOR came during a transfer: its 226 must follow the transfer's final reply.
    pub(crate) aborting: bool,
    /// Whether the client has gone.
    pub(crate) gone: bool,
    /// Whether `Close` came.
    pub(crate) closed: bool,
    /// Whether the session has given its last reply.
    said_last: bool,
    /// Whether a multi-line reply was begun and not ended.
    inside_reply: bool,
    after_transfer_reply: bool,
    payloads: HashSet<u32>,
    made: u32,
}

impl Ledger {
    pub(crate) fn payload(&mut self) -> Payload {
        self.made += 1;
        self.payloads.insert(self.made);
        Payload(self.made)
    }

    pub(crate) fn give_back(&mut self, payload: &Payload) {
        assert!(
            self.payloads.remove(&payload.0),
            "{payload:?} given back twice"
        );
    }

    pub(crate) fn reply(&mut self, reply: &Reply) {
        assert!(!self.gone, "{reply:?} to a client that has gone");
        assert!(!self.said_last, "{reply:?} after the last reply");
        let code = reply.code().value();
        if reply.is_opening() {
            assert!(!self.inside_reply);
            self.inside_reply = true;
            return;
        }
        if self.inside_reply {
            assert_eq!(code, 213, "another reply inside a multi-line one");
            self.inside_reply = false;
        }
        if code == 421 {
            self.said_last = true;
            return;
        }
        assert!(self.owed > 0, "{reply:?} answers nothing");
        if code < 200 {
            return;
        }
        self.owed -= 1;
        if self.aborting {
            if self.after_transfer_reply {
                assert_eq!(code, 226, "ABOR's own reply");
                self.aborting = false;
            }
            self.after_transfer_reply = self.aborting;
        }
    }

    pub(crate) fn close(&mut self) {
        assert!(
            self.payloads.is_empty(),
            "payloads kept: {:?}",
            self.payloads
        );
        assert!(
            self.owed == 0 || self.gone || self.said_last,
            "closed in debt"
        );
        self.closed = true;
    }
}
