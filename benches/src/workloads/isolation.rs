//! What one client's trouble costs a hundred others.
//!
//! The hundred take turns, and then do all at once what keeps every processor busy. In turn, each
//! waits for the system to wake the server up, which takes several times as long where processors
//! fall asleep or the scheduler moves the server, and less where a disturbance keeps one awake. All
//! at once, only the work counts. Undisturbed and disturbed spans alternate.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{AT_ONCE, Measure, Protection, Workload, higher, lower};
use crate::servers::DISTURBER;
use crate::site::SMALL_FILES;
use crate::statistics::{Spread, quantile};
use crate::{Act, Client, Site, Swarm, Target};

pub(super) const SLOW_READER: Workload = Workload {
    name: "slow-reader",
    about: "NOOP and RETR of 4 KiB on 100 sessions, beside 10 clients that do not read",
    protection: Protection::None,
    run: |target, site| compare(target, site, 1, &slow_readers),
};

pub(super) const SLOW_DISK: Workload = Workload {
    name: "slow-disk",
    about: "NOOP and RETR of 4 KiB on 100 sessions, beside 16 on a disk of 50 ms per call",
    protection: Protection::None,
    run: |target, site| compare(target, site, 16, &slow_disk),
};

pub(super) const HASHED_LOGINS: Workload = Workload {
    name: "hashed-logins",
    about: "NOOP and RETR of 4 KiB on 100 sessions, beside logins that hash a password",
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
    /// Files per second in turn, of each span.
    rates: Vec<f64>,
    /// The same of all at once.
    rates_at_once: Vec<f64>,
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
    let mut swarm = Swarm::new(target, site)?;
    let mut acts = swarm.login_acts();
    acts.push(Act::Command("TYPE I".into(), 200));
    swarm.add(ACTIVE, AT_ONCE, &acts)?;
    let mut span = |seen: &mut Seen| {
        in_turn(&mut clients, site.scale().noops.div_ceil(PAIRS), seen)?;
        at_once(&mut swarm, site.scale().small_files.div_ceil(ACTIVE), seen)
    };
    // The first span of all finds nothing warm.
    span(&mut Seen::default())?;
    let (mut alone, mut beside) = (Seen::default(), Seen::default());
    for _ in 0..PAIRS {
        span(&mut alone)?;
        disturbed(target, threads, disturb, || span(&mut beside))?;
    }
    alone.noops.sort_by(f64::total_cmp);
    beside.noops.sort_by(f64::total_cmp);
    let median = |samples: &[f64]| Spread::of(samples).map_or(f64::NAN, |spread| spread.median);
    let ratio = |beside: &[f64], alone: &[f64]| {
        let ratios = beside.iter().zip(alone);
        median(
            &ratios
                .map(|(beside, alone)| beside / alone)
                .collect::<Vec<_>>(),
        )
    };
    let (at_once, alone_at_once) = (&beside.rates_at_once, &alone.rates_at_once);
    let p99 = |seen: &Seen| quantile(&seen.noops, 0.99);
    Ok(vec![
        higher("rate at once beside", "files/s", median(at_once)),
        higher(
            "rate at once beside over alone",
            "×",
            ratio(at_once, alone_at_once),
        ),
        higher("rate in turn beside", "files/s", median(&beside.rates)),
        higher(
            "rate in turn beside over alone",
            "×",
            ratio(&beside.rates, &alone.rates),
        ),
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
fn in_turn(clients: &mut [Client], steps: usize, seen: &mut Seen) -> io::Result<()> {
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

/// So many steps on each session, on all at the same time.
fn at_once(swarm: &mut Swarm<'_>, steps: usize, seen: &mut Seen) -> io::Result<()> {
    let step = |step: usize| {
        let line = format!("RETR small/{:02}", step % SMALL_FILES);
        [Act::Command("NOOP".into(), 200), Act::Download(line)]
    };
    let acts: Vec<Act> = (0..steps).flat_map(step).collect();
    let outcome = swarm.perform(&acts)?;
    if outcome.done < ACTIVE {
        return Err(swarm.failure(outcome));
    }
    let files = (ACTIVE * steps) as f64;
    seen.rates_at_once
        .push(files / outcome.elapsed.as_secs_f64());
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
