//! Sessions that do nothing.

use std::io;
use std::thread;
use std::time::Duration;

use super::fairness::noop_latencies;
use super::{AT_ONCE, Measure, Protection, Stopwatch, Workload, higher, lower, turned_away};
use crate::room::most_sessions;
use crate::statistics::quantile;
use crate::{Client, Outcome, Site, Swarm, Target};

pub(super) const IDLE: Workload = Workload {
    name: "idle",
    about: "sessions log in, 16 at a time, and stay; NOOP on one more",
    protection: Protection::None,
    run: |target, site| idle(target, site, site.scale().idle),
};

pub(super) const MANY: Workload = Workload {
    name: "idle-many",
    about: "five times as many idle sessions, of servers that do not fork",
    protection: Protection::None,
    run: |target, site| idle(target, site, site.scale().idle * 5),
};

/// How long nothing is done.
const REST: Duration = Duration::from_secs(3);

/// Parts in which the sessions come: if the last takes longer than the first, the time is not
/// linear.
const PARTS: usize = 5;

pub(super) fn idle(target: &Target, site: &Site, wanted: usize) -> io::Result<Vec<Measure>> {
    let scale = site.scale();
    let count = wanted.min(most_sessions(target)?);
    let mut client = Client::login(target)?;
    let alone = noop_latencies(&mut client, scale.noops, Duration::ZERO)?;
    let before = target.process.memory()?;
    let mut swarm = Swarm::new(target, site)?;
    let acts = swarm.login_acts();
    let mut times = Vec::with_capacity(PARTS);
    let mut failed = 0;
    for part in 0..PARTS {
        let sessions = count * (part + 1) / PARTS - count * part / PARTS;
        let outcome = swarm.add(sessions, AT_ONCE, &acts)?;
        times.push(outcome.elapsed.as_secs_f64());
        failed += outcome.failed;
    }
    let elapsed = Duration::from_secs_f64(times.iter().sum());
    let done = swarm.len();
    let outcome = Outcome {
        elapsed,
        done,
        failed,
    };
    if done == 0 {
        return Err(swarm.failure(outcome));
    }
    let grown = target.process.memory()?.saturating_sub(before);
    let watch = Stopwatch::start(target)?;
    thread::sleep(REST);
    let (rest, cpu) = watch.stop()?;
    let beside = noop_latencies(&mut client, scale.noops, Duration::ZERO)?;
    let (p99, p99_alone) = (quantile(&beside, 0.99), quantile(&alone, 0.99));
    let seconds = elapsed.as_secs_f64();
    Ok(vec![
        higher("that stay", "sessions", done as f64),
        turned_away(&swarm, outcome),
        lower("login time", "s", seconds),
        lower("login time of 1,000", "ms", seconds * 1e6 / done as f64),
        lower(
            "last fifth of the logins over the first",
            "×",
            times[PARTS - 1] / times[0],
        ),
        lower(
            "server PSS",
            "KiB/session",
            grown as f64 / 1024.0 / done as f64,
        ),
        lower("server CPU at rest", "%", cpu / rest * 100.0),
        lower("NOOP p50", "µs", quantile(&beside, 0.5)),
        lower("NOOP p99", "µs", p99),
        lower("NOOP p99 over one session's", "×", p99 / p99_alone),
    ])
}
