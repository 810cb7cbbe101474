//! Changes of a server's listeners while it runs.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ftpdlib_handlers::Service;

use super::bind_plan::{self, BindAddress, BoundTo};
use super::listeners::BoundListener;
use crate::ServerError;

/// A change yet to be applied on the loop; `None` once it is applied or replaced.
pub(crate) struct PlannedChange(Mutex<Option<Change>>);

impl PlannedChange {
    /// Plans that no listener changes.
    pub(super) fn without_listeners() -> Self {
        Self(Mutex::new(Some(Change::default())))
    }

    /// Plans a change of the listeners `open` that replaces an `earlier` plan, but for its service;
    /// see [`Listeners::plan`](super::Listeners::plan).
    pub(super) fn replacing(
        earlier: Option<&Self>,
        open: impl Iterator<Item = BoundTo>,
        addresses: &[SocketAddr],
        backlog: u32,
        closing_frees: bool,
    ) -> Result<Self, ServerError> {
        let mut earlier = earlier.map(Self::lock);
        let held = earlier.as_deref().and_then(Option::as_ref);
        let held = held.map_or(&[][..], |change| &change.bound);
        let (staying, going): (Vec<_>, Vec<_>) =
            open.partition(|listener| listener.stays(addresses));
        let present = |listener: BoundTo| listener.present_for(addresses);
        let staying: Vec<_> = staying.into_iter().map(present).collect();
        let held_for = |held: &BoundListener| held.bound_to.bind_address();
        let is_held = |bind: &BindAddress| held.iter().any(|held| held_for(held) == *bind);
        let (kept, missing): (Vec<_>, Vec<_>) = bind_plan::missing(addresses, &staying)
            .into_iter()
            .partition(is_held);
        let unwanted = held.iter().filter(|held| !kept.contains(&held_for(held)));
        let going: Vec<_> = going
            .into_iter()
            .map(|listener| listener.address)
            .chain(unwanted.map(BoundListener::address))
            .collect();
        let freed = if closing_frees { &going[..] } else { &[] };
        let (mut bound, bind_after_close) = bind_missing(missing, backlog, freed)?;
        // Nothing can fail from here on.
        let mut service = None;
        if let Some(replaced) = earlier.as_deref_mut().and_then(Option::take) {
            let held = replaced.bound.into_iter();
            bound.extend(held.filter(|held| kept.contains(&held_for(held))));
            service = replaced.service;
        }
        Ok(Self(Mutex::new(Some(Change {
            service,
            addresses: addresses.to_vec(),
            backlog,
            bound,
            bind_after_close,
        }))))
    }

    /// Takes the change, unless it is applied or replaced.
    pub(super) fn take(&self) -> Option<Change> {
        self.lock().take()
    }

    /// Adds a service to the change, and returns the one that it had.
    pub(super) fn set_service(&self, service: Arc<Service>) -> Option<Arc<Service>> {
        self.lock().as_mut()?.service.replace(service)
    }

    /// Takes the service out of the change.
    pub(super) fn take_service(&self) -> Option<Arc<Service>> {
        self.lock().as_mut()?.service.take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Change>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of the listeners, and maybe of the service.
#[derive(Default)]
pub(super) struct Change {
    /// Serves clients from the change on, if it is not the service that does already.
    pub(super) service: Option<Arc<Service>>,
    /// All wanted addresses.
    pub(super) addresses: Vec<SocketAddr>,
    backlog: u32,
    /// The new listeners.
    bound: Vec<BoundListener>,
    /// Addresses that can be bound only after other listeners are closed.
    bind_after_close: Vec<BindAddress>,
}

impl Change {
    /// Returns all new listeners, now that those on `closed` were closed.
    pub(super) fn finish(self, closed: &[BoundTo]) -> Vec<BoundListener> {
        let mut listeners = self.bound;
        for bind in self.bind_after_close {
            listeners.extend(bind_or_reopen(bind, self.backlog, closed));
        }
        listeners
    }
}

/// Binds the `missing` addresses, except those that can be bound only after the listeners on
/// `freed` are closed.
fn bind_missing(
    missing: Vec<BindAddress>,
    backlog: u32,
    freed: &[SocketAddr],
) -> Result<(Vec<BoundListener>, Vec<BindAddress>), ServerError> {
    let (mut bound, mut bind_after_close) = (Vec::new(), Vec::new());
    for bind in missing {
        let address = bind.address;
        match BoundListener::bind(bind, backlog) {
            Ok(listener) => bound.push(listener),
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && freed.iter().any(|&other| may_conflict(other, address)) =>
            {
                bind_after_close.push(bind);
            }
            Err(source) => return Err(ServerError::Bind { address, source }),
        }
    }
    Ok((bound, bind_after_close))
}

/// Binds an address after the listeners `closed` were closed. If that fails, binds those of them
/// again that were in its way.
fn bind_or_reopen(bind: BindAddress, backlog: u32, closed: &[BoundTo]) -> Vec<BoundListener> {
    let address = bind.address;
    let error = match BoundListener::bind(bind, backlog) {
        Ok(listener) => return vec![listener],
        Err(error) => error,
    };
    log::error!("cannot listen on {address}: {error}");
    let in_way = closed
        .iter()
        .filter(|listener| may_conflict(listener.address, address));
    in_way
        .filter_map(|listener| {
            // Use the actual port, which the system may have chosen.
            let before = BindAddress {
                address: listener.address,
                only_v6: listener.only_v6,
            };
            BoundListener::bind(before, backlog)
                .inspect_err(|error| log::error!("nor on {}: {error}", listener.address))
                .ok()
        })
        .collect()
}

/// Whether a listener on `other` may keep `address` from being bound.
fn may_conflict(other: SocketAddr, address: SocketAddr) -> bool {
    let wide = |address: SocketAddr| address.ip().is_unspecified();
    other.port() == address.port() && (wide(other) || wide(address))
}
