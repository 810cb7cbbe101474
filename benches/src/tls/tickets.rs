//! Sessions that a client may resume.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// All tickets of one client, the newest to be used first: rustls keeps eight.
///
/// Clients that people use show the ticket of their control connection again and again. rustls
/// shows one once (RFC 8446 §C.4), and so needs as many as there are data connections.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<Stock>);

#[derive(Debug, Default)]
struct Stock {
    kept: bool,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tls13: Vec<Tls13ClientSessionValue>,
}

impl Tickets {
    /// How many connections can resume with what is here; `None` if any number can.
    pub(crate) fn left(&self) -> Option<usize> {
        let stock = self.stock();
        stock.tls12.is_none().then_some(stock.tls13.len())
    }

    /// Whether tickets are only collected and none is shown.
    pub(crate) fn keep(&self, kept: bool) {
        self.stock().kept = kept;
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.stock().group = Some(group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.stock().group
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.stock().tls12 = Some(session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.stock().tls12.clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.stock().tls12 = None;
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.stock().tls13.push(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut stock = self.stock();
        if stock.kept { None } else { stock.tls13.pop() }
    }
}
