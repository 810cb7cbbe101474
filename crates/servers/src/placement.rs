//! Where clients are served: the only difference between the concurrency models.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_handlers::Service;
use ftpdlib_ioloop::{Context, Handler, Pool};
use mio::net::TcpListener;

use crate::accepting::Client;
use crate::processes::{ChildOptions, ParentMailbox, StopRequest};
use crate::shared::Shared;

/// How many descriptors to reserve before there are threads: enough for thousands of clients.
const DESCRIPTORS: usize = 16 << 10;

/// Has the system enlarge the descriptor table, which takes long once threads share it.
pub(crate) fn reserve_descriptors() {
    if let Err(error) = ftpdlib_sys::reserve_descriptors(DESCRIPTORS) {
        log::debug!("no descriptors could be reserved: {error}");
    }
}

/// Decides on which loop a client is served.
///
/// One loop accepts, catches signals and ends the server, in every model. It calls
/// [`place`](Self::place) for each client that it has admitted.
pub(crate) trait Placement: Send + Sync {
    /// The name of the model in the log and in the configuration.
    fn model(&self) -> &'static str;

    /// Makes the threads that clients are spread over. Not called where the program itself runs the
    /// accepting loop, and expects no other threads.
    ///
    /// # Errors
    ///
    /// The system's.
    fn start(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether clients are accepted, once the listeners are on the loop. Other processes take a
    /// moment to begin.
    ///
    /// # Errors
    ///
    /// The start has failed: no client will be accepted.
    fn has_started(&self) -> io::Result<bool> {
        Ok(true)
    }

    /// The same model with these options for the processes it makes, if it makes any.
    fn with_child_options(&self, options: &ChildOptions) -> Option<Arc<dyn Placement>> {
        let _ = options;
        None
    }

    /// Makes the handler that supervises the processes that serve, if there are any.
    ///
    /// # Errors
    ///
    /// The system's: mostly that this process cannot be forked.
    fn parent(
        self: Arc<Self>,
        shared: &Arc<Shared>,
        pool: &Pool,
    ) -> io::Result<Option<Box<dyn Handler>>> {
        let _ = (shared, pool);
        Ok(None)
    }

    /// Where to send requests for the processes that serve; `None` if this one does.
    fn parent_mailbox(&self) -> Option<&Arc<ParentMailbox>> {
        None
    }

    /// Whether other processes have the listeners.
    fn lends_listeners(&self) -> bool {
        self.parent_mailbox().is_some()
    }

    /// Looks up the name of the masquerade address of `service` if other processes are to serve,
    /// which inherit the result.
    fn prepare_children(&self, service: &Service) {
        if self.lends_listeners() {
            service.find_masquerade_address();
        }
    }

    /// Lends a listener to other processes, for as long as the handler that this returns is on the
    /// loop; or gives it back if this process is to accept from it.
    fn lend(&self, socket: TcpListener) -> Result<Box<dyn Handler>, TcpListener> {
        match self.parent_mailbox() {
            Some(mailbox) => Ok(mailbox.lend(socket)),
            None => Err(socket),
        }
    }

    /// Tells other processes that the service for new clients was replaced.
    fn service_replaced(&self) {}

    /// Has a client served; called on the loop that accepted it.
    ///
    /// # Errors
    ///
    /// What kept it from being served.
    fn place(&self, client: Client, cx: &mut Context<'_>) -> io::Result<()>;

    /// Drains the sessions in other processes, which `Sessions` does not reach.
    fn drain(&self) {
        if let Some(mailbox) = self.parent_mailbox() {
            mailbox.request_stop(StopRequest::Drain);
        }
    }

    /// Ends the sessions in other processes, which `Sessions` does not reach.
    fn end(&self) {
        if let Some(mailbox) = self.parent_mailbox() {
            mailbox.request_stop(StopRequest::CloseAll);
        }
    }

    /// Whether the loops that share the clients of this process still turn, as far as can be seen
    /// without waiting. One with a client of its own does not count.
    fn is_alive(&self) -> bool {
        true
    }

    /// Ends what was started, for good, and waits for that, but not longer than `wait`.
    fn finish(&self, wait: Duration) {
        let _ = wait;
    }
}
