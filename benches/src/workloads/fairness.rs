//! What one client's listing costs another.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::{Measure, Protection, Workload, lower};
use crate::statistics::quantile;
use crate::{Client, Site, Target};

pub(super) const LISTING: Workload = Workload {
    name: "noop-beside-listing",
    about: "NOOP on one session while another lists 100,000 entries in a loop",
    protection: Protection::None,
    run: beside_listing,
};

fn beside_listing(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut client = Client::login(target)?;
    let mut lister = Client::login(target)?;
    // Every server has one of the two.
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
