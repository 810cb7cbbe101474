//! A thread with a loop of its own for each client.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ftpdlib_ioloop::{Context, IoLoop, LoopHandle};

use crate::client::Client;
use crate::placement::{Placement, reserve_descriptors};

/// Makes a thread for each client, which ends with it.
#[derive(Default)]
pub(crate) struct ThreadEach {
    crew: Arc<Crew>,
}

/// The threads.
#[derive(Default)]
struct Crew {
    roster: Mutex<Roster>,
    /// One more has ended.
    ended: Condvar,
}

#[derive(Default)]
struct Roster {
    next: u64,
    running: HashMap<u64, Session>,
    /// At their end, or past it.
    ended: Vec<JoinHandle<()>>,
}

struct Session {
    thread: JoinHandle<()>,
    /// Known once the thread has made it.
    io_loop: Option<LoopHandle>,
}

impl Placement for ThreadEach {
    fn model(&self) -> &'static str {
        "multi-thread"
    }

    fn place(&self, client: Client, cx: &mut Context<'_>) -> io::Result<()> {
        // Where there is no thread, the client comes back.
        let client = Arc::new(Mutex::new(Some(client)));
        let takes = Arc::clone(&client);
        let mut roster = self.crew.lock();
        let number = roster.next;
        let crew = Arc::clone(&self.crew);
        let accepting = cx.handle();
        let spawned = thread::Builder::new()
            .name(format!("session {number}"))
            .spawn(move || {
                let leave = Leave {
                    crew,
                    number,
                    accepting,
                };
                if let Some(client) = take(&takes) {
                    leave.serve(client);
                }
            });
        match spawned {
            Ok(thread) => {
                roster.next += 1;
                let io_loop = None;
                roster.running.insert(number, Session { thread, io_loop });
            }
            Err(error) => {
                drop(roster);
                if let Some(client) = take(&client) {
                    client.turn_away(&error);
                }
            }
        }
        Ok(())
    }

    fn start(&self) -> io::Result<()> {
        reserve_descriptors();
        Ok(())
    }

    fn finish(&self, wait: Duration) {
        let roster = self.crew.lock();
        for io_loop in roster.running.values().filter_map(|s| s.io_loop.as_ref()) {
            io_loop.stop();
        }
        let (roster, timeout) = self
            .crew
            .ended
            .wait_timeout_while(roster, wait, |roster| !roster.running.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            log::error!(
                "{} session(s) hang and are left behind",
                roster.running.len()
            );
        }
        drop(roster);
        self.crew.reap();
    }
}

impl Crew {
    fn lock(&self) -> MutexGuard<'_, Roster> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees the threads that have ended.
    fn reap(&self) {
        let ended = std::mem::take(&mut self.lock().ended);
        for thread in ended {
            if thread.join().is_err() {
                log::error!("the thread of a session panicked");
            }
        }
    }
}

/// A thread's place in the crew, left at its end, however that comes.
struct Leave {
    crew: Arc<Crew>,
    number: u64,
    accepting: LoopHandle,
}

impl Leave {
    /// Serves one client until it leaves.
    fn serve(&self, client: Client) {
        let mut io_loop = match IoLoop::new() {
            Ok(io_loop) => io_loop,
            Err(error) => return client.turn_away(&error),
        };
        if let Some(session) = self.crew.lock().running.get_mut(&self.number) {
            session.io_loop = Some(io_loop.handle());
        }
        io_loop.handle().call_soon(move |cx| {
            if let Err(error) = client.serve(cx) {
                log::debug!("a client left at once: {error}");
            }
        });
        if let Err(error) = io_loop.run() {
            log::error!("the loop of a session failed: {error}");
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut roster = self.crew.lock();
        if let Some(session) = roster.running.remove(&self.number) {
            roster.ended.push(session.thread);
        }
        drop(roster);
        self.crew.ended.notify_all();
        let crew = Arc::clone(&self.crew);
        self.accepting.call_soon(move |_| crew.reap());
    }
}

fn take(client: &Mutex<Option<Client>>) -> Option<Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner).take()
}
