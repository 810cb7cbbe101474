//! What the two models of several processes have in common for the rest of a server.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ftpdlib_ioloop::{Context, Flow, Handler, Notifier, Ready, SourceId};
use mio::net::TcpListener;

use crate::orders::Order;

/// A listener that came or went, with its number.
enum Change {
    Lent(u64, TcpListener),
    TakenBack(u64),
}

/// The listeners of children, with their numbers.
pub(crate) type Lent<S> = Vec<(u64, S)>;

/// What the handler that has the children is asked for, from wherever.
#[derive(Default)]
pub(crate) struct Crew {
    /// How far the server's end has come: 0, or an order and 1.
    phase: AtomicU8,
    /// There is another service, for the clients to come.
    renewed: AtomicBool,
    changes: Mutex<Vec<Change>>,
    /// Files for the children there are.
    files: Mutex<Vec<(u8, File)>>,
    lent: AtomicU64,
    notifier: OnceLock<Notifier>,
}

impl Crew {
    /// Says who has the children.
    pub(crate) fn set_notifier(&self, notifier: Notifier) {
        // A server is given to one loop, once.
        let _ = self.notifier.set(notifier);
    }

    /// Has an order given to all children; one that goes less far than another before is none.
    pub(crate) fn order(&self, order: Order) {
        self.phase.fetch_max(order.byte() + 1, Ordering::AcqRel);
        self.notify();
    }

    /// Has children serve as the service now says.
    pub(crate) fn renew(&self) {
        self.renewed.store(true, Ordering::Release);
        self.notify();
    }

    /// Hands a file over to all children.
    pub(crate) fn hand_over(&self, number: u8, file: File) {
        self.files().push((number, file));
        self.notify();
    }

    /// The files to be handed over, once.
    pub(crate) fn take_files(&self) -> Vec<(u8, File)> {
        std::mem::take(&mut *self.files())
    }

    fn files(&self) -> MutexGuard<'_, Vec<(u8, File)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends a listener, until the handler that this gives is taken from the loop.
    pub(crate) fn lend(self: &Arc<Self>, socket: TcpListener) -> Box<dyn Handler> {
        let number = self.lent.fetch_add(1, Ordering::Relaxed);
        self.change(Change::Lent(number, socket));
        Box::new(LentDoor(Arc::clone(self), number))
    }

    /// Makes the changes of the listeners that came since the last call: those that came go through
    /// `take`, those that went are dropped. Answers whether there was any.
    pub(crate) fn update<S>(
        &self,
        lent: &mut Lent<S>,
        mut take: impl FnMut(TcpListener) -> io::Result<S>,
    ) -> bool {
        let changes = std::mem::take(&mut *self.changes());
        let any = !changes.is_empty();
        for change in changes {
            match change {
                Change::Lent(number, socket) => match take(socket) {
                    Ok(taken) => lent.push((number, taken)),
                    Err(error) => log::error!("cannot accept clients: {error}"),
                },
                Change::TakenBack(number) => lent.retain(|(of, _)| *of != number),
            }
        }
        any
    }

    fn change(&self, change: Change) {
        self.changes().push(change);
        self.notify();
    }

    fn changes(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The order that stands.
    pub(crate) fn standing(&self) -> Option<Order> {
        match self.phase.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Order::Retire),
            2 => Some(Order::Drain),
            _ => Some(Order::End),
        }
    }

    /// Whether there is another service, once.
    pub(crate) fn take_renewed(&self) -> bool {
        self.renewed.swap(false, Ordering::AcqRel)
    }

    fn notify(&self) {
        if let Some(notifier) = self.notifier.get() {
            notifier.notify();
        }
    }
}

/// Stands on the loop for a listener that children have.
struct LentDoor(Arc<Crew>, u64);

impl Handler for LentDoor {
    fn start(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }

    fn closed(&mut self, _: Option<io::Error>, _: &mut Context<'_>) {
        self.0.change(Change::TakenBack(self.1));
    }
}
