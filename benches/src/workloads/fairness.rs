//! What the listing of one client, or the uploads of many, cost another.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Measure, Protection, Workload, crowd, lower};
use crate::statistics::quantile;
use crate::{Client, Site, Target};

pub(super) const LISTING: Workload = Workload {
    name: "noop-beside-listing",
    about: "NOOP on one session while another lists 100,000 entries in a loop",
    protection: Protection::None,
    run: beside_listing,
};

pub(super) const UPLOADS: Workload = Workload {
    name: "noop-beside-uploads",
    about: "NOOP on one session while 300 others STOR 10 MiB each in a loop",
    protection: Protection::None,
    run: beside_uploads,
};

/// How many times fewer NOOPs are sent beside uploads, with [`PAUSE`] before each, so that they
/// spread over the uploads and what is between them.
const FEWER: usize = 25;
const PAUSE: Duration = Duration::from_millis(5);

fn beside_listing(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut lister = Client::login(target)?;
    // Every server has one of the two.
    let line = match lister.download("MLSD many") {
        Ok(_) => "MLSD many",
        Err(_) => "LIST many",
    };
    let list = || lister.download(line).map(drop);
    noops_beside(target, site.scale().noops, Duration::ZERO, list)
}

fn beside_uploads(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut uploads = crowd::uploads_of_all(target, site)?;
    let measured = noops_beside(target, site.scale().noops / FEWER, PAUSE, || {
        site.clear_uploads()?;
        uploads()
    });
    site.clear_uploads()?;
    measured
}

/// How long `count` NOOPs take, with a pause before each, while `disturb` is called again and
/// again.
fn noops_beside(
    target: &Target,
    count: usize,
    pause: Duration,
    mut disturb: impl FnMut() -> io::Result<()> + Send,
) -> io::Result<Vec<Measure>> {
    let mut client = Client::login(target)?;
    let over = AtomicBool::new(false);
    let latencies = thread::scope(|scope| {
        let disturbed = scope.spawn(|| {
            // Once at least, however fast the other is.
            loop {
                disturb()?;
                if over.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
        });
        let latencies = noop_latencies(&mut client, count, pause);
        over.store(true, Ordering::Relaxed);
        let disturbed: io::Result<()> = disturbed.join().unwrap_or(Ok(()));
        disturbed.and(latencies)
    })?;
    Ok(vec![
        lower("NOOP p50", "µs", quantile(&latencies, 0.5)),
        lower("NOOP p99", "µs", quantile(&latencies, 0.99)),
        lower("NOOP maximum", "ms", quantile(&latencies, 1.0) / 1000.0),
    ])
}

/// How long each of `count` NOOPs took, in microseconds, sorted; there is a pause before each.
pub(super) fn noop_latencies(
    client: &mut Client,
    count: usize,
    pause: Duration,
) -> io::Result<Vec<f64>> {
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        if !pause.is_zero() {
            thread::sleep(pause);
        }
        let start = Instant::now();
        client.command("NOOP", 200)?;
        latencies.push(start.elapsed().as_secs_f64() * 1e6);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}
