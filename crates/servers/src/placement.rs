//! Where clients are served: all that tells one concurrency model from another.

use std::io;
use std::time::Duration;

use ftpdlib_ioloop::Context;

use crate::client::Client;

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

    /// Has a client served; called on the loop that accepted it.
    ///
    /// # Errors
    ///
    /// What kept it from being served.
    fn place(&self, client: Client, cx: &mut Context<'_>) -> io::Result<()>;

    /// Passes on that the server drains, to sessions that `Sessions` does not reach.
    fn drain(&self) {}

    /// Passes on that the server ends, to sessions that `Sessions` does not reach.
    fn end(&self) {}

    /// Whether everything that serves clients does so still, as far as can be seen without waiting.
    fn is_alive(&self) -> bool {
        true
    }

    /// Ends what was started, for good, and waits for that, but not longer than `wait`.
    fn finish(&self, wait: Duration) {
        let _ = wait;
    }
}
