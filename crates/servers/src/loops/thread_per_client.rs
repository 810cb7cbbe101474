//! A thread with its own loop for each client.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ftpdlib_handlers::LimitReached;
use ftpdlib_ioloop::{Context, IoLoop, LoopHandle};

use crate::accepting::Client;
use crate::own_threads;
use crate::placement::{Placement, reserve_descriptors};

/// The most session threads, whatever the limits are: each takes four memory maps, of which Linux
/// usually gives a process 65,530, and the whole process dies if a new thread gets no map for the
/// stack of its signal handlers.
const MOST_THREADS: usize = 4096;

/// Starts a thread for each client, which ends with the client.
pub(crate) struct ThreadPerClient {
    most: usize,
    threads: Arc<SessionThreads>,
}

impl Default for ThreadPerClient {
    fn default() -> Self {
        Self {
            most: MOST_THREADS,
            threads: Arc::default(),
        }
    }
}

/// The threads of all sessions.
#[derive(Default)]
struct SessionThreads {
    table: Mutex<ThreadTable>,
    /// Notified when a thread ends.
    thread_ended: Condvar,
}

#[derive(Default)]
struct ThreadTable {
    next: u64,
    running: HashMap<u64, SessionThread>,
    /// Threads that are ending or have ended, to be joined.
    ended: Vec<JoinHandle<()>>,
}

struct SessionThread {
    thread: JoinHandle<()>,
    /// Set once the thread has created its loop.
    io_loop: Option<LoopHandle>,
}

impl Placement for ThreadPerClient {
    fn model(&self) -> &'static str {
        "multi-thread"
    }

    fn place(&self, client: Client, cx: &mut Context<'_>) -> io::Result<()> {
        let mut table = self.threads.lock();
        if table.running.len() >= self.most {
            drop(table);
            client.refuse_over(LimitReached::Total);
            return Ok(());
        }
        // Shared, so that the client can be refused if no thread can be started.
        let client = Arc::new(Mutex::new(Some(client)));
        let for_thread = Arc::clone(&client);
        let number = table.next;
        let threads = Arc::clone(&self.threads);
        let accepting = cx.handle();
        let spawned = own_threads::spawn(format!("session {number}"), move || {
            let guard = SessionGuard {
                threads,
                number,
                accepting,
            };
            if let Some(client) = take_client(&for_thread) {
                guard.serve(client);
            }
        });
        match spawned {
            Ok(thread) => {
                table.next += 1;
                let io_loop = None;
                table
                    .running
                    .insert(number, SessionThread { thread, io_loop });
            }
            Err(error) => {
                drop(table);
                if let Some(client) = take_client(&client) {
                    client.reject(&error);
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
        let table = self.threads.lock();
        for io_loop in table
            .running
            .values()
            .filter_map(|session| session.io_loop.as_ref())
        {
            io_loop.stop();
        }
        let (table, timeout) = self
            .threads
            .thread_ended
            .wait_timeout_while(table, wait, |table| !table.running.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            log::error!(
                "{} session(s) hang and are left behind",
                table.running.len()
            );
        }
        drop(table);
        self.threads.reap();
    }
}

impl SessionThreads {
    fn lock(&self) -> MutexGuard<'_, ThreadTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the threads that have ended.
    fn reap(&self) {
        let ended = std::mem::take(&mut self.lock().ended);
        for thread in ended {
            if thread.join().is_err() {
                log::error!("the thread of a session panicked");
            }
        }
    }
}

/// Removes a thread from the table when it ends, even by a panic.
struct SessionGuard {
    threads: Arc<SessionThreads>,
    number: u64,
    accepting: LoopHandle,
}

impl SessionGuard {
    /// Serves one client until it leaves.
    fn serve(&self, client: Client) {
        let mut io_loop = match IoLoop::new() {
            Ok(io_loop) => io_loop,
            Err(error) => return client.reject(&error),
        };
        if let Some(session) = self.threads.lock().running.get_mut(&self.number) {
            session.io_loop = Some(io_loop.handle());
        }
        io_loop.handle().call_soon(move |cx| client.serve(cx));
        if let Err(error) = io_loop.run() {
            log::error!("the loop of a session failed: {error}");
        }
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let mut table = self.threads.lock();
        if let Some(session) = table.running.remove(&self.number) {
            table.ended.push(session.thread);
        }
        drop(table);
        self.threads.thread_ended.notify_all();
        let threads = Arc::clone(&self.threads);
        self.accepting.call_soon(move |_| threads.reap());
    }
}

fn take_client(client: &Mutex<Option<Client>>) -> Option<Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::thread;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;

    use crate::FtpServerBuilder;

    use super::*;

    #[test]
    fn so_many_clients_that_no_memory_map_was_left_ended_the_process() {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
        let server = builder.build().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let threads = Arc::new(ThreadPerClient {
            most: 1,
            ..ThreadPerClient::default()
        });
        let connect = || {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, peer) = listener.accept().unwrap();
            accepted.set_nonblocking(true).unwrap();
            let accepted = mio::net::TcpStream::from_std(accepted);
            let shared = server.shared();
            let permit = shared.service().limits().acquire(peer.ip()).unwrap();
            let client = Client::admitted(shared, accepted, peer, None, permit);
            let (mut io_loop, placement) = (IoLoop::new().unwrap(), Arc::clone(&threads));
            io_loop.call_later(Duration::ZERO, move |cx| {
                placement.place(client, cx).unwrap();
            });
            io_loop.run().unwrap();
            let (mut stream, mut line) = (BufReader::new(stream), String::new());
            stream.read_line(&mut line).unwrap();
            (stream, line)
        };
        let (first, greeting) = connect();
        assert!(greeting.starts_with("220 "), "{greeting}");
        let refused = format!("421 {}\r\n", LimitReached::Total.text());
        assert_eq!(connect().1, refused);
        drop(first);
        while !threads.threads.lock().running.is_empty() {
            thread::yield_now();
        }
        let (_stream, greeting) = connect();
        assert!(greeting.starts_with("220 "), "{greeting}");
        threads.finish(Duration::from_secs(20));
    }
}
