//! A network of its own for the benchmark.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{fs, io};

/// Set inside, so that it is entered once.
const INSIDE: &str = "FTPDLIB_BENCH_INSIDE";

/// What is done inside before the benchmark begins: loopback is up, without the pacing of BBR, with
/// ports and, where that is allowed, descriptors for 50,000 sessions, and queues that do not overflow.
/// Few connections are remembered after their end: those of one sample would make the kernel's search
/// for a free port the larger part of the next.
///
/// Where the machine does not allow cubic in namespaces (`net.ipv4.tcp_allowed_congestion_control`)
/// reno takes its place: on loopback, where nothing is lost, the two behave alike.
const PREPARE: &str = "\
ip link set lo up &&
cd /proc/sys/net &&
{ echo cubic > ipv4/tcp_congestion_control || echo reno > ipv4/tcp_congestion_control; } \
2> /dev/null &&
echo '1024 65535' > ipv4/ip_local_port_range &&
echo 4096 > core/somaxconn &&
echo 2000 > ipv4/tcp_max_tw_buckets &&
cd - > /dev/null &&
{ ulimit -n 200000 2> /dev/null || ulimit -n \"$(ulimit -H -n)\"; } &&
exec \"$0\" \"$@\"";

/// Replaces this process by one in a private namespace of network and processes, which end with
/// it. Without root it only says what is missing, and the answer is the remark for the results.
pub(crate) fn enter() -> io::Result<Option<String>> {
    if env::var_os(INSIDE).is_some() {
        return Ok(None);
    }
    if fs::metadata("/proc/self")?.uid() != 0 {
        let remark = "not in a network namespace of its own, which needs root";
        return Ok(Some(remark.to_owned()));
    }
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let error = Command::new("unshare")
        .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", PREPARE])
        .arg(env::current_exe()?)
        .args(arguments)
        .env(INSIDE, "1")
        .exec();
    Err(io::Error::new(
        error.kind(),
        format!("unshare(1) cannot be started: {error}"),
    ))
}
