//! Files of 4 KiB, each over its own passive connection.

use std::io;

use super::{Measure, Protection, Stopwatch, Workload, higher, lower, micros_each, repeat};
use crate::site::SMALL_FILES;
use crate::{Act, Client, Site, Swarm, Target};

pub(super) const DOWNLOAD: Workload = Workload {
    name: "small-download",
    about: "RETR of 4 KiB files on one session, EPSV each",
    protection: Protection::None,
    run: download,
};

pub(super) const UPLOAD: Workload = Workload {
    name: "small-upload",
    about: "STOR of 4 KiB files on one session, EPSV each",
    protection: Protection::None,
    run: upload,
};

pub(super) const MANY_SESSIONS: Workload = Workload {
    name: "small-many",
    about: "RETR of 4 KiB files on 16 sessions at once, EPSV each",
    protection: Protection::None,
    run: many_sessions,
};

pub(super) const SIZE: u64 = 4096;

/// Sessions at once where there is more than one.
const SESSIONS: usize = 16;

fn download(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut client = Client::login(target)?;
    let watch = Stopwatch::start(target)?;
    let count = repeat(site.scale().small_files, |index| {
        match client.download(&format!("RETR small/{:02}", index % SMALL_FILES))? {
            SIZE => Ok(()),
            bytes => Err(io::Error::other(format!("{bytes} bytes came"))),
        }
    })?;
    measures(count, watch)
}

fn upload(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    site.clear_uploads()?;
    let mut client = Client::login(target)?;
    let watch = Stopwatch::start(target)?;
    let count = repeat(site.scale().small_files, |index| {
        let line = format!("STOR in/{:02}", index % SMALL_FILES);
        client.upload(&line, site.source(), SIZE)
    })?;
    let measures = measures(count, watch)?;
    site.clear_uploads()?;
    Ok(measures)
}

fn many_sessions(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut swarm = Swarm::new(target, site)?;
    let mut acts = swarm.login_acts();
    acts.push(Act::Command("TYPE I".into(), 200));
    swarm.add(SESSIONS, SESSIONS, &acts)?;
    let each = site.scale().small_files.div_ceil(SESSIONS);
    let files: Vec<Act> = (0..each)
        .map(|index| Act::Download(format!("RETR small/{:02}", index % SMALL_FILES)))
        .collect();
    let watch = Stopwatch::start(target)?;
    let outcome = swarm.perform(&files)?;
    if outcome.done < SESSIONS {
        return Err(swarm.failure(outcome));
    }
    measures(each * SESSIONS, watch)
}

pub(super) fn measures(count: usize, watch: Stopwatch) -> io::Result<Vec<Measure>> {
    let (wall, cpu) = watch.stop()?;
    Ok(vec![
        higher("rate", "files/s", count as f64 / wall),
        lower("server CPU", "µs/file", micros_each(cpu, count)),
    ])
}
