//! What a service manager is told on `NOTIFY_SOCKET`.

use std::time::Duration;

use sd_notify::NotifyState;

/// Connections are accepted.
pub(crate) fn ready() {
    send(State::Ready);
}

/// The configuration is being read again; [`ready`] follows.
pub(crate) fn reloading() {
    send(State::Reloading);
}

/// The last sessions are ending.
pub(crate) fn stopping() {
    send(State::Stopping);
}

/// Every loop turns.
pub(crate) fn alive() {
    send(State::Alive);
}

/// How often [`alive`] is to be told, where the service manager wants to know: twice in the time
/// after which it takes the program for hung.
pub(crate) fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Another process is to be watched from here on: it has taken over.
pub(crate) fn handed_over(process: u32) {
    send(State::HandedOver(process));
}

enum State {
    Ready,
    Alive,
    Reloading,
    Stopping,
    HandedOver(u32),
}

/// Does nothing without a service manager; one that cannot be reached must not stop the server.
fn send(state: State) {
    let sent = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        State::HandedOver(process) => sd_notify::notify(&[NotifyState::MainPid(process)]),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        // With the time, which systemd asks for where the unit is `Type=notify-reload`.
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|time| sd_notify::notify(&[NotifyState::Reloading, time])),
    };
    if let Err(error) = sent {
        log::warn!("cannot reach the service manager: {error}");
    }
}
