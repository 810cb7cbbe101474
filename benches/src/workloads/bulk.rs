//! One large file, one stream.

use std::io;

use super::{
    Laps, Measure, Protection, Stopwatch, Workload, higher, laps, lower, megabytes_per_second,
    repeat,
};
use crate::{Client, Site, Target};

pub(super) const DOWNLOAD: Workload = Workload {
    name: "download",
    about: "RETR of one large file, one stream",
    protection: Protection::None,
    run: download,
};

pub(super) const UPLOAD: Workload = Workload {
    name: "upload",
    about: "STOR of one large file, one stream",
    protection: Protection::None,
    run: upload,
};

/// How often the file is moved in one sample: once takes a quarter of a second, in which the
/// scheduler's mood decides.
pub(super) const TIMES: usize = 8;

fn download(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    downloads(&mut Client::login(target)?, target, site)
}

pub(super) fn downloads(
    client: &mut Client,
    target: &Target,
    site: &Site,
) -> io::Result<Vec<Measure>> {
    let size = site.scale().bulk_bytes;
    let watch = Stopwatch::start(target)?;
    let times = repeat(TIMES, |_| match client.download("RETR big")? {
        bytes if bytes == size => Ok(()),
        bytes => Err(io::Error::other(format!("{bytes} bytes came"))),
    })?;
    let (wall, cpu) = watch.stop()?;
    Ok(measures(size * times as u64, wall, cpu))
}

fn upload(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut client = Client::login(target)?;
    uploads(site, |laps| {
        let watch = Stopwatch::start(target)?;
        client.upload("STOR in/big", site.source(), site.scale().bulk_bytes)?;
        laps.add(watch)
    })
}

/// Has `lap` store the large file as `in/big`, again and again.
pub(super) fn uploads(
    site: &Site,
    mut lap: impl FnMut(&mut Laps) -> io::Result<()>,
) -> io::Result<Vec<Measure>> {
    let bytes = site.scale().bulk_bytes;
    let (wall, cpu) = laps(TIMES, |laps| {
        // Each fills pages of its own; that the last ones are given back is not the server's cost.
        site.clear_uploads()?;
        lap(laps)?;
        match site.root().join("in/big").metadata()?.len() {
            stored if stored == bytes => Ok(()),
            stored => Err(io::Error::other(format!("{stored} bytes were stored"))),
        }
    })?;
    site.clear_uploads()?;
    Ok(measures(bytes, wall, cpu))
}

pub(super) fn measures(bytes: u64, wall: f64, cpu: f64) -> Vec<Measure> {
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    vec![
        higher("speed", "MB/s", megabytes_per_second(bytes, wall)),
        lower("server CPU", "s/GiB", cpu / gibibytes),
    ]
}
