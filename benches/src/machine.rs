//! What the benchmark runs on.

use std::fs;
use std::process::Command;

/// Processors busy with other work, beyond which figures are worth little.
const FOREIGN_LOAD: f64 = 0.3;

/// Processor, memory and kernel, on one line.
pub(crate) fn describe() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{} (processors: {processors}), {} MiB of memory, Linux {}",
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal")
            .trim_end_matches(" kB")
            .parse()
            .map_or(0, |kilobytes: u64| kilobytes >> 10),
        read("/proc/sys/kernel/osrelease"),
    )
}

/// Today, as `YYYY-MM-DD`.
pub(crate) fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// What takes from the worth of the figures.
pub(crate) fn remarks() -> Vec<String> {
    let mut remarks = Vec::new();
    let congestion = read("/proc/sys/net/ipv4/tcp_congestion_control");
    remarks.push(match congestion.as_str() {
        "cubic" => "TCP cubic".to_owned(),
        other => format!("TCP {other}, not cubic"),
    });
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().and_then(|load| load.parse().ok());
    if let Some(load) = load.filter(|&load: &f64| load > FOREIGN_LOAD) {
        remarks.push(format!(
            "other work was done on the machine: a load of {load} at the start"
        ));
    }
    remarks
}

fn field(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

fn read(file: &str) -> String {
    fs::read_to_string(file).map_or_else(|_| String::new(), |text| text.trim().to_owned())
}
