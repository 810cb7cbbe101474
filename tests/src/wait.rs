//! Waiting for something to become true, and giving up at last.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before its test has failed. No test is right because of it: it only
/// ends those that would hang.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds, which no message tells of.
///
/// # Panics
///
/// It never does; `what` says what was waited for.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Descriptors this process has open.
///
/// # Panics
///
/// The system does not tell.
pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A number from `/proc/self/status`, such as `VmRSS` (KiB) or, in hexadecimal, `SigCgt`.
///
/// # Panics
///
/// The system does not tell.
pub fn process_status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let value = line.and_then(|line| line.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").to_owned()
}
