//! What a transfer may use in one turn of the loop, and its log lines.

use std::fmt;
use std::io;
use std::sync::Arc;

use ftpdlib_ioloop::{Context, Transport, is_of_peer};
use ftpdlib_proto::TransferEnd;
use ftpdlib_session::Refusal;
use mio::net::TcpStream;

use super::Step;
use super::meter::Meter;
use crate::jobs::Account;

/// While at least this many bytes of replies wait for a client that does not read them, no further
/// lines of it are read. Beyond this, a listing sent as a reply waits too.
pub(crate) const REPLIES_WAITING: usize = 64 << 10;

/// What a pump needs of its connection.
pub(crate) struct PumpContext<'a, 'l> {
    pub(crate) cx: &'a mut Context<'l>,
    /// The replies waiting to be sent, to which a listing without a data connection is added.
    pub(crate) replies: &'a mut Vec<u8>,
}

/// Logs what went wrong on a data connection of `account`.
pub(super) fn warn(account: &Account, what: impl fmt::Display) {
    log::warn!("{account} data connection: {what}");
}

/// Logs what is remarkable about a data connection of `account`.
pub(super) fn info(account: &Account, what: impl fmt::Display) {
    log::info!("{account} data connection: {what}");
}

/// The end of a transfer of `account` after this `error` of its data connection `stream`.
pub(super) fn end_by(error: &io::Error, stream: &dyn Transport, account: &Account) -> TransferEnd {
    if is_lost(error, stream.socket().get_ref()) {
        return TransferEnd::Reset;
    }
    warn(account, error);
    TransferEnd::LocalError
}

/// Whether the client, the network or something in between has caused an error of the data
/// connection `stream`. Any other error is on this side, and belongs in the log.
///
/// If the system gives up a connection, it reports what a router or firewall has told it last
/// (ICMP), by error numbers that have other meanings elsewhere, such as "permission denied". So it
/// also counts that the connection is gone.
pub(super) fn is_lost(error: &io::Error, stream: &TcpStream) -> bool {
    is_of_peer(error)
        || matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                // Not TLS, or broken TLS.
                | io::ErrorKind::InvalidData
                | io::ErrorKind::UnexpectedEof
        )
        || stream.peer_addr().is_err()
}

/// One turn of a transfer: its account, its meter, and what it needs of its connection.
pub(super) struct Turn<'t, 'a, 'l> {
    pub(super) account: &'t Arc<Account>,
    pub(super) meter: &'t mut Meter,
    pub(super) pcx: &'t mut PumpContext<'a, 'l>,
}

impl Turn<'_, '_, '_> {
    /// Most bytes that may be moved now; `Err` with what to do if none may.
    pub(super) fn allowance(&mut self) -> Result<usize, Step> {
        self.meter.allowance(self.pcx.cx.now())
    }

    /// Counts what was moved.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.meter.moved(bytes, self.pcx.cx.now());
    }

    /// Notes progress.
    pub(super) fn advanced(&mut self) {
        self.meter.advanced(self.pcx.cx.now());
    }

    /// Logs what went wrong on the data connection.
    pub(super) fn warn(&self, what: impl fmt::Display) {
        warn(self.account, what);
    }

    /// How the transfer ends after this `error` of the data connection `stream`.
    pub(super) fn end_by(&self, error: &io::Error, stream: &dyn Transport) -> TransferEnd {
        end_by(error, stream, self.account)
    }

    /// Logs that the system has no thread for the transfer, which ends with that.
    pub(super) fn no_thread(&self, error: &io::Error) -> Step {
        log::error!("{} no thread for a job: {error}", self.account);
        Step::failed(Refusal::local_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{lost_socket, sockets};

    #[test]
    fn a_download_that_a_firewall_cut_was_the_servers_own_failure() {
        let (_client, connected) = sockets();
        for (kind, by_kind) in [
            (io::ErrorKind::ConnectionReset, true),
            (io::ErrorKind::PermissionDenied, false),
            (io::ErrorKind::Unsupported, false),
            (io::ErrorKind::Other, false),
        ] {
            let error = kind.into();
            assert_eq!(is_lost(&error, &connected), by_kind, "{kind}");
            assert!(is_lost(&error, &lost_socket()), "{kind}");
        }
    }
}
