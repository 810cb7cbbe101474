//! pyftpdlib's own table: many clients that log in, and transfer at once.

use std::io;

use super::{AT_ONCE, Measure, Protection, Stopwatch, Workload, bulk, laps, lower};
use crate::{Act, Client, Outcome, Site, Swarm, Target};

pub(super) const LOGINS: Workload = Workload {
    name: "crowd-logins",
    about: "300 clients log in, 16 at a time, and stay",
    protection: Protection::None,
    run: logins,
};

pub(super) const BESIDE: Workload = Workload {
    name: "crowd-beside",
    about: "RETR of one large file beside 300 idle sessions",
    protection: Protection::None,
    run: beside,
};

pub(super) const DOWNLOADS: Workload = Workload {
    name: "crowd-downloads",
    about: "300 clients RETR 10 MiB at once",
    protection: Protection::None,
    run: downloads,
};

pub(super) const UPLOADS: Workload = Workload {
    name: "crowd-uploads",
    about: "300 clients STOR 10 MiB at once",
    protection: Protection::None,
    run: uploads,
};

fn logins(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let before = target.process.memory()?;
    let watch = Stopwatch::start(target)?;
    let (swarm, _) = crowd(target, site)?;
    let (wall, cpu) = watch.stop()?;
    let grown = target.process.memory()?.saturating_sub(before);
    Ok(vec![
        lower("time", "s", wall),
        lower("server CPU", "s", cpu),
        lower(
            "server PSS",
            "KiB/session",
            grown as f64 / 1024.0 / swarm.len() as f64,
        ),
    ])
}

fn beside(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let (_swarm, _) = crowd(target, site)?;
    bulk::downloads(&mut Client::login(target)?, target, site)
}

fn downloads(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    transfers(target, site, |_| Act::Download("RETR ten".into()))
}

fn uploads(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    transfers(target, site, |lap| upload(site, lap))
}

/// An upload, with another name in each lap: rclone would remove those that it has seen, and not
/// find them.
fn upload(site: &Site, lap: usize) -> Act {
    Act::Upload(format!("STOR in/{lap}-{{}}"), site.scale().crowd_bytes)
}

/// Logs all clients in, and returns what has each of them upload a file, at once.
pub(super) fn uploads_of_all<'a>(
    target: &'a Target,
    site: &'a Site,
) -> io::Result<impl FnMut() -> io::Result<()> + Send> {
    let (mut swarm, _) = crowd(target, site)?;
    let mut laps = 0..;
    Ok(move || {
        let outcome = swarm.perform(&[upload(site, laps.next().unwrap_or_default())])?;
        match outcome.failed {
            0 => Ok(()),
            _ => Err(swarm.failure(outcome)),
        }
    })
}

/// Has all clients do what `act` returns for the number of the lap.
fn transfers(target: &Target, site: &Site, act: impl Fn(usize) -> Act) -> io::Result<Vec<Measure>> {
    let (mut swarm, _) = crowd(target, site)?;
    let mut number = 0;
    let (wall, cpu) = laps(bulk::TIMES, |laps| {
        // What was uploaded before is not to be overwritten, nor its end to be measured.
        site.clear_uploads()?;
        let acts = [act(number)];
        number += 1;
        let watch = Stopwatch::start(target)?;
        let outcome = swarm.perform(&acts)?;
        laps.add(watch)?;
        match outcome.failed {
            0 => Ok(()),
            _ => Err(swarm.failure(outcome)),
        }
    })?;
    site.clear_uploads()?;
    Ok(vec![
        lower("time", "s", wall),
        lower("server CPU", "s", cpu),
    ])
}

/// The clients, logged in.
fn crowd<'a>(target: &'a Target, site: &'a Site) -> io::Result<(Swarm<'a>, Outcome)> {
    let mut swarm = Swarm::new(target, site)?;
    let mut acts = swarm.login_acts();
    acts.push(Act::Command("TYPE I".into(), 200));
    let count = site.scale().crowd;
    let outcome = swarm.add(count, AT_ONCE, &acts)?;
    if outcome.failed > 0 {
        return Err(swarm.failure(outcome));
    }
    Ok((swarm, outcome))
}
