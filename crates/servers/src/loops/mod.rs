//! Several loops, each in a thread, that share the clients.

mod client_churn;
mod thread_per_client;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{Context, IoLoop, LoopHandle};

use crate::accepting::Client;
use crate::own_threads;
use crate::placement::{Placement, reserve_descriptors};

use client_churn::ClientChurn;
pub(crate) use thread_per_client::ThreadPerClient;

/// The loop that accepts, and as many other loops as configured.
///
/// A client goes to the loop with the fewest clients. It stays on the accepting loop if no other
/// has fewer, not counting those of its clients that will soon leave: this avoids changing threads
/// for nothing.
pub(crate) struct Loops {
    /// The number of all loops.
    count: usize,
    /// The number of clients on the accepting loop.
    accepting_load: Arc<AtomicUsize>,
    others: Mutex<OtherLoops>,
}

struct OtherLoops {
    started: bool,
    loops: Vec<OtherLoop>,
    /// The churn of clients on the accepting loop.
    churn: ClientChurn,
}

struct OtherLoop {
    handle: LoopHandle,
    clients: Arc<AtomicUsize>,
    /// Whether the loop has answered the last check of whether it turns.
    answered: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Loops {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            count,
            accepting_load: Arc::default(),
            others: Mutex::new(OtherLoops {
                started: false,
                loops: Vec::new(),
                churn: ClientChurn::new(Instant::now()),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, OtherLoops> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Placement for Loops {
    fn model(&self) -> &'static str {
        "async"
    }

    fn start(&self) -> io::Result<()> {
        let mut others = self.lock();
        others.started = true;
        if self.count > 1 {
            reserve_descriptors();
        }
        others.fill(self.count)
    }

    fn place(&self, mut client: Client, cx: &mut Context<'_>) -> io::Result<()> {
        let mut others = self.lock();
        others.replace_dead(self.count);
        let here = self.accepting_load.load(Ordering::Relaxed);
        if let Some(other) = others.choose(here, cx.now()) {
            client.count_with(&other.clients);
            if !other.handle.call_soon(move |cx| client.serve(cx)) {
                return Err(io::Error::other("its loop has failed"));
            }
            return Ok(());
        }
        others.churn.note_accepted();
        drop(others);
        client.count_with(&self.accepting_load);
        client.serve(cx);
        Ok(())
    }

    fn is_alive(&self) -> bool {
        let others = self.lock();
        others.loops.iter().fold(true, |alive, other| {
            let answered = other.answered.swap(false, Ordering::AcqRel);
            if answered {
                let place = Arc::clone(&other.answered);
                other
                    .handle
                    .call_soon(move |_| place.store(true, Ordering::Release));
            }
            alive && answered
        })
    }

    fn finish(&self, wait: Duration) {
        let mut others = self.lock();
        others.started = false;
        let loops = std::mem::take(&mut others.loops);
        drop(others);
        for other in &loops {
            other.handle.stop();
        }
        let until = Instant::now() + wait;
        for other in loops {
            join(other.thread, until);
        }
    }
}

impl OtherLoops {
    /// Starts the missing loops.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        while self.loops.len() + 1 < count {
            self.loops.push(OtherLoop::start()?);
        }
        Ok(())
    }

    /// Replaces loops that failed. Their clients were lost with them.
    fn replace_dead(&mut self, count: usize) {
        let before = self.loops.len();
        self.loops.retain(|other| !other.thread.is_finished());
        if self.started
            && self.loops.len() < before
            && let Err(error) = self.fill(count)
        {
            log::error!("cannot replace a loop that failed: {error}");
        }
    }

    /// The loop that takes the next client; `None` for the accepting one, which has `here` clients.
    fn choose(&mut self, here: usize, now: Instant) -> Option<&OtherLoop> {
        let Self { loops, churn, .. } = self;
        let other = loops.iter().min_by_key(|other| other.clients())?;
        let clients = other.clients();
        (clients < here && clients < churn.staying(here, now, ftpdlib_sys::idle_time))
            .then_some(other)
    }
}

impl OtherLoop {
    fn start() -> io::Result<Self> {
        let (tell, told) = mpsc::sync_channel(1);
        let thread = own_threads::spawn("loop".into(), move || match IoLoop::new() {
            Ok(mut io_loop) => {
                // The receiver is still waiting.
                let _ = tell.send(Ok(io_loop.handle()));
                if let Err(error) = io_loop.run_until_stopped() {
                    log::error!("a loop failed, with its clients: {error}");
                }
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        })?;
        let handle = told.recv().map_err(io::Error::other)??;
        Ok(Self {
            handle,
            clients: Arc::default(),
            answered: Arc::new(AtomicBool::new(true)),
            thread,
        })
    }

    fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }
}

/// Waits for a thread that was told to end, until `until`; a thread that hangs is left running.
fn join(thread: JoinHandle<()>, until: Instant) {
    while !thread.is_finished() {
        if Instant::now() >= until {
            log::error!("a loop hangs and is left behind");
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    if thread.join().is_err() {
        log::error!("a loop panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream as StdStream};

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_handlers::FtpHandler;
    use mio::net::TcpStream;

    use crate::FtpServerBuilder;

    use super::*;

    #[test]
    fn a_loop_that_failed_is_replaced() {
        let loops = Loops::new(3);
        loops.start().unwrap();
        loops.lock().loops[0].handle.stop();
        while !loops.lock().loops[0].thread.is_finished() {
            thread::yield_now();
        }
        loops.lock().replace_dead(3);
        assert_eq!(loops.lock().loops.len(), 2);
        assert!(
            loops
                .lock()
                .loops
                .iter()
                .all(|other| !other.thread.is_finished())
        );
        loops.finish(Duration::from_secs(20));
        assert!(loops.lock().loops.is_empty());
    }

    #[test]
    fn a_client_for_a_loop_that_had_failed_was_lost_without_a_log_line() {
        let loops = Loops::new(2);
        let (release, held) = mpsc::channel::<()>();
        {
            let mut others = loops.lock();
            others.loops.push(OtherLoop {
                handle: IoLoop::new().unwrap().handle(),
                clients: Arc::default(),
                answered: Arc::default(),
                // The thread of the loop has not ended yet.
                thread: thread::spawn(move || {
                    // An error also ends the thread.
                    let _ = held.recv();
                }),
            });
            others.churn.note_accepted();
        }
        loops.accepting_load.store(1, Ordering::Relaxed);

        let handler = FtpHandler::new(DummyAuthorizer::new());
        let builder = FtpServerBuilder::new(handler).listen((Ipv4Addr::LOCALHOST, 0));
        let server = builder.build().unwrap();
        let shared = Arc::clone(server.shared());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let _client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, peer) = listener.accept().unwrap();
        let permit = shared.service().limits().acquire(peer.ip()).unwrap();
        let client = Client::admitted(&shared, TcpStream::from_std(stream), peer, None, permit);
        let mut io_loop = IoLoop::new().unwrap();
        let (tell, told) = mpsc::channel();
        io_loop.call_later(Duration::ZERO, move |cx| {
            tell.send(loops.place(client, cx)).unwrap();
        });
        io_loop.run().unwrap();
        told.recv().unwrap().unwrap_err();
        assert_eq!(shared.clients(), 0);
        drop(release);
    }

    #[test]
    fn a_loop_that_hangs_is_noticed() {
        let loops = Loops::new(2);
        loops.start().unwrap();
        let (release, held) = mpsc::channel::<()>();
        let handle = loops.lock().loops[0].handle.clone();
        handle.call_soon(move |_| {
            // An error also releases the loop.
            let _ = held.recv();
        });
        // This is the first check.
        assert!(loops.is_alive());
        assert!(!loops.is_alive());
        drop(release);
        while !loops.is_alive() {
            thread::yield_now();
        }
        loops.finish(Duration::from_secs(20));
    }
}
