//! Messages to a service manager on `NOTIFY_SOCKET`.

use std::env;
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

/// Reports that connections are accepted.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready], Urgency::Once);
}

/// Reports that the configuration is being read again; [`ready`] follows.
pub(crate) fn reloading() {
    // Includes the time, which systemd requires for `Type=notify-reload`.
    match NotifyState::monotonic_usec_now() {
        Ok(time) => tell(&[NotifyState::Reloading, time], Urgency::Once),
        Err(error) => warn(&error),
    }
}

/// Reports that the last sessions are ending.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping], Urgency::Once);
}

/// Reports that every loop turns.
pub(crate) fn alive() {
    tell(&[NotifyState::Watchdog], Urgency::Repeated);
}

/// Returns how often to send [`alive`], if the service manager has a watchdog: twice per watchdog
/// interval.
pub(crate) fn watchdog_interval() -> Option<Duration> {
    interval(sd_notify::watchdog_enabled()?)
}

/// Announces the process that has taken over. This process sends nothing afterwards: its end would
/// be taken for the end of the service.
pub(crate) fn handed_over(process: u32) {
    tell(&[NotifyState::MainPid(process)], Urgency::Once);
    HAS_HANDED_OVER.store(true, Ordering::Relaxed);
}

static HAS_HANDED_OVER: AtomicBool = AtomicBool::new(false);

/// Sending more often would waste processor time.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// Returns half of `limit`; a `limit` of zero means none.
fn interval(limit: Duration) -> Option<Duration> {
    (!limit.is_zero()).then(|| (limit / 2).max(SHORTEST_INTERVAL))
}

/// What is lost if a message is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Urgency {
    /// Nothing: the message is sent again.
    Repeated,
    /// For instance, a service that is never reported as ready is stopped: worth a short wait on
    /// the loop.
    Once,
}

/// The longest wait for a service manager that does not read its messages.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends a message, if there is a service manager. One that cannot be reached must not stop the
/// server.
fn tell(states: &[NotifyState<'_>], urgency: Urgency) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if HAS_HANDED_OVER.load(Ordering::Relaxed) {
        return;
    }
    let lines: Vec<_> = states.iter().map(|state| format!("{state}\n")).collect();
    if let Err(error) = send(&name, &lines.concat(), urgency) {
        warn(&error);
    }
}

fn send(name: &OsStr, text: &str, urgency: Urgency) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    match urgency {
        Urgency::Repeated => socket.set_nonblocking(true)?,
        Urgency::Once => socket.set_write_timeout(Some(PATIENCE))?,
    }
    match socket.send_to_addr(text.as_bytes(), &address(name)?) {
        Err(error) if urgency == Urgency::Repeated && error.kind() == io::ErrorKind::WouldBlock => {
            Ok(())
        }
        sent => sent.map(drop),
    }
}

/// Returns the address of a socket file or, after an `@`, of an abstract socket.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_bytes().strip_prefix(b"@") {
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}

fn warn(error: &io::Error) {
    log::warn!("cannot reach the service manager: {error}");
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_limit_of_nothing_kept_a_processor_busy() {
        for (limit, expected) in [
            (0, None),
            (1, Some(10)),
            (20_000, Some(10)),
            (60_000, Some(30)),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(interval(Duration::from_micros(limit)), expected, "{limit}");
        }
    }

    #[test]
    fn a_service_manager_that_reads_nothing_was_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let begun = Instant::now();
        for _ in 0..2000 {
            send(path.as_os_str(), "WATCHDOG=1\n", Urgency::Repeated).unwrap();
        }
        assert!(begun.elapsed() < PATIENCE * 10);
        let late = send(path.as_os_str(), "STOPPING=1\n", Urgency::Once);
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let mut buffer = [0; 20];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"WATCHDOG=1\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_without_a_file_was_not_found() {
        let name = format!("@ftpdlib-{}", std::process::id());
        let bound = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        let socket = UnixDatagram::bind_addr(&bound).unwrap();
        send(OsStr::new(&name), "READY=1\n", Urgency::Once).unwrap();
        let mut buffer = [0; 20];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"READY=1\n");
    }
}
