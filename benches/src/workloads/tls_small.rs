//! Files of 4 KiB, each over its own passive connection under TLS.
//!
//! A client that resumes makes the handshakes of data connections short. Some servers ask for that,
//! as proof that both connections are the same client's; no server does here, so that the cost of
//! full handshakes can be measured too.

use std::io;

use super::small::{SIZE, measures};
use super::{Measure, Protection, Stopwatch, Workload, repeat};
use crate::site::SMALL_FILES;
use crate::tls::Tickets;
use crate::{Client, Site, Target};

pub(super) const DOWNLOAD: Workload = Workload {
    name: "tls-small-download",
    about: "RETR of 4 KiB files over TLS on one session, EPSV each, sessions resumed",
    protection: Protection::Data,
    run: |target, site| resumed(target, site, download),
};

pub(super) const UPLOAD: Workload = Workload {
    name: "tls-small-upload",
    about: "STOR of 4 KiB files over TLS on one session, EPSV each, sessions resumed",
    protection: Protection::Data,
    run: |target, site| resumed(target, site, upload),
};

pub(super) const DOWNLOAD_FULL: Workload = Workload {
    name: "tls-small-download-full",
    about: "RETR of 4 KiB files over TLS on one session, EPSV and full handshake each",
    protection: Protection::Data,
    run: |target, site| full(target, site, download),
};

pub(super) const UPLOAD_FULL: Workload = Workload {
    name: "tls-small-upload-full",
    about: "STOR of 4 KiB files over TLS on one session, EPSV and full handshake each",
    protection: Protection::Data,
    run: |target, site| full(target, site, upload),
};

/// Moves the file of a number; whether its connection resumed a session.
type Transfer = fn(&mut Client, usize) -> io::Result<bool>;

fn full(target: &Target, site: &Site, transfer: Transfer) -> io::Result<Vec<Measure>> {
    let mut client = Client::login_private(target)?;
    transfers(&mut client, target, site, transfer, false)
}

fn resumed(target: &Target, site: &Site, transfer: Transfer) -> io::Result<Vec<Measure>> {
    let tls = target.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    let (tls, tickets) = tls.resuming();
    let target = Target {
        tls: Some(tls),
        ..target.clone()
    };
    let mut client = Client::login_private(&target)?;
    collect(&mut client, site, &tickets)?;
    transfers(&mut client, &target, site, transfer, true)
}

/// Downloads until there are tickets for all transfers to come: a server may give none to a client
/// that uploads.
///
/// Some give more than one to a client that resumed, and others only to one that did not. A server
/// that does neither is left with what it gives during the transfers.
fn collect(client: &mut Client, site: &Site, tickets: &Tickets) -> io::Result<()> {
    let count = site.scale().small_files;
    for kept in [false, true] {
        tickets.keep(kept);
        for index in 0..count {
            match tickets.left() {
                Some(left) if left < count => {
                    download(client, index)?;
                    if tickets.left() <= Some(left) && index > 0 {
                        break;
                    }
                }
                _ => break,
            }
        }
    }
    tickets.keep(false);
    Ok(())
}

fn transfers(
    client: &mut Client,
    target: &Target,
    site: &Site,
    transfer: Transfer,
    resumes: bool,
) -> io::Result<Vec<Measure>> {
    site.clear_uploads()?;
    let watch = Stopwatch::start(target)?;
    let mut others = 0;
    let count = repeat(site.scale().small_files, |index| {
        others += usize::from(transfer(client, index)? != resumes);
        Ok(())
    })?;
    let measures = measures(count, watch)?;
    site.clear_uploads()?;
    match others {
        0 => {}
        _ if resumes && others == count => {
            return Err(io::Error::other(
                "it resumes no session on data connections",
            ));
        }
        _ => {
            let what = if resumes { "full" } else { "resumed" };
            let told = format!("{others} of {count} handshakes were {what} ones");
            return Err(io::Error::other(told));
        }
    }
    Ok(measures)
}

fn download(client: &mut Client, index: usize) -> io::Result<bool> {
    let line = format!("RETR small/{:02}", index % SMALL_FILES);
    let (bytes, resumed) = client.read_private(&line)?;
    if bytes as u64 != SIZE {
        return Err(io::Error::other(format!("{bytes} bytes came")));
    }
    Ok(resumed)
}

fn upload(client: &mut Client, index: usize) -> io::Result<bool> {
    let line = format!("STOR in/{:02}", index % SMALL_FILES);
    client.write_private(&line, &[b'f'; SIZE as usize])
}
