//! What a transfer has in one turn of the loop, and how it tells the log.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ftpdlib_ioloop::{Context, is_of_peer};
use ftpdlib_proto::TransferEnd;
use log::Level;

use super::Step;
use super::meter::Meter;
use crate::Service;
use crate::jobs::Account;
use crate::log_prefix::Prefix;

/// Replies held for a client that does not read them; beyond that it is not listened to, and a
/// listing that goes there waits.
pub(crate) const REPLIES_WAITING: usize = 64 << 10;

/// What the pumps need of their connection.
pub(crate) struct PumpContext<'a, 'l> {
    pub(crate) cx: &'a mut Context<'l>,
    pub(crate) service: &'a Service,
    /// Replies waiting to be sent: where a listing goes that has no data connection.
    pub(crate) replies: &'a mut Vec<u8>,
    /// Whose transfer it is, as the log says it.
    pub(crate) peer: SocketAddr,
}

impl PumpContext<'_, '_> {
    /// Logs what went wrong on the data connection.
    pub(super) fn warn(&self, account: &Account, what: impl fmt::Display) {
        self.log(Level::Warn, account, what);
    }

    /// Logs what is remarkable about it.
    pub(super) fn info(&self, account: &Account, what: impl fmt::Display) {
        self.log(Level::Info, account, what);
    }

    fn log(&self, level: Level, account: &Account, what: impl fmt::Display) {
        let prefix = self.prefix(account);
        log::log!(level, "{prefix} data connection: {what}");
    }

    /// What stands before its log lines.
    pub(super) fn prefix<'p>(&'p self, account: &'p Account) -> Prefix<'p> {
        let username = Some(account.login().username.as_str());
        self.service.log_prefix.of(self.peer, username)
    }

    /// How a transfer ends whose data connection had this `error`.
    pub(super) fn end_by(&self, error: &io::Error, account: &Account) -> TransferEnd {
        if is_lost(error) {
            return TransferEnd::Reset;
        }
        self.warn(account, error);
        TransferEnd::LocalError
    }
}

/// Whether an error of the data connection is its client's doing, or the network's, or that of
/// whoever is in between. With any other it is our side that cannot go on, and whose log is to say
/// so.
pub(super) fn is_lost(error: &io::Error) -> bool {
    is_of_peer(error)
        || matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused
                // No TLS, or broken.
                | io::ErrorKind::InvalidData
                | io::ErrorKind::UnexpectedEof
        )
}

/// A turn of a transfer: who it is for, what it may move, and what it needs of its connection.
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

    /// Notes that the transfer does not stand still.
    pub(super) fn advanced(&mut self) {
        self.meter.advanced(self.pcx.cx.now());
    }

    /// Logs what went wrong on the data connection.
    pub(super) fn warn(&self, what: impl fmt::Display) {
        self.pcx.warn(self.account, what);
    }

    /// How the transfer ends after this `error` of the data connection.
    pub(super) fn failed(&self, error: &io::Error) -> TransferEnd {
        self.pcx.end_by(error, self.account)
    }

    /// Logs that the system gave no thread.
    pub(super) fn no_thread(&self, error: &io::Error) {
        let prefix = self.pcx.prefix(self.account);
        log::error!("{prefix} no thread for a job: {error}");
    }
}
