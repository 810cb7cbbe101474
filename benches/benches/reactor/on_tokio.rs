//! tokio on one thread.

use std::io;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use crate::tell;

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                loop {
                    // An idle client owns no buffer, as with the others.
                    if stream.readable().await.is_err() {
                        return;
                    }
                    buffer.resize(64 << 10, 0);
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(bytes) => {
                            if stream.write_all(&buffer[..bytes]).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    })
}

const TIMERS: usize = 100_000;

/// Arms, resets and fires timers.
pub(crate) fn timers() {
    let Ok(runtime) = runtime() else {
        return;
    };
    runtime.block_on(async {
        let start = Instant::now();
        let mut sleeps: Vec<_> = (0..TIMERS)
            .map(|index| {
                let delay = Duration::from_secs(60 + index as u64 % 600);
                Box::pin(tokio::time::sleep(delay))
            })
            .collect();
        // A timer is armed by its first poll.
        for sleep in &mut sleeps {
            let _ = futures_poll(sleep.as_mut()).await;
        }
        tell("tokio: arm 100,000 timers", TIMERS, start);
        let start = Instant::now();
        for sleep in &mut sleeps {
            let at = sleep.deadline() + Duration::from_secs(1);
            sleep.as_mut().reset(at);
        }
        tell("tokio: reset 100,000 timers", TIMERS, start);
        drop(sleeps);
        let at = tokio::time::Instant::now() + Duration::from_millis(200);
        let tasks: Vec<_> = (0..TIMERS)
            .map(|_| tokio::spawn(tokio::time::sleep_until(at)))
            .collect();
        tokio::task::yield_now().await;
        tokio::time::sleep_until(at).await;
        let start = at.into_std();
        for task in tasks {
            let _ = task.await;
        }
        tell("tokio: fire 100,000 timers", TIMERS, start);
    });
}

/// Polls once.
async fn futures_poll(mut sleep: std::pin::Pin<&mut tokio::time::Sleep>) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::future::Future::poll(sleep.as_mut(), cx).is_ready())
    })
    .await
}

const WAKE_UPS: usize = 20_000;

/// Has another thread send the runtime work, and waits for each piece.
pub(crate) fn wake_ups() {
    let Ok(runtime) = runtime() else {
        return;
    };
    let (work, mut queue) = tokio::sync::mpsc::unbounded_channel::<()>();
    let (done, waiting) = std::sync::mpsc::channel();
    let sender = std::thread::spawn(move || {
        let start = Instant::now();
        for _ in 0..WAKE_UPS {
            if work.send(()).is_err() || waiting.recv().is_err() {
                return;
            }
        }
        tell("tokio: wake-up by another thread", WAKE_UPS, start);
    });
    runtime.block_on(async {
        while queue.recv().await.is_some() {
            let _ = done.send(());
        }
    });
    drop(sender.join());
}
