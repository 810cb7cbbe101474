//! A large directory.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Measure, Protection, Stopwatch, Workload, lower};
use crate::{Client, Site, Target};

pub(super) const MLSD: Workload = Workload {
    name: "mlsd",
    about: "MLSD of 100,000 entries",
    protection: Protection::None,
    run: |target, site| list(target, site, "MLSD many"),
};

pub(super) const LIST: Workload = Workload {
    name: "list",
    about: "LIST of 100,000 entries",
    protection: Protection::None,
    run: |target, site| list(target, site, "LIST many"),
};

/// Time between looks at the memory.
const LOOK: Duration = Duration::from_millis(2);

fn list(target: &Target, site: &Site, line: &str) -> io::Result<Vec<Measure>> {
    let mut client = Client::login(target)?;
    let watch = Stopwatch::start(target)?;
    let bytes = client.download(line)?;
    let (wall, cpu) = watch.stop()?;
    if bytes < site.scale().entries as u64 {
        return Err(io::Error::other(format!("{bytes} bytes came")));
    }
    let before = target.process.memory()?;
    // Once more: looking at the memory takes time from the server.
    let peak = peak_memory(target, || client.download(line).map(drop))?;
    Ok(vec![
        lower("time", "s", wall),
        lower("server CPU", "s", cpu),
        lower(
            "memory over idle",
            "MB",
            peak.saturating_sub(before) as f64 / 1e6,
        ),
    ])
}

/// The most memory that was seen in use during `work`.
fn peak_memory(target: &Target, work: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
    let over = AtomicBool::new(false);
    let process = target.process;
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peak = 0;
            while !over.load(Ordering::Relaxed) {
                peak = process.memory()?.max(peak);
                thread::sleep(LOOK);
            }
            Ok(peak)
        });
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        let peak = watcher.join().unwrap_or(Ok(0));
        outcome.and(peak)
    })
}
