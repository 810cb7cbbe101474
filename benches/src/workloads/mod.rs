//! What is measured.
//!
//! Each workload is one function over a server that was just started and serves this benchmark
//! alone.

mod bulk;
mod crowd;
mod fairness;
mod idle;
mod isolation;
mod listing;
mod sessions;
mod small;
mod tls_bulk;
mod tls_sessions;
mod tls_small;

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{Outcome, Process, Site, Spread, Swarm, Target};

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name in options and file names.
    pub name: &'static str,
    /// What is done, for the reader of a table.
    pub about: &'static str,
    /// What is under TLS.
    pub protection: Protection,
    /// Does it once.
    pub run: fn(&Target, &Site) -> io::Result<Vec<Measure>>,
}

impl Workload {
    /// Whether the server has to speak TLS.
    pub fn is_secure(&self) -> bool {
        self.protection != Protection::None
    }
}

/// What is under TLS. The enum is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protection {
    /// Nothing.
    None,
    /// The control connection.
    Control,
    /// The control connection and data connections.
    Data,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// What it is.
    pub what: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// The figure.
    pub value: f64,
    /// What explains it, for the foot of the table.
    pub note: Option<String>,
}

/// Which way is better. The enum is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More of it.
    Higher,
    /// Less of it.
    Lower,
}

/// How much of everything.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scale {
    /// Bytes of the one large file.
    pub bulk_bytes: u64,
    /// Files transferred one after the other, of 4 KiB each.
    pub small_files: usize,
    /// Sessions that come and go.
    pub sessions: usize,
    /// Clients of pyftpdlib's own table.
    pub crowd: usize,
    /// Bytes that each of them transfers.
    pub crowd_bytes: u64,
    /// Sessions that do nothing.
    pub idle: usize,
    /// Entries of the large directory.
    pub entries: usize,
    /// Commands whose latency is taken.
    pub noops: usize,
}

impl Scale {
    /// The sizes of the published table.
    pub const FULL: Self = Self {
        bulk_bytes: 1 << 30,
        small_files: 5000,
        sessions: 10_000,
        crowd: 300,
        crowd_bytes: 10 << 20,
        idle: 10_000,
        entries: 100_000,
        noops: 5000,
    };

    /// Enough to see that everything works.
    pub const SHORT: Self = Self {
        bulk_bytes: 64 << 20,
        small_files: 200,
        sessions: 200,
        crowd: 30,
        crowd_bytes: 1 << 20,
        idle: 200,
        entries: 5000,
        noops: 300,
    };
}

/// Every workload, in the order of the table.
pub const WORKLOADS: &[Workload] = &[
    bulk::DOWNLOAD,
    bulk::UPLOAD,
    small::DOWNLOAD,
    small::UPLOAD,
    small::MANY_SESSIONS,
    sessions::SESSIONS,
    crowd::LOGINS,
    crowd::BESIDE,
    crowd::DOWNLOADS,
    crowd::UPLOADS,
    idle::IDLE,
    idle::MANY,
    listing::MLSD,
    listing::LIST,
    fairness::LISTING,
    fairness::UPLOADS,
    isolation::SLOW_READER,
    isolation::SLOW_DISK,
    isolation::HASHED_LOGINS,
    tls_bulk::DOWNLOAD,
    tls_bulk::UPLOAD,
    tls_small::DOWNLOAD,
    tls_small::DOWNLOAD_FULL,
    tls_small::UPLOAD,
    tls_small::UPLOAD_FULL,
    tls_sessions::SESSIONS,
    tls_sessions::IDLE,
];

/// Logins in progress at a time: a burst of more overflows the queue of a listener, vsftpd's of 32
/// for one, and then it is the kernel's patience that is measured.
const AT_ONCE: usize = 16;

fn higher(what: &'static str, unit: &'static str, value: f64) -> Measure {
    Measure {
        what,
        unit,
        better: Better::Higher,
        value,
        note: None,
    }
}

fn lower(what: &'static str, unit: &'static str, value: f64) -> Measure {
    Measure {
        better: Better::Lower,
        ..higher(what, unit, value)
    }
}

/// How many clients the server turned away, and with what words.
fn turned_away(swarm: &Swarm<'_>, outcome: Outcome) -> Measure {
    Measure {
        note: swarm.reasons(),
        ..lower("turned away", "sessions", outcome.failed as f64)
    }
}

/// How long a sample may take before it is cut short.
const LONG_ENOUGH: Duration = Duration::from_secs(5);

/// Does something up to `most` times, but begins no more once it has taken [`LONG_ENOUGH`]; tells
/// how often it was done.
fn repeat(most: usize, mut act: impl FnMut(usize) -> io::Result<()>) -> io::Result<usize> {
    let start = Instant::now();
    for index in 0..most {
        if start.elapsed() >= LONG_ENOUGH {
            return Ok(index);
        }
        act(index)?;
    }
    Ok(most)
}

/// A clock of the wall and of the server's processors.
struct Stopwatch {
    process: Process,
    cpu: Duration,
    start: Instant,
}

impl Stopwatch {
    fn start(target: &Target) -> io::Result<Self> {
        Ok(Self {
            process: target.process,
            cpu: target.process.cpu()?,
            start: Instant::now(),
        })
    }

    /// Seconds of the wall, and of the server's processors.
    fn stop(self) -> io::Result<(f64, f64)> {
        let wall = self.start.elapsed();
        let cpu = self.process.cpu()?.saturating_sub(self.cpu);
        Ok((wall.as_secs_f64(), cpu.as_secs_f64()))
    }
}

/// What something took each time that it was done in a sample.
#[derive(Default)]
struct Laps {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

impl Laps {
    fn add(&mut self, watch: Stopwatch) -> io::Result<()> {
        let (wall, cpu) = watch.stop()?;
        self.wall.push(wall);
        self.cpu.push(cpu);
        Ok(())
    }
}

/// Does something like an upload once that does not count, and then up to `most` times; the seconds
/// of the wall and of the server's processors that it took in the middle.
///
/// Uploads need memory, and a virtual machine may give its host back what was free for a second or
/// two: the next user of it waits for the host, several times as long as for the upload itself.
/// That happens the first time, and now and then later, which the median leaves out.
fn laps(most: usize, mut lap: impl FnMut(&mut Laps) -> io::Result<()>) -> io::Result<(f64, f64)> {
    lap(&mut Laps::default())?;
    let mut laps = Laps::default();
    repeat(most, |_| lap(&mut laps))?;
    let median = |seconds: &[f64]| Spread::of(seconds).map_or(f64::NAN, |spread| spread.median);
    Ok((median(&laps.wall), median(&laps.cpu)))
}

/// Microseconds of `seconds`, each of `count` parts.
fn micros_each(seconds: f64, count: usize) -> f64 {
    seconds * 1e6 / count as f64
}

/// Millions of bytes in a second.
fn megabytes_per_second(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds
}
