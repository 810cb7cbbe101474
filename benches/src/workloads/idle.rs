//! Sessions that do nothing.

use std::io;
use std::thread;
use std::time::Duration;

use super::fairness::noop_latencies;
use super::{AT_ONCE, Measure, Protection, Stopwatch, Workload, lower, turned_away};
use crate::statistics::quantile;
use crate::{Client, Site, Swarm, Target};

pub(super) const IDLE: Workload = Workload {
    name: "idle",
    about: "10,000 sessions log in, 16 at a time, and stay; NOOP on one more",
    protection: Protection::None,
    run: idle,
};

/// How long nothing is done.
const REST: Duration = Duration::from_secs(2);

fn idle(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let scale = site.scale();
    let mut client = Client::login(target)?;
    let alone = noop_latencies(&mut client, scale.noops)?;
    let before = target.process.memory()?;
    let mut swarm = Swarm::new(target, site)?;
    let acts = swarm.login_acts();
    let watch = Stopwatch::start(target)?;
    let outcome = swarm.add(scale.idle, AT_ONCE, &acts)?;
    let (wall, _) = watch.stop()?;
    if swarm.is_empty() {
        return Err(swarm.failure(outcome));
    }
    let grown = target.process.memory()?.saturating_sub(before);
    let watch = Stopwatch::start(target)?;
    thread::sleep(REST);
    let (rest, cpu) = watch.stop()?;
    let beside = noop_latencies(&mut client, scale.noops)?;
    let (p99, p99_alone) = (quantile(&beside, 0.99), quantile(&alone, 0.99));
    Ok(vec![
        lower("login time", "s", wall),
        turned_away(&swarm, outcome),
        lower(
            "server PSS",
            "KiB/session",
            grown as f64 / 1024.0 / swarm.len() as f64,
        ),
        lower("server CPU at rest", "%", cpu / rest * 100.0),
        lower("NOOP p99", "µs", p99),
        lower("NOOP p99 over one session's", "×", p99 / p99_alone),
    ])
}
