//! One large file, one stream, under TLS.

use std::io;

use super::bulk::{TIMES, measures, uploads};
use super::{Measure, Protection, Stopwatch, Workload, repeat};
use crate::tls::prepare;
use crate::{Client, Site, Target};

pub(super) const DOWNLOAD: Workload = Workload {
    name: "tls-download",
    about: "RETR of one large file over TLS, one stream",
    protection: Protection::Data,
    run: download,
};

pub(super) const UPLOAD: Workload = Workload {
    name: "tls-upload",
    about: "STOR of one large file over TLS, one stream",
    protection: Protection::Data,
    run: upload,
};

/// After the handshake the kernel drops the records: what it would cost to open them is the
/// client's.
fn download(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let bytes = site.scale().bulk_bytes;
    let mut client = Client::login_private(target)?;
    let watch = Stopwatch::start(target)?;
    let times = repeat(TIMES, |_| {
        match client.download_private("RETR big", bytes)? {
            true => Ok(()),
            false => Err(io::Error::other(format!("less than {bytes} bytes came"))),
        }
    })?;
    let (wall, cpu) = watch.stop()?;
    Ok(measures(bytes * times as u64, wall, cpu))
}

/// All records are made after the handshake and before the clock starts.
fn upload(target: &Target, site: &Site) -> io::Result<Vec<Measure>> {
    let bytes = site.scale().bulk_bytes;
    let mut client = Client::login_private(target)?;
    uploads(site, |laps| {
        let mut data = client.begin_private("STOR in/big")?;
        let mut records = tempfile::tempfile_in(site.root())?;
        let tls = data.tls_mut().ok_or(io::ErrorKind::Unsupported)?;
        prepare(tls, &mut site.whole_source()?, bytes, &mut records)?;
        let size = records.metadata()?.len();
        let watch = Stopwatch::start(target)?;
        client.finish_upload(data.socket(), &records, size)?;
        laps.add(watch)
    })
}
