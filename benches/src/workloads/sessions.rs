//! Sessions that come and go.

use std::io;

use super::{
    AT_ONCE, Measure, Protection, Stopwatch, Workload, higher, lower, micros_each, repeat,
    turned_away,
};
use crate::{Act, Outcome, Site, Swarm, Target};

pub(super) const SESSIONS: Workload = Workload {
    name: "sessions",
    about: "connect, login, PWD, QUIT; 16 sessions at once",
    protection: Protection::None,
    run: sessions,
};

/// Parts of a sample, after each of which that of a slow server may be cut short.
const BATCHES: usize = 10;

pub(super) fn sessions(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut swarm = Swarm::new(target, site)?;
    let mut acts = swarm.login_acts();
    acts.push(Act::Command("PWD".into(), 257));
    acts.push(Act::Quit);
    let watch = Stopwatch::start(target)?;
    let mut outcome = Outcome::default();
    repeat(BATCHES, |_| {
        let more = swarm.add(site.scale().sessions / BATCHES, AT_ONCE, &acts)?;
        outcome.done += more.done;
        outcome.failed += more.failed;
        Ok(())
    })?;
    let (wall, cpu) = watch.stop()?;
    if outcome.done == 0 {
        return Err(swarm.failure(outcome));
    }
    Ok(vec![
        higher("rate", "sessions/s", outcome.done as f64 / wall),
        lower("server CPU", "µs/session", micros_each(cpu, outcome.done)),
        turned_away(&swarm, outcome),
    ])
}
