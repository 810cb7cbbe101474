//! tokio on one thread.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep, sleep_until};

use crate::TimerTimes;
use crate::cpus::Cpus;
use crate::figures::Sample;
use crate::wake;

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

thread_local! {
    /// That of all clients, as with the others.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut rest = Vec::new();
                while let Ok(true) = poll_fn(|cx| echo(&mut stream, &mut rest, cx)).await {
                    if !rest.is_empty() {
                        if stream.write_all(&rest).await.is_err() {
                            return;
                        }
                        rest.clear();
                    }
                }
            });
        }
    })
}

/// Echoes a piece, but for the `rest`; whether the client is still there.
fn echo(
    stream: &mut TcpStream,
    rest: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
        let piece = buffer.filled();
        let sent = match Pin::new(stream).poll_write(cx, piece) {
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        rest.extend_from_slice(&piece[sent..]);
        Poll::Ready(Ok(!piece.is_empty()))
    })
}

pub(crate) fn timers(count: usize) -> io::Result<TimerTimes> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let start = Instant::now();
        let mut sleeps: Vec<_> = (0..count)
            .map(|index| Box::pin(sleep(Duration::from_secs(60 + index as u64 % 600))))
            .collect();
        // A timer is armed by its first poll.
        poll_fn(|cx| {
            for sleep in &mut sleeps {
                let _ = sleep.as_mut().poll(cx);
            }
            Poll::Ready(())
        })
        .await;
        let armed = start.elapsed();

        let start = Instant::now();
        poll_fn(|cx| {
            for _ in 0..count {
                let _ = Box::pin(sleep(Duration::from_secs(30))).as_mut().poll(cx);
            }
            Poll::Ready(())
        })
        .await;
        let cancelled = start.elapsed();

        let start = Instant::now();
        for (index, sleep) in sleeps.iter_mut().enumerate() {
            let delay = Duration::from_secs(60 + index as u64 % 600);
            let sleep: Pin<&mut Sleep> = sleep.as_mut();
            sleep.reset(tokio::time::Instant::now() + delay);
        }
        let reset = start.elapsed();

        drop(sleeps);
        let at = tokio::time::Instant::now() + Duration::from_millis(200);
        let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(sleep_until(at))).collect();
        // Runs each as far as to arm its timer.
        tokio::task::yield_now().await;
        sleep_until(at).await;
        let start = at.into_std();
        for task in tasks {
            let _ = task.await;
        }
        Ok([armed, cancelled, reset, start.elapsed()])
    })
}

/// A task that waits for messages.
pub(crate) fn wake_ups(count: usize, cpus: Cpus) -> io::Result<Sample> {
    let (mut answers, alarm) = wake::pair(count, cpus);
    let runtime = runtime()?;
    let (work, mut queue) = mpsc::unbounded_channel();
    let ringing = alarm.set(move || {
        // The task is there until it was woken for the last time.
        let _ = work.send(());
    })?;
    runtime.block_on(async {
        while let Some(()) = queue.recv().await {
            if !answers.answer() {
                break;
            }
        }
    });
    ringing.finish()
}
