//! A small reactor on [mio]: handlers, sticky readiness, timers, and threads for blocking jobs.
//!
//! An [`IoLoop`] runs [`Handler`]s on one thread. A handler owns its sockets, as many as it likes,
//! and is called when one of them is ready, when one of its timers expires, and when another thread
//! notifies it. Nothing is shared between handlers, so nothing is locked.
//!
//! Ready-made handlers are [`Acceptor`], [`Connector`] and [`AsyncChat`]. A job that would block
//! the loop runs on a [`Lane`] of a [`Pool`], as a [`Task`] if its result matters.
//!
//! # Readiness
//!
//! The system reports once that a source has become ready. The loop remembers this until an
//! operation fails with [`WouldBlock`](std::io::ErrorKind::WouldBlock). Until then, it calls the
//! handler once per turn, provided that the handler is [interested](Interest) in that readiness; of
//! sources that take [long](Context::set_bulk), some wait for later turns. It follows that
//!
//! - a handler may do as much or as little per call as is fair to the others: if it leaves
//!   something undone, it is called again, after all other handlers;
//! - a handler pauses a source by clearing its interest and resumes it by setting the interest
//!   again; neither costs a system call or loses an event;
//! - all operations that move bytes have to go through [`Context::try_io`], or the methods built on
//!   it, since the loop learns from their outcome.
//!
//! # A worked example
//!
//! A service that tells every peer once per second how long the service has been running, until the
//! peer disconnects. Its handler has one source and one timer:
//!
//! ```
//! use std::io;
//! use std::time::{Duration, Instant};
//!
//! use ftpdlib_ioloop::{
//!     Acceptor, Context, Flow, Handler, Interest, IoLoop, Ready, Registration, SourceId, TimerId,
//! };
//! use mio::net::TcpStream;
//!
//! struct Clock {
//!     stream: Registration<TcpStream>,
//!     since: Instant,
//! }
//!
//! impl Clock {
//!     fn tell(&mut self, cx: &mut Context<'_>) -> io::Result<Flow> {
//!         let Some(socket) = self.stream.socket() else { return Ok(Flow::Close) };
//!         let text = format!("{} s\n", (cx.now() - self.since).as_secs());
//!         cx.start_timer_after(Duration::from_secs(1));
//!         match cx.write(socket, text.as_bytes()) {
//!             // A peer that does not read misses some.
//!             Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Flow::Continue),
//!             outcome => outcome.map(|_| Flow::Continue),
//!         }
//!     }
//! }
//!
//! impl Handler for Clock {
//!     fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
//!         self.stream.register(cx, Interest::HANGUP)?;
//!         self.tell(cx).map(drop)
//!     }
//!
//!     fn timeout(&mut self, _: TimerId, cx: &mut Context<'_>) -> io::Result<Flow> {
//!         self.tell(cx)
//!     }
//!
//!     // Interested in nothing but the peer's end.
//!     fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
//!         Ok(Flow::Close)
//!     }
//! }
//!
//! let listener = Acceptor::bind("127.0.0.1:0".parse().unwrap(), 100)?;
//! # let addr = listener.local_addr()?;
//! let since = Instant::now();
//!
//! let mut io_loop = IoLoop::new()?;
//! io_loop.add(Box::new(Acceptor::new(listener, move |stream, peer, cx| {
//!     let clock = Clock { stream: Registration::new(stream), since };
//!     if let Err(error) = cx.add(Box::new(clock)) {
//!         eprintln!("{peer}: {error}");
//!     }
//! })))?;
//! # let handle = io_loop.handle();
//! # let client = std::thread::spawn(move || {
//! #     let mut first = [0; 4];
//! #     let mut stream = std::net::TcpStream::connect(addr).unwrap();
//! #     io::Read::read_exact(&mut stream, &mut first).unwrap();
//! #     handle.stop();
//! #     first
//! # });
//! io_loop.run()?;
//! # assert_eq!(&client.join().unwrap(), b"0 s\n");
//! # Ok::<(), io::Error>(())
//! ```
//!
//! # Other threads
//!
//! Three things may be used from other threads: a [`LoopHandle`] stops the loop or sends it work, a
//! [`Notifier`] wakes one handler, and a [`Lane`] runs jobs. A turn in which none was used takes no
//! lock.
//!
//! # Panics
//!
//! If a handler panics, the panic is logged and the handler is closed and dropped; the loop
//! continues with the others.
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod accept;
mod acceptor;
mod busy_poll;
mod channel;
mod chat;
mod connector;
mod context;
mod dispatch;
mod errors;
mod handler;
mod interest;
mod io_loop;
mod notify;
mod panics;
mod pool;
mod slab;
mod socket;
mod sources;
mod task;
mod timers;
mod transport;
mod turn;

pub use accept::{AcceptState, Accepted};
pub use acceptor::Acceptor;
pub use busy_poll::LONGEST_BUSY_POLL;
pub use channel::{Channel, Producer};
pub use chat::{AsyncChat, ChatHandler};
pub use connector::Connector;
pub use context::Context;
pub use errors::{is_of_one_client, is_of_peer};
pub use handler::{Flow, Handler, HandlerId};
pub use interest::{Direction, Interest, Ready};
pub use io_loop::IoLoop;
/// Re-exported for the socket types in this crate's signatures.
pub use mio;
pub use notify::{LoopHandle, Notifier};
pub use panics::contain;
pub use pool::{Lane, Pool};
pub use socket::{Registration, Socket};
pub use sources::SourceId;
pub use task::{Panicked, Task};
pub use timers::TimerId;
pub use transport::Transport;
pub use turn::{at_turn_end, is_in_turn};
