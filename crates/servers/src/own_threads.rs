//! Which server a thread works for.

use std::cell::Cell;
use std::io;
use std::thread::{self, JoinHandle, ThreadId};

thread_local! {
    static SERVER: Cell<Option<ThreadId>> = const { Cell::new(None) };
}

/// The id of the [`SpawnedServer`](crate::SpawnedServer) thread that this thread works for, if any.
pub(crate) fn server() -> Option<ThreadId> {
    SERVER.get()
}

/// Makes this thread work for the server that runs in the thread `server`.
pub(crate) fn work_for(server: Option<ThreadId>) {
    SERVER.set(server);
}

/// Starts a thread that works for the same server as this one.
pub(crate) fn spawn(
    name: String,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let server = server();
    thread::Builder::new().name(name).spawn(move || {
        work_for(server);
        body();
    })
}
