//! One large file, one stream.

use std::io;

use super::{Measure, Protection, Stopwatch, Workload, higher, lower, megabytes_per_second};
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

fn download(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let mut client = Client::login(target)?;
    let watch = Stopwatch::start(target)?;
    let bytes = client.download("RETR big")?;
    let (wall, cpu) = watch.stop()?;
    if bytes != site.scale().bulk_bytes {
        return Err(io::Error::other(format!("{bytes} bytes came")));
    }
    Ok(measures(bytes, wall, cpu))
}

fn upload(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let bytes = site.scale().bulk_bytes;
    site.clear_uploads()?;
    let mut client = Client::login(target)?;
    let watch = Stopwatch::start(target)?;
    client.upload("STOR in/big", site.source(), bytes)?;
    let (wall, cpu) = watch.stop()?;
    let stored = site.root().join("in/big").metadata()?.len();
    site.clear_uploads()?;
    if stored != bytes {
        return Err(io::Error::other(format!("{stored} bytes were stored")));
    }
    Ok(measures(bytes, wall, cpu))
}

pub(super) fn measures(bytes: u64, wall: f64, cpu: f64) -> Vec<Measure> {
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    vec![
        higher("speed", "MB/s", megabytes_per_second(bytes, wall)),
        lower("server CPU", "s/GiB", cpu / gibibytes),
    ]
}
