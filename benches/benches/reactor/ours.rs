//! ftpdlib's reactor.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ftpdlib_ioloop::{
    Acceptor, Context, Direction, Flow, Handler, Interest, IoLoop, Notifier, Ready, Registration,
    SourceId,
};
use mio::net::TcpStream;

use crate::TimerTimes;
use crate::cpus::Cpus;
use crate::figures::Sample;
use crate::wake::{self, Answers};

struct Echo {
    stream: Registration<TcpStream>,
    /// Read and not written yet.
    rest: Vec<u8>,
}

impl Echo {
    /// Echoes a piece; whether the client is still there.
    fn echo(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> io::Result<bool> {
        let Some(socket) = self.stream.socket() else {
            return Ok(false);
        };
        if !self.rest.is_empty() {
            let sent = cx.write(socket, &self.rest)?;
            self.rest.drain(..sent);
            return Ok(true);
        }
        let bytes = cx.read_out(socket, buffer)?;
        let sent = match cx.write(socket, &buffer[..bytes]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            sent => sent?,
        };
        self.rest.extend_from_slice(&buffer[sent..bytes]);
        Ok(bytes > 0)
    }
}

impl Handler for Echo {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.stream.register(cx, Interest::READ)
    }

    fn ready(&mut self, source: SourceId, _: Ready, cx: &mut Context<'_>) -> io::Result<Flow> {
        let mut buffer = cx.take_scratch();
        let mut outcome = Ok(true);
        // As long as there may be more, but for the share of a turn.
        for _ in 0..4 {
            outcome = self.echo(&mut buffer, cx);
            if !matches!(outcome, Ok(true)) || !cx.is_ready(source, Direction::Read) {
                break;
            }
        }
        cx.return_scratch(buffer);
        let interest = if self.rest.is_empty() {
            Interest::READ
        } else {
            Interest::WRITE
        };
        cx.set_interest(source, interest);
        match outcome {
            Ok(false) => Ok(Flow::Close),
            Err(error) if error.kind() != ErrorKind::WouldBlock => Ok(Flow::Close),
            _ => Ok(Flow::Continue),
        }
    }
}

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    let mut io_loop = IoLoop::with_scratch_size(64 << 10)?;
    let listener = mio::net::TcpListener::from_std(listener);
    let acceptor = Acceptor::new(listener, |stream, _, cx| {
        let _ = stream.set_nodelay(true);
        let echo = Echo {
            stream: Registration::new(stream),
            rest: Vec::new(),
        };
        let _ = cx.add(Box::new(echo));
    });
    io_loop.add(Box::new(acceptor))?;
    io_loop.run()
}

pub(crate) fn timers(count: usize) -> io::Result<TimerTimes> {
    let mut io_loop = IoLoop::new()?;
    let start = Instant::now();
    let timers: Vec<_> = (0..count)
        .map(|index| io_loop.call_later(Duration::from_secs(60 + index as u64 % 600), |_| ()))
        .collect();
    let armed = start.elapsed();

    let start = Instant::now();
    for _ in 0..count {
        let timer = io_loop.call_later(Duration::from_secs(30), |_| ());
        io_loop.cancel(timer);
    }
    let cancelled = start.elapsed();

    let start = Instant::now();
    for &timer in &timers {
        io_loop.reset(timer);
    }
    let reset = start.elapsed();

    for timer in timers {
        io_loop.cancel(timer);
    }
    let at = Instant::now();
    for _ in 0..count {
        io_loop.call_at(at, |_| ());
    }
    let start = Instant::now();
    io_loop.run()?;
    Ok([armed, cancelled, reset, start.elapsed()])
}

struct Sleeper {
    notifier: mpsc::Sender<Notifier>,
    answers: Answers,
}

impl Handler for Sleeper {
    fn start(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.notifier.send(cx.notifier()).map_err(io::Error::other)
    }

    fn ready(&mut self, _: SourceId, _: Ready, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }

    fn notified(&mut self, _: &mut Context<'_>) -> io::Result<Flow> {
        Ok(if self.answers.answer() {
            Flow::Continue
        } else {
            Flow::Close
        })
    }
}

/// A handler that is notified, as at the end of a job.
pub(crate) fn wake_ups(count: usize, cpus: Cpus) -> io::Result<Sample> {
    let (answers, alarm) = wake::pair(count, cpus);
    let mut io_loop = IoLoop::new()?;
    let (sender, receiver) = mpsc::channel();
    io_loop.add(Box::new(Sleeper {
        notifier: sender,
        answers,
    }))?;
    let notifier = receiver.recv().map_err(io::Error::other)?;
    let ringing = alarm.set(move || notifier.notify())?;
    io_loop.run()?;
    ringing.finish()
}
