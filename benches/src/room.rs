//! How many sessions a machine has room for.

use std::fs;
use std::io;

use crate::Target;
use crate::process::kilobytes;

/// Descriptors for all that is not an idle session.
const OTHER_DESCRIPTORS: u64 = 200;

/// What a process takes of the memory at most, with its tables in the kernel.
const PROCESS_BYTES: u64 = 1 << 20;

/// The most sessions that can be held by this process and served by `target`: both have so many
/// descriptors, and where each session is a process, half of the memory that is available and a
/// quarter of the numbers for processes are to suffice, since some servers use two for each.
pub(crate) fn most_sessions(target: &Target) -> io::Result<usize> {
    let (_, descriptors) = ftpdlib_sys::raise_descriptor_limit()?;
    let mut most = descriptors.saturating_sub(OTHER_DESCRIPTORS);
    if target.process_per_session {
        let memory = kilobytes(&fs::read_to_string("/proc/meminfo")?, "MemAvailable:") << 10;
        let processes: u64 = fs::read_to_string("/proc/sys/kernel/pid_max")?
            .trim()
            .parse()
            .map_err(io::Error::other)?;
        most = most.min(memory / 2 / PROCESS_BYTES).min(processes / 4);
    }
    Ok(usize::try_from(most).unwrap_or(usize::MAX))
}

/// What the results say where descriptors leave no room for `sessions`.
pub fn descriptor_remark(sessions: usize, descriptors: u64) -> Option<String> {
    let most = descriptors.saturating_sub(OTHER_DESCRIPTORS);
    (sessions as u64 > most).then(|| {
        format!(
            "at most {most} idle sessions: the machine allows a process {descriptors} descriptors"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_descriptors_are_told() {
        assert_eq!(descriptor_remark(50_000, 200_000), None);
        let remark = descriptor_remark(50_000, 20_000).unwrap();
        assert!(
            remark.starts_with("at most 19800 idle sessions"),
            "{remark}"
        );
    }
}
