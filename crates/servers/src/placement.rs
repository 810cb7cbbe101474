//! Where clients are served: all that tells one concurrency model from another.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ftpdlib_ioloop::{Context, Handler, Pool};
use mio::net::TcpListener;

use crate::client::Client;
use crate::crew::Crew;
use crate::handle::Shared;
use crate::orders::Order;
use crate::worker::ChildOptions;

/// Descriptors for which there is room before there are threads: those of thousands of clients.
const DESCRIPTORS: usize = 16 << 10;

/// Makes room for descriptors, which takes long once threads share them.
pub(crate) fn reserve_descriptors() {
    if let Err(error) = ftpdlib_sys::reserve_descriptors(DESCRIPTORS) {
        log::debug!("no descriptors could be reserved: {error}");
    }
}

/// Decides on which loop a client is served.
///
/// One loop accepts, catches signals and ends the server, in every model. It asks this about each
/// client that it has let in.
pub(crate) trait Placement: Send + Sync {
    /// The name of the model in the log and in the configuration.
    fn model(&self) -> &'static str;

    /// Makes the threads that clients are spread over. Not called where the accepting loop is run
    /// by somebody else, who counts on being alone with it.
    ///
    /// # Errors
    ///
    /// The system's.
    fn start(&self) -> io::Result<()> {
        Ok(())
    }

    /// The same model with these options for the processes it makes, if it makes any.
    fn with_children(&self, options: &ChildOptions) -> Option<Arc<dyn Placement>> {
        let _ = options;
        None
    }

    /// Gives what looks after the processes that serve, where there are any.
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

    /// The processes that serve, where it is not this one.
    fn crew(&self) -> Option<&Arc<Crew>> {
        None
    }

    /// Whether other processes have the listeners.
    fn lends_listeners(&self) -> bool {
        self.crew().is_some()
    }

    /// Lends a listener to other processes, for as long as the handler that this gives is on the
    /// loop; or gives it back, to be accepted from here.
    fn lend(&self, socket: TcpListener) -> Result<Box<dyn Handler>, TcpListener> {
        match self.crew() {
            Some(crew) => Ok(crew.lend(socket)),
            None => Err(socket),
        }
    }

    /// Passes on that another service is for the clients to come.
    fn renew(&self) {}

    /// Has a client served; called on the loop that accepted it.
    ///
    /// # Errors
    ///
    /// What kept it from being served.
    fn place(&self, client: Client, cx: &mut Context<'_>) -> io::Result<()>;

    /// Passes on that the server drains, to sessions that `Sessions` does not reach.
    fn drain(&self) {
        if let Some(crew) = self.crew() {
            crew.order(Order::Drain);
        }
    }

    /// Passes on that the server ends, to sessions that `Sessions` does not reach.
    fn end(&self) {
        if let Some(crew) = self.crew() {
            crew.order(Order::End);
        }
    }

    /// Whether everything that serves clients does so still, as far as can be seen without waiting.
    fn is_alive(&self) -> bool {
        true
    }

    /// Ends what was started, for good, and waits for that, but not longer than `wait`.
    fn finish(&self, wait: Duration) {
        let _ = wait;
    }
}
