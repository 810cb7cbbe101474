//! A transfer from its command to its end: what is known of it, and its replies.

use std::time::Instant;

use ftpdlib_proto::{
    Reply, TransferDirection, TransferEnd, TransferType, Transferred, Verb, VirtualPath,
};

use crate::{Refusal, SessionEvent};

/// A transfer command.
#[derive(Debug)]
pub(super) struct TransferCommand {
    pub(super) verb: Verb,
    pub(super) transfer_type: TransferType,
    pub(super) after_rest: bool,
    /// STOU: what the client wrote before the name, which leads to the directory of the new file.
    pub(super) prefix: Vec<u8>,
}

/// A transfer whose file or listing is open, and which may wait for its data connection.
#[derive(Debug)]
pub(super) struct Queued<P> {
    /// What was opened.
    pub(super) payload: P,
    /// Bytes of the whole file, if known.
    pub(super) size: Option<u64>,
    pub(super) command: TransferCommand,
    pub(super) username: String,
    pub(super) path: VirtualPath,
}

/// A transfer in progress.
#[derive(Debug)]
pub(super) struct Running {
    /// Whether it was asked to stop.
    pub(super) stopping: bool,
    /// Bytes moved, as last reported.
    pub(super) bytes: u64,
    pub(super) since: Instant,
    pub(super) command: TransferCommand,
    pub(super) username: String,
    pub(super) path: VirtualPath,
}

impl TransferCommand {
    /// The direction of the transfer. The listing of STAT, which needs no data connection, is a
    /// download.
    pub(super) fn direction(&self) -> TransferDirection {
        let transferred = self.verb.transfers();
        transferred.map_or(TransferDirection::Download, Transferred::direction)
    }
}

impl<P> Queued<P> {
    /// The preliminary reply: 150, or the first line of the 213 to STAT.
    ///
    /// For RETR it gives the size of the whole file, even after REST: clients take the number for
    /// the size, not for what is left. Translated to ASCII, the size is unknown. For STOU it gives
    /// the name in a form that leads to the file (RFC 1123 §4.1.2.9).
    pub(super) fn preliminary(&self) -> Reply {
        let command = &self.command;
        let name = self.path.file_name().unwrap_or(b"/");
        match (command.verb, command.transfer_type) {
            (Verb::Retr, TransferType::Image) => {
                let size = self
                    .size
                    .map_or_else(String::new, |size| format!(" ({size} bytes)"));
                let text = [
                    b"Opening BINARY mode data connection for ",
                    name,
                    size.as_bytes(),
                    b".",
                ];
                Reply::bytes(150, text.concat())
            }
            (Verb::Retr, TransferType::Ascii) => {
                let text = [b"Opening ASCII mode data connection for ", name, b"."];
                Reply::bytes(150, text.concat())
            }
            (Verb::Stou, _) => {
                Reply::bytes(150, [b"FILE: ", command.prefix.as_slice(), name].concat())
            }
            (Verb::Stor | Verb::Appe, _) => Reply::new(150, "Ok to send data."),
            (Verb::Stat, _) => {
                let text = [b"Status of ", self.path.as_bytes(), b":"];
                Reply::opening(213, text.concat())
            }
            _ => Reply::new(150, "Here comes the directory listing."),
        }
    }
}

impl Running {
    /// The direction of the transfer.
    pub(super) fn direction(&self) -> TransferDirection {
        self.command.direction()
    }

    pub(super) fn into_event(self, end: TransferEnd, bytes: u64, now: Instant) -> SessionEvent {
        SessionEvent::TransferEnded {
            username: self.username,
            verb: self.command.verb,
            path: self.path,
            end,
            bytes,
            duration: now.saturating_duration_since(self.since),
        }
    }
}

/// The reply to a transfer that ended without ABOR, and did not stall.
pub(super) fn end_reply(end: &TransferEnd, refusal: Option<Refusal>) -> Reply {
    match (end, refusal) {
        (TransferEnd::Complete | TransferEnd::LocalError, Some(refusal)) => refusal.into_reply(),
        (TransferEnd::Complete, None) => Reply::new(226, "Transfer complete."),
        (TransferEnd::LocalError, None) => Refusal::local_error().into_reply(),
        (TransferEnd::Unsecured, _) => {
            Reply::new(522, "TLS on the data connection failed; transfer aborted.")
        }
        (TransferEnd::Truncated, _) => Reply::new(
            426,
            "Data connection ended without TLS close_notify; file may be incomplete.",
        ),
        (TransferEnd::Shutdown, _) => Reply::new(426, "Server is shutting down; transfer aborted."),
        (
            TransferEnd::Reset
            | TransferEnd::Aborted
            | TransferEnd::Stalled
            | TransferEnd::ControlLost,
            _,
        ) => Reply::new(426, "Connection closed; transfer aborted."),
    }
}
