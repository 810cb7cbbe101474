//! Sessions under TLS, each of a client of its own that resumes nothing.

use super::idle::idle;
use super::sessions::sessions;
use super::{Protection, Workload};

pub(super) const SESSIONS: Workload = Workload {
    name: "tls-sessions",
    about: "connect, full TLS handshake, login, PWD, QUIT; 16 sessions at once",
    protection: Protection::Control,
    run: sessions,
};

pub(super) const IDLE: Workload = Workload {
    name: "tls-idle",
    about: "sessions over TLS log in, 16 at a time, and stay; NOOP on one more",
    protection: Protection::Control,
    run: |target, site| idle(target, site, site.scale().idle),
};
