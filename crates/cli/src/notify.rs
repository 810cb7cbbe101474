//! What a service manager is told on `NOTIFY_SOCKET`.

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

enum State {
    Ready,
    Reloading,
    Stopping,
}

/// Does nothing without a service manager; one that cannot be reached must not stop the server.
#[cfg(unix)]
fn send(state: State) {
    use sd_notify::NotifyState;

    let sent = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        // With the time, which systemd asks for where the unit is `Type=notify-reload`.
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|time| sd_notify::notify(&[NotifyState::Reloading, time])),
    };
    if let Err(error) = sent {
        log::warn!("cannot reach the service manager: {error}");
    }
}

#[cfg(not(unix))]
fn send(_state: State) {}
