//! Pins threads to processors, so that samples do not depend on the scheduler's placement.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// One for the servers and one for their clients.
#[derive(Clone, Copy)]
pub(crate) struct Cpus {
    pub(crate) servers: usize,
    pub(crate) clients: usize,
}

impl Cpus {
    /// The first and the last one that this process may use, or twice the first.
    pub(crate) fn new(one: bool) -> io::Result<Self> {
        let usable = sched_getaffinity(None)?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|&cpu| usable.is_set(cpu));
        let clients = usable.next().unwrap_or(0);
        let last = usable.next_back().unwrap_or(clients);
        let servers = if one { clients } else { last };
        Ok(Self { servers, clients })
    }
}

/// Runs this thread, and those it makes from now on, there only.
pub(crate) fn take(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}
