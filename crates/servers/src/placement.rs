//! Where the clients of a process are served. A [`Supervisor`](crate::processes::Supervisor) has
//! other processes serve.

use std::io;
use std::time::Duration;

use ftpdlib_ioloop::Context;

use crate::accepting::Client;

/// How many descriptors to reserve before threads start: enough for thousands of clients.
const DESCRIPTORS: usize = 16 << 10;

/// Has the system enlarge the descriptor table, which is slow once threads share it.
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

    /// Starts the threads that share the clients. Not called if the program runs the accepting loop
    /// itself and expects no other threads.
    ///
    /// # Errors
    ///
    /// The system's.
    fn start(&self) -> io::Result<()>;

    /// Has a client served. Called on the loop that accepted it.
    ///
    /// # Errors
    ///
    /// Why the client cannot be served.
    fn place(&self, client: Client, cx: &mut Context<'_>) -> io::Result<()>;

    /// Whether the loops that share the clients of this process still turn, as far as this can be
    /// seen without waiting. A loop that serves a single client does not count.
    fn is_alive(&self) -> bool {
        true
    }

    /// Ends all threads for good, waiting for them for at most `wait`.
    fn finish(&self, wait: Duration);
}
