//! The section `[server]`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::ValueEnum;
use ftpdlib::handlers::IpNet;
use serde::Deserialize;

use super::field;

/// The server as a whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// At least one.
    #[serde(deserialize_with = "field::listen")]
    pub(crate) listen: Vec<SocketAddr>,
    #[serde(deserialize_with = "field::name")]
    pub(crate) concurrency: Concurrency,
    /// Number of processes under pre-fork; 0 = one per usable CPU.
    #[serde(deserialize_with = "field::workers")]
    pub(crate) workers: u32,
    /// Number of loops in the single process of `async`; 0 = one per usable CPU.
    #[serde(deserialize_with = "field::threads")]
    pub(crate) threads: u32,
    /// The user to become after binding.
    #[serde(deserialize_with = "field::text_or_none")]
    pub(crate) user: Option<String>,
    /// The group to take on after binding.
    #[serde(deserialize_with = "field::text_or_none")]
    pub(crate) group: Option<String>,
    /// Networks whose PROXY header is required and believed.
    #[serde(deserialize_with = "field::networks")]
    pub(crate) proxy_protocol_from: Vec<IpNet>,
    #[serde(deserialize_with = "field::count_from_one")]
    pub(crate) backlog: u32,
    /// Limit for control and data connections together; 0 = no limit.
    #[serde(deserialize_with = "field::count")]
    pub(crate) max_cons: u32,
    /// The same limit for one client address; 0 = no limit.
    #[serde(deserialize_with = "field::count")]
    pub(crate) max_cons_per_ip: u32,
    /// How long transfers may continue after the first signal to stop.
    #[serde(deserialize_with = "field::seconds")]
    pub(crate) shutdown_grace: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 2121))],
            concurrency: Concurrency::Async,
            workers: 0,
            threads: 0,
            user: None,
            group: None,
            proxy_protocol_from: Vec::new(),
            backlog: 100,
            max_cons: 512,
            max_cons_per_ip: 0,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// How sessions run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Concurrency {
    /// On a few event loops of the one process
    Async,
    /// On the event loops of worker processes
    PreFork,
    /// A thread each
    MultiThread,
    /// A process each
    MultiProc,
}
