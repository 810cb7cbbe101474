//! The load client, the workloads and the servers of `cargo xtask bench`.
//!
//! A [`Workload`] is a function over a [`Target`], which is a running [`Server`] or anything else
//! that speaks FTP. It gives [`Measure`]s; a [`Run`] collects those of all servers and rounds, and
//! the functions of this crate write it as Markdown, JSON and plots.
#![forbid(unsafe_code)]

mod client;
mod process;
mod report;
mod room;
mod run;
mod servers;
mod site;
mod statistics;
mod swarm;
mod target;
mod tls;
mod workloads;

pub use client::{Client, Reply};
pub use process::Process;
pub use report::{Conditions, write_reports};
pub use room::descriptor_remark;
pub use run::{Metric, Run};
pub use servers::{BARE, RECIPES, Recipe, Server, special_recipe};
pub use site::Site;
pub use statistics::{Spread, paired_ratios};
pub use swarm::{Act, Outcome, Swarm};
pub use target::Target;
pub use tls::{ClientTls, Identity, TlsStart};
pub use workloads::{Better, Measure, Protection, Scale, WORKLOADS, Workload};
