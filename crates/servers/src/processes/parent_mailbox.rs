//! Requests to the handler that owns the child processes, from any thread.

use std::fs::File;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ftpdlib_ioloop::{Context, Flow, Handler, Notifier, Ready, SourceId};
use mio::net::TcpListener;

use super::parent_link::StopRequest;

/// A listener that was lent or taken back, identified by its number.
enum ListenerChange {
    Added(u64, TcpListener),
    Removed(u64),
}

/// The listeners that are lent to children, with their numbers.
pub(crate) type LentListeners<S> = Vec<(u64, S)>;

/// Collects requests for the handler that owns the children, and notifies it.
#[derive(Default)]
pub(crate) struct ParentMailbox {
    requests: Mutex<Requests>,
    notifier: OnceLock<Notifier>,
}

#[derive(Default)]
struct Requests {
    /// The furthest-reaching stop request so far.
    stop: Option<StopRequest>,
    /// Whether the service for new clients was replaced.
    service_replaced: bool,
    changes: Vec<ListenerChange>,
    /// Files to hand over to the children.
    files: Vec<(u8, File)>,
    /// The number of the next listener that is lent.
    next_number: u64,
}

impl ParentMailbox {
    /// Sets the notifier of the handler that owns the children.
    pub(crate) fn set_notifier(&self, notifier: Notifier) {
        // A server is given to one loop, once.
        let _ = self.notifier.set(notifier);
    }

    /// Sends a stop request to all children, unless one that goes further was made before.
    pub(crate) fn request_stop(&self, request: StopRequest) {
        self.add(|requests| requests.stop = requests.stop.max(Some(request)));
    }

    /// Has the children serve new clients with the new service.
    pub(crate) fn notify_service_replaced(&self) {
        self.add(|requests| requests.service_replaced = true);
    }

    /// Hands a file over to all children.
    pub(crate) fn hand_over(&self, number: u8, file: File) {
        self.add(|requests| requests.files.push((number, file)));
    }

    /// Lends a listener to the children until the returned handler is removed from the loop.
    pub(crate) fn lend(self: &Arc<Self>, socket: TcpListener) -> Box<dyn Handler> {
        let number = self.add(|requests| {
            let number = requests.next_number;
            requests.next_number += 1;
            requests.changes.push(ListenerChange::Added(number, socket));
            number
        });
        Box::new(LentListener(Arc::clone(self), number))
    }

    /// Applies the changes since the last call to `lent`: passes new listeners through `take`, and
    /// drops those that were taken back. Returns whether there was a change.
    pub(crate) fn update<S>(
        &self,
        lent: &mut LentListeners<S>,
        mut take: impl FnMut(TcpListener) -> io::Result<S>,
    ) -> bool {
        let changes = mem::take(&mut self.lock().changes);
        let any = !changes.is_empty();
        for change in changes {
            match change {
                ListenerChange::Added(number, socket) => match take(socket) {
                    Ok(taken) => lent.push((number, taken)),
                    Err(error) => log::error!("cannot accept clients: {error}"),
                },
                ListenerChange::Removed(number) => lent.retain(|(of, _)| *of != number),
            }
        }
        any
    }

    /// Takes the files to hand over.
    pub(crate) fn take_files(&self) -> Vec<(u8, File)> {
        mem::take(&mut self.lock().files)
    }

    /// Whether the service was replaced since the last call.
    pub(crate) fn take_service_replaced(&self) -> bool {
        mem::take(&mut self.lock().service_replaced)
    }

    /// The furthest-reaching stop request so far.
    pub(crate) fn stop_requested(&self) -> Option<StopRequest> {
        self.lock().stop
    }

    /// Drops the listeners and files that are still to be passed on.
    pub(crate) fn clear(&self) {
        // They are closed without the lock held.
        let _changes = mem::take(&mut self.lock().changes);
        let _files = self.take_files();
    }

    /// Adds a request, and notifies the handler that owns the children.
    fn add<T>(&self, request: impl FnOnce(&mut Requests) -> T) -> T {
        let added = request(&mut self.lock());
        if let Some(notifier) = self.notifier.get() {
            notifier.notify();
        }
        added
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands for a listener on the loop while children have it.
struct LentListener(Arc<ParentMailbox>, u64);

impl Handler for LentListener {
    fn start(&mut self, _: &mut Context<'_>) -> io::Result<()> {
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }

    fn closed(&mut self, _: Option<io::Error>, _: &mut Context<'_>) {
        let taken_back = ListenerChange::Removed(self.1);
        self.0.add(|requests| requests.changes.push(taken_back));
    }
}
