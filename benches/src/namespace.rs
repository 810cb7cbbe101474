//! A network of its own for the benchmark.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::{fs, io};

/// Set inside, so that it is entered once.
const INSIDE: &str = "FTPDLIB_BENCH_INSIDE";

/// The algorithms that namespaces other than the machine's own may choose from.
const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";

/// What is done inside before the benchmark begins: loopback is up, without the pacing of BBR, with
/// ports and, where that is allowed, descriptors for 50,000 sessions, and queues that do not
/// overflow. Few connections are remembered after their end: those of one sample would make the
/// kernel's search for a free port the larger part of the next.
///
/// Where cubic is refused reno takes its place, which is among the remarks in the results. Then the
/// standard input, a pipe to [`RESTORE`], is told that the choice was made.
///
/// The shell stays: the first process of a namespace is the one that buries the orphans of servers
/// that fork, of which there are soon as many as the machine has numbers for.
const PREPARE: &str = "\
ip link set lo up &&
cd /proc/sys/net &&
{ echo cubic > ipv4/tcp_congestion_control || echo reno > ipv4/tcp_congestion_control; } \
2> /dev/null &&
echo >&0 &&
exec < /dev/null &&
echo '1024 65535' > ipv4/ip_local_port_range &&
echo 4096 > core/somaxconn &&
echo 2000 > ipv4/tcp_max_tw_buckets &&
cd - > /dev/null &&
{ ulimit -n 200000 2> /dev/null || ulimit -n \"$(ulimit -H -n)\"; } &&
\"$0\" \"$@\"; exit $?";

/// Waits until the namespace has chosen, or has ended, and puts back what was allowed before
/// (`$0`).
const RESTORE: &str = "read -r _; echo \"$0\" > /proc/sys/net/ipv4/tcp_allowed_congestion_control";

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
    let chosen = allow_cubic()?;
    let error = Command::new("unshare")
        .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", PREPARE])
        .arg(env::current_exe()?)
        .args(arguments)
        .env(INSIDE, "1")
        .stdin(chosen)
        .exec();
    Err(io::Error::new(
        error.kind(),
        format!("unshare(1) cannot be started: {error}"),
    ))
}

/// Lets namespaces choose cubic, until a line is written to what is returned. Where that is not
/// possible nothing is changed.
fn allow_cubic() -> io::Result<Stdio> {
    let allowed = fs::read_to_string(ALLOWED).unwrap_or_default();
    let Some(wider) = with_cubic(&allowed) else {
        return Ok(Stdio::from(fs::File::create("/dev/null")?));
    };
    // The one that restores it is there before anything is changed, and outlives this process.
    let (restore, chosen) = io::pipe()?;
    Command::new("sh")
        .args(["-c", RESTORE, allowed.trim()])
        .stdin(restore)
        .spawn()?;
    // Without the right to, or without the module, reno it is.
    let _ = fs::write(ALLOWED, wider);
    Ok(chosen.into())
}

/// The list with cubic at its end; `None` where cubic is in it already.
fn with_cubic(allowed: &str) -> Option<String> {
    let allowed = allowed.trim();
    let known = allowed.split(' ').any(|name| name == "cubic");
    (!known).then(|| format!("{allowed} cubic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allowed: &str, expected: Option<&str>) {
        assert_eq!(with_cubic(allowed).as_deref(), expected, "{allowed:?}");
    }

    #[test]
    fn the_list_is_widened_by_cubic_only() {
        check("reno bbr\n", Some("reno bbr cubic"));
        check("reno cubic\n", None);
        check("cubic\n", None);
        check("reno\n", Some("reno cubic"));
    }
}
