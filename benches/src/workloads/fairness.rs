//! What one client's work costs another.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::{AT_ONCE, Measure, Protection, Stopwatch, Workload, higher, lower};
use crate::site::SMALL_FILES;
use crate::statistics::quantile;
use crate::{Act, Client, Site, Swarm, Target};

pub(super) const LISTING: Workload = Workload {
    name: "noop-beside-listing",
    about: "NOOP on one session while another lists 100,000 entries in a loop",
    protection: Protection::None,
    run: beside_listing,
};

pub(super) const SLOW_READER: Workload = Workload {
    name: "slow-reader",
    about: "RETR of 4 KiB files on 100 sessions, alone and beside clients that do not read",
    protection: Protection::None,
    run: beside_slow_readers,
};

/// Active sessions beside the slow ones.
const ACTIVE: usize = 100;

/// Clients that ask for a large file and do not read it.
const SLOW: usize = 10;

fn beside_listing(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut client = Client::login(target)?;
    let mut lister = Client::login(target)?;
    // Nobody lacks one of the two.
    let line = match lister.download("MLSD many") {
        Ok(_) => "MLSD many",
        Err(_) => "LIST many",
    };
    let over = AtomicBool::new(false);
    let latencies = thread::scope(|scope| {
        let lists = scope.spawn(|| {
            // One list at least, however fast the other is.
            loop {
                lister.download(line)?;
                if over.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
        });
        let latencies = noop_latencies(&mut client, site.scale().noops);
        over.store(true, Ordering::Relaxed);
        let listed: io::Result<()> = lists.join().unwrap_or(Ok(()));
        listed.and(latencies)
    })?;
    Ok(vec![
        lower("NOOP p50", "µs", quantile(&latencies, 0.5)),
        lower("NOOP p99", "µs", quantile(&latencies, 0.99)),
        lower("NOOP maximum", "ms", quantile(&latencies, 1.0) / 1000.0),
    ])
}

fn beside_slow_readers(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut swarm = Swarm::new(target, site)?;
    let mut acts = swarm.login_acts();
    acts.push(Act::Command("TYPE I".into(), 200));
    swarm.add(ACTIVE, AT_ONCE, &acts)?;
    let alone = small_files(target, site, &mut swarm)?;
    let mut held = Vec::with_capacity(SLOW);
    for _ in 0..SLOW {
        let mut client = Client::login(target)?;
        let data = client.begin("RETR big")?;
        held.push((client, data));
    }
    let beside = small_files(target, site, &mut swarm)?;
    Ok(vec![
        higher("rate beside", "files/s", beside),
        higher("rate beside over alone", "×", beside / alone),
    ])
}

/// Files in a second.
fn small_files(target: &Target, site: &Site, swarm: &mut Swarm<'_>) -> io::Result<f64> {
    let each = site.scale().small_files.div_ceil(ACTIVE);
    let files: Vec<Act> = (0..each)
        .map(|index| Act::Download(format!("RETR small/{:02}", index % SMALL_FILES)))
        .collect();
    let watch = Stopwatch::start(target)?;
    let outcome = swarm.perform(&files)?;
    if outcome.failed > 0 {
        return Err(swarm.failure(outcome));
    }
    Ok((each * outcome.done) as f64 / watch.stop()?.0)
}

/// How long each of `count` NOOPs took, in microseconds, sorted.
pub(super) fn noop_latencies(client: &mut Client, count: usize) -> io::Result<Vec<f64>> {
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        client.command("NOOP", 200)?;
        latencies.push(start.elapsed().as_secs_f64() * 1e6);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}
