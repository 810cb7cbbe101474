//! What one client's trouble costs a hundred others.
//!
//! The hundred take turns, so that both processors of a small machine have room for the trouble:
//! what is measured is whether one client has to wait for another, not which gets a processor.
//! Undisturbed and disturbed spans alternate.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Measure, Protection, Workload, higher, lower};
use crate::servers::DISTURBER;
use crate::site::SMALL_FILES;
use crate::statistics::{Spread, quantile};
use crate::{Client, Site, Target};

pub(super) const SLOW_READER: Workload = Workload {
    name: "slow-reader",
    about: "NOOP and RETR of 4 KiB on 100 sessions in turn, beside 10 clients that do not read",
    protection: Protection::None,
    run: |target, site| compare(target, site, 1, &slow_readers),
};

pub(super) const SLOW_DISK: Workload = Workload {
    name: "slow-disk",
    about: "NOOP and RETR of 4 KiB on 100 sessions in turn, beside 16 on a disk of 50 ms per call",
    protection: Protection::None,
    run: |target, site| compare(target, site, 16, &slow_disk),
};

pub(super) const HASHED_LOGINS: Workload = Workload {
    name: "hashed-logins",
    about: "NOOP and RETR of 4 KiB on 100 sessions in turn, beside logins that hash a password",
    protection: Protection::None,
    run: |target, site| compare(target, site, 1, &hashed_logins),
};

/// Sessions that are to be undisturbed.
const ACTIVE: usize = 100;

/// Clients that ask for a large file and do not read it.
const SLOW: usize = 10;

/// Undisturbed spans, each followed by a disturbed one.
const PAIRS: usize = 8;

/// What was seen in spans of one kind.
#[derive(Default)]
struct Seen {
    /// Files per second, of each span.
    rates: Vec<f64>,
    /// Microseconds, of all spans.
    noops: Vec<f64>,
}

/// What the disturbing threads and the others tell each other.
#[derive(Default)]
struct Stage {
    ready: AtomicUsize,
    over: AtomicBool,
}

impl Stage {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

type Disturb<'a> = dyn Fn(&Target, &Stage) -> io::Result<()> + Sync + 'a;

fn compare(
    target: &Target,
    site: &Site,
    threads: usize,
    disturb: &Disturb<'_>,
) -> io::Result<Vec<Measure>> {
    let clients: io::Result<Vec<Client>> = (0..ACTIVE).map(|_| Client::login(target)).collect();
    let mut clients = clients?;
    let steps = site.scale().noops.div_ceil(PAIRS);
    // The first span of all finds nothing warm.
    span(&mut clients, steps, &mut Seen::default())?;
    let (mut alone, mut beside) = (Seen::default(), Seen::default());
    for _ in 0..PAIRS {
        span(&mut clients, steps, &mut alone)?;
        disturbed(target, threads, disturb, || {
            span(&mut clients, steps, &mut beside)
        })?;
    }
    alone.noops.sort_by(f64::total_cmp);
    beside.noops.sort_by(f64::total_cmp);
    let ratios = beside.rates.iter().zip(&alone.rates);
    let ratios: Vec<f64> = ratios.map(|(beside, alone)| beside / alone).collect();
    let median = |samples: &[f64]| Spread::of(samples).map_or(f64::NAN, |spread| spread.median);
    let p99 = |seen: &Seen| quantile(&seen.noops, 0.99);
    Ok(vec![
        higher("rate beside", "files/s", median(&beside.rates)),
        higher("rate beside over alone", "×", median(&ratios)),
        lower("NOOP p50 beside", "µs", quantile(&beside.noops, 0.5)),
        lower("NOOP p99 beside", "µs", p99(&beside)),
        lower(
            "NOOP p99 beside over alone",
            "×",
            p99(&beside) / p99(&alone),
        ),
    ])
}

/// One step after the other, each on the next session: a NOOP, whose time is taken, and a file.
fn span(clients: &mut [Client], steps: usize, seen: &mut Seen) -> io::Result<()> {
    let start = Instant::now();
    let count = clients.len();
    for step in 0..steps {
        let client = &mut clients[step % count];
        let asked = Instant::now();
        client.command("NOOP", 200)?;
        seen.noops.push(asked.elapsed().as_secs_f64() * 1e6);
        client.download(&format!("RETR small/{:02}", step % SMALL_FILES))?;
    }
    seen.rates
        .push(steps as f64 / start.elapsed().as_secs_f64());
    Ok(())
}

/// Does `work` while that many threads disturb, and ends them.
fn disturbed(
    target: &Target,
    threads: usize,
    disturb: &Disturb<'_>,
    work: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let stage = Stage::default();
    thread::scope(|scope| {
        let disturbers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let outcome = disturb(target, &stage);
                    // One that failed is not waited for.
                    stage.ready.fetch_add(1, Ordering::Relaxed);
                    outcome
                })
            })
            .collect();
        while stage.ready.load(Ordering::Relaxed) < threads {
            thread::sleep(Duration::from_millis(1));
        }
        let outcome = work();
        stage.over.store(true, Ordering::Relaxed);
        let ends = disturbers.into_iter().map(|one| {
            one.join()
                .unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
        });
        ends.fold(outcome, io::Result::and)
    })
}

fn slow_readers(target: &Target, stage: &Stage) -> io::Result<()> {
    let mut held = Vec::with_capacity(SLOW);
    for _ in 0..SLOW {
        let mut client = Client::login(target)?;
        let data = client.begin("RETR big")?;
        held.push((client, data));
    }
    stage.ready.fetch_add(1, Ordering::Relaxed);
    while !stage.is_over() {
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn slow_disk(target: &Target, stage: &Stage) -> io::Result<()> {
    let mut client = Client::connect(target)?;
    client.authenticate(DISTURBER, &target.password)?;
    client.command("TYPE I", 200)?;
    stage.ready.fetch_add(1, Ordering::Relaxed);
    while !stage.is_over() {
        client.command("SIZE big", 213)?;
        client.download("RETR small/00")?;
    }
    Ok(())
}

fn hashed_logins(target: &Target, stage: &Stage) -> io::Result<()> {
    stage.ready.fetch_add(1, Ordering::Relaxed);
    while !stage.is_over() {
        let mut client = Client::connect(target)?;
        client.authenticate(DISTURBER, &target.password)?;
    }
    Ok(())
}
