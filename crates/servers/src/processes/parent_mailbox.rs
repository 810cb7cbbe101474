//! Requests to the handler that owns the child processes, from any thread.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
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
    /// The byte of the furthest-reaching stop request, plus 1; 0 if there is none.
    stop_request: AtomicU8,
    /// Whether the service for new clients was replaced.
    service_replaced: AtomicBool,
    changes: Mutex<Vec<ListenerChange>>,
    /// Files to hand over to the children.
    files: Mutex<Vec<(u8, File)>>,
    next_number: AtomicU64,
    notifier: OnceLock<Notifier>,
}

impl ParentMailbox {
    /// Sets the notifier of the handler that owns the children.
    pub(crate) fn set_notifier(&self, notifier: Notifier) {
        // A server is given to one loop, once.
        let _ = self.notifier.set(notifier);
    }

    /// Sends a stop request to all children, unless one that goes further was made before.
    pub(crate) fn request_stop(&self, request: StopRequest) {
        self.stop_request
            .fetch_max(request.byte() + 1, Ordering::AcqRel);
        self.notify();
    }

    /// Has the children serve new clients with the new service.
    pub(crate) fn notify_service_replaced(&self) {
        self.service_replaced.store(true, Ordering::Release);
        self.notify();
    }

    /// Hands a file over to all children.
    pub(crate) fn hand_over(&self, number: u8, file: File) {
        self.files().push((number, file));
        self.notify();
    }

    /// Takes the files to hand over.
    pub(crate) fn take_files(&self) -> Vec<(u8, File)> {
        std::mem::take(&mut *self.files())
    }

    fn files(&self) -> MutexGuard<'_, Vec<(u8, File)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends a listener to the children until the returned handler is removed from the loop.
    pub(crate) fn lend(self: &Arc<Self>, socket: TcpListener) -> Box<dyn Handler> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        self.add_change(ListenerChange::Added(number, socket));
        Box::new(LentListener(Arc::clone(self), number))
    }

    /// Applies the changes since the last call to `lent`: passes new listeners through `take`, and
    /// drops those that were taken back. Returns whether there was a change.
    pub(crate) fn update<S>(
        &self,
        lent: &mut LentListeners<S>,
        mut take: impl FnMut(TcpListener) -> io::Result<S>,
    ) -> bool {
        let changes = std::mem::take(&mut *self.changes());
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

    /// Drops the listeners and files that are still to be passed on.
    pub(crate) fn clear(&self) {
        self.changes().clear();
        self.files().clear();
    }

    fn add_change(&self, change: ListenerChange) {
        self.changes().push(change);
        self.notify();
    }

    fn changes(&self) -> MutexGuard<'_, Vec<ListenerChange>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The furthest-reaching stop request so far.
    pub(crate) fn stop_requested(&self) -> Option<StopRequest> {
        let byte = self.stop_request.load(Ordering::Acquire).checked_sub(1)?;
        StopRequest::from_byte(byte)
    }

    /// Whether the service was replaced since the last call.
    pub(crate) fn take_service_replaced(&self) -> bool {
        self.service_replaced.swap(false, Ordering::AcqRel)
    }

    fn notify(&self) {
        if let Some(notifier) = self.notifier.get() {
            notifier.notify();
        }
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
        self.0.add_change(ListenerChange::Removed(self.1));
    }
}
