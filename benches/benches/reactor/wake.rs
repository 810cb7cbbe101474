//! Wakes a loop from another thread.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::cpus::{self, Cpus};
use crate::figures::Sample;
use crate::server::cpu_of;

/// Makes both ends of `count` wake-ups.
pub(crate) fn pair(count: usize, cpus: Cpus) -> (Answers, Alarm) {
    let (answer, answered) = mpsc::channel();
    let left = count;
    let alarm = Alarm {
        answered,
        count,
        cpus,
    };
    (Answers { answer, left }, alarm)
}

/// The end of the loop that is woken.
pub(crate) struct Answers {
    answer: Sender<()>,
    left: usize,
}

impl Answers {
    /// Tells that it is awake; whether it will be woken again.
    pub(crate) fn answer(&mut self) -> bool {
        self.left -= 1;
        // Nobody waits for it only if that thread has failed, which is found out by joining it.
        self.answer.send(()).is_ok() && self.left > 0
    }
}

/// The end of the thread that wakes.
pub(crate) struct Alarm {
    answered: Receiver<()>,
    count: usize,
    cpus: Cpus,
}

impl Alarm {
    /// Begins to call `wake`, again after each answer; the loop has to be run on this thread now.
    pub(crate) fn set(self, mut wake: impl FnMut() + Send + 'static) -> io::Result<Ringing> {
        let spent = cpu_of(THIS_THREAD)?;
        let count = self.count;
        let thread = thread::spawn(move || {
            cpus::take(self.cpus.servers)?;
            let start = Instant::now();
            for _ in 0..self.count {
                wake();
                if self.answered.recv().is_err() {
                    break;
                }
            }
            Ok(start.elapsed())
        });
        Ok(Ringing {
            thread,
            spent,
            count,
        })
    }
}

/// Wake-ups under way.
pub(crate) struct Ringing {
    thread: JoinHandle<io::Result<Duration>>,
    spent: Duration,
    count: usize,
}

impl Ringing {
    /// What it took, once the loop has run.
    pub(crate) fn finish(self) -> io::Result<Sample> {
        let cpu = cpu_of(THIS_THREAD)?.saturating_sub(self.spent);
        let wall = self.thread.join();
        let wall = wall.map_err(|_| io::Error::other("the waking thread panicked"))?;
        Ok(Sample {
            count: self.count as f64,
            wall: wall?,
            cpu,
        })
    }
}

const THIS_THREAD: &str = "/proc/thread-self/schedstat";
