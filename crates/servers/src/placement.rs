//! Where the clients of a process are served. Who has other processes serve is a
//! [`Supervisor`](crate::processes::Supervisor).

use std::io;
use std::time::Duration;

use ftpdlib_ioloop::Context;

use crate::accepting::Client;

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
    fn start(&self) -> io::Result<()>;

    /// Has a client served; called on the loop that accepted it.
    ///
    /// # Errors
    ///
    /// What kept it from being served.
    fn place(&self, client: Client, cx: &mut Context<'_>) -> io::Result<()>;

    /// Whether the loops that share the clients of this process still turn, as far as can be seen
    /// without waiting. One with a client of its own does not count.
    fn is_alive(&self) -> bool {
        true
    }

    /// Ends what was started, for good, and waits for that, but not longer than `wait`.
    fn finish(&self, wait: Duration);
}
