//! ftpdlib's reactor.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{
    Acceptor, Context, Flow, Handler, Interest, IoLoop, Ready, Socket, SourceId, Transport,
};
use mio::net::TcpStream;

use crate::tell;

struct Echo {
    accepted: Option<TcpStream>,
    socket: Option<Socket<TcpStream>>,
    /// Read and not written yet.
    rest: Vec<u8>,
}

impl Handler for Echo {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(stream) = self.accepted.take() {
            self.socket = Some(cx.register(stream, Interest::READ)?);
        }
        Ok(())
    }

    fn ready(&mut self, _: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let Some(socket) = &mut self.socket else {
            return Ok(Flow::Close);
        };
        if self.rest.is_empty() {
            let mut scratch = cx.take_scratch();
            let piece = &mut scratch[..64 << 10];
            let outcome = Transport::read(socket, cx, piece);
            let flow = match outcome {
                Ok(0) => Flow::Close,
                Ok(bytes) => {
                    let sent = would_block_is_none(cx.write(socket, &piece[..bytes]))?;
                    self.rest.extend_from_slice(&piece[sent..bytes]);
                    Flow::Continue
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => Flow::Continue,
                Err(_) => Flow::Close,
            };
            cx.return_scratch(scratch);
            if self.rest.is_empty() {
                return Ok(flow);
            }
        } else {
            let sent = would_block_is_none(cx.write(socket, &self.rest))?;
            self.rest.drain(..sent);
        }
        let interest = if self.rest.is_empty() {
            Interest::READ
        } else {
            Interest::WRITE
        };
        cx.set_interest(socket.id(), interest);
        Ok(Flow::Continue)
    }
}

fn would_block_is_none(sent: io::Result<usize>) -> io::Result<usize> {
    match sent {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        sent => sent,
    }
}

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    let mut io_loop = IoLoop::new()?;
    let listener = mio::net::TcpListener::from_std(listener);
    let acceptor = Acceptor::new(listener, |stream, _, cx| {
        // Without it the small echoes would measure delayed acknowledgements.
        let _ = stream.set_nodelay(true);
        let echo = Echo {
            accepted: Some(stream),
            socket: None,
            rest: Vec::new(),
        };
        let _ = cx.add(Box::new(echo));
    });
    io_loop.add(Box::new(acceptor))?;
    io_loop.run()
}

const TIMERS: usize = 100_000;

/// Arms, moves and fires timers.
pub(crate) fn timers() {
    let Ok(mut io_loop) = IoLoop::new() else {
        return;
    };
    let start = Instant::now();
    let timers: Vec<_> = (0..TIMERS)
        .map(|index| io_loop.call_later(Duration::from_secs(60 + index as u64 % 600), |_| ()))
        .collect();
    tell("ioloop: arm 100,000 timers", TIMERS, start);
    let start = Instant::now();
    for &timer in &timers {
        io_loop.reset(timer);
    }
    tell("ioloop: reset 100,000 timers", TIMERS, start);
    for timer in timers {
        io_loop.cancel(timer);
    }
    let at = Instant::now();
    for _ in 0..TIMERS {
        io_loop.call_at(at, |_| ());
    }
    let start = Instant::now();
    let _ = io_loop.run();
    tell("ioloop: fire 100,000 timers", TIMERS, start);
}

const WAKE_UPS: usize = 20_000;

/// Has another thread send the loop work, and waits for each piece.
pub(crate) fn wake_ups() {
    let Ok(mut io_loop) = IoLoop::new() else {
        return;
    };
    let handle = io_loop.handle();
    let (done, waiting) = std::sync::mpsc::channel();
    let sender = std::thread::spawn(move || {
        let start = Instant::now();
        for _ in 0..WAKE_UPS {
            let done = done.clone();
            handle.call_soon(move |_| {
                // Whoever waits for it is still there.
                let _ = done.send(());
            });
            if waiting.recv().is_err() {
                return;
            }
        }
        tell("ioloop: wake-up by another thread", WAKE_UPS, start);
        handle.stop();
    });
    let _ = io_loop.run_until_stopped();
    drop(sender.join());
}
