//! The choice of a concurrency model.

use std::sync::Arc;

use crate::loops::{Loops, ThreadPerClient};
use crate::placement::Placement;
use crate::processes::{ProcessPerClient, Supervisor};

/// How the sessions of a server run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Concurrency {
    /// On event loops, each in a thread of its own (pyftpdlib: `FTPServer`, which has one).
    Async {
        /// The number of loops; 0 for one per usable CPU.
        threads: usize,
    },
    /// Each in a thread with a loop of its own (pyftpdlib: `ThreadedFTPServer`).
    MultiThread,
    /// Each in a process of its own (pyftpdlib: `MultiprocessFTPServer`). The process that creates
    /// the server must have a single thread for as long as it serves.
    MultiProcess,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self::Async { threads: 1 }
    }
}

impl Concurrency {
    /// Where each process that serves places its clients.
    pub(crate) fn placement(self) -> Arc<dyn Placement> {
        match self {
            Self::Async { threads: 0 } => Arc::new(Loops::new(ftpdlib_sys::usable_cpus())),
            Self::Async { threads } => Arc::new(Loops::new(threads)),
            Self::MultiThread => Arc::new(ThreadPerClient::default()),
            Self::MultiProcess => Arc::new(Loops::new(1)),
        }
    }

    /// The supervisor of the other processes that serve, if the model has any.
    pub(crate) fn supervisor(self) -> Option<Arc<dyn Supervisor>> {
        match self {
            Self::Async { .. } | Self::MultiThread => None,
            Self::MultiProcess => Some(Arc::new(ProcessPerClient::default())),
        }
    }
}
