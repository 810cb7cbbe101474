//! The reactor beside bare mio, a bare epoll loop and tokio, in the same run.
//!
//! `cargo bench -p ftpdlib-benches --bench reactor -- [CASE]… [--only NAME,…] [--rounds N]
//! [--one-cpu] [--wrap COMMAND]`
//!
//! Each contestant is a server that echoes what it is sent, on one thread of a process of its own,
//! which can so be run by a profiler, with `--wrap 'valgrind --tool=callgrind'` for instance. All
//! of them read once into one buffer of 64 KiB that all their clients share, write at once what
//! they have read, and keep a copy of what was not taken only. The clients are those of one other
//! process, which has a processor of its own unless told otherwise: with `--one-cpu` no thread has
//! to be woken on another one, which on a virtual machine takes longer than all the rest and never
//! the same time. Contestants take turns within each round, and each figure is the median of the
//! rounds.
#![forbid(unsafe_code)]

mod bare_epoll;
mod bare_mio;
mod chat;
mod clients;
mod cpus;
mod figures;
mod on_tokio;
mod ours;
mod server;
mod wake;

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use clap::Parser;

use crate::clients::CASES;
use crate::cpus::Cpus;
use crate::figures::{Sample, Table};
use crate::server::Server;

/// What is compared.
struct Contestant {
    name: &'static str,
    /// Serves the listener for ever, on this thread.
    serve: fn(TcpListener) -> io::Result<()>,
    /// Wakes a loop from another thread, again when it has answered, so many times.
    wake_ups: Option<fn(usize, Cpus) -> io::Result<Sample>>,
    /// Each step of [`TIMER_STEPS`] with so many timers, by its time.
    timers: Option<fn(usize) -> io::Result<TimerTimes>>,
}

const CONTESTANTS: &[Contestant] = &[
    Contestant {
        name: "ioloop",
        serve: ours::serve,
        wake_ups: Some(ours::wake_ups),
        timers: Some(ours::timers),
    },
    Contestant {
        name: "mio",
        serve: bare_mio::serve,
        wake_ups: Some(bare_mio::wake_ups),
        timers: None,
    },
    Contestant {
        name: "epoll",
        serve: bare_epoll::serve,
        wake_ups: Some(bare_epoll::wake_ups),
        timers: None,
    },
    Contestant {
        name: "tokio",
        serve: on_tokio::serve,
        wake_ups: Some(on_tokio::wake_ups),
        timers: Some(on_tokio::timers),
    },
    Contestant {
        name: "chat",
        serve: chat::serve,
        wake_ups: None,
        timers: None,
    },
];

/// What is done to 100,000 timers. The first three leave them all pending.
const TIMER_STEPS: [&str; 4] = ["arm", "arm and cancel one more", "reset", "fire"];
type TimerTimes = [Duration; TIMER_STEPS.len()];
const TIMERS: usize = 100_000;

const WAKE_UPS: usize = 2_000;

/// Measures reactors.
#[derive(Parser)]
struct Args {
    /// Cases whose names contain one of these; all if there is none.
    cases: Vec<String>,
    /// Only these contestants.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How often each sample is taken; crowds of thousands are asked less often.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// A command that runs the servers, with its arguments.
    #[arg(long, default_value = "")]
    wrap: String,
    /// Server and clients share a processor.
    #[arg(long)]
    one_cpu: bool,
    /// Is the server of this contestant.
    #[arg(long, hide = true)]
    serve: Option<String>,
    /// Runs there.
    #[arg(long, hide = true)]
    cpu: Option<usize>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Args {
    fn wants(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|part| case.contains(part))
    }

    fn contestants(&self) -> Vec<&'static Contestant> {
        let wanted = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        CONTESTANTS
            .iter()
            .filter(|contestant| wanted(contestant.name))
            .collect()
    }
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    ftpdlib_sys::raise_descriptor_limit()?;
    if let Some(name) = &args.serve {
        let contestant = CONTESTANTS
            .iter()
            .find(|contestant| contestant.name == name);
        let contestant = contestant.ok_or_else(|| io::Error::other("no such contestant"))?;
        if let Some(cpu) = args.cpu {
            cpus::take(cpu)?;
        }
        return server::run(contestant.serve);
    }
    let cpus = Cpus::new(args.one_cpu)?;
    cpus::take(cpus.clients)?;
    let contestants = args.contestants();
    let mut table = Table::new(contestants.iter().map(|contestant| contestant.name));
    echoes(&args, cpus, &contestants, &mut table)?;
    if args.wants("wake-ups") {
        table.measure("wake-ups by another thread", args.rounds, |index| {
            contestants[index]
                .wake_ups
                .map(|wake_ups| wake_ups(WAKE_UPS, cpus))
                .transpose()
        })?;
    }
    if args.wants("timers") {
        timers(&args, &contestants, &mut table)?;
    }
    Ok(())
}

fn echoes(
    args: &Args,
    cpus: Cpus,
    contestants: &[&Contestant],
    table: &mut Table,
) -> io::Result<()> {
    if !CASES.iter().any(|case| args.wants(case.name)) {
        return Ok(());
    }
    let servers = contestants
        .iter()
        .map(|contestant| Server::start(contestant.name, &args.wrap, cpus.servers))
        .collect::<io::Result<Vec<_>>>()?;
    for case in CASES.iter().filter(|case| args.wants(case.name)) {
        let rounds = args.rounds.min(case.most_rounds);
        table.measure(case.name, rounds, |index| {
            let server = &servers[index];
            let sample = (case.run)(server)?;
            // Or it would be at work still when another's turn has come.
            server.await_idle()?;
            Ok(Some(sample))
        })?;
    }
    Ok(())
}

fn timers(args: &Args, contestants: &[&Contestant], table: &mut Table) -> io::Result<()> {
    let mut times = vec![Vec::new(); contestants.len()];
    for round in 0..args.rounds {
        for turn in 0..contestants.len() {
            let index = (round + turn) % contestants.len();
            if let Some(timers) = contestants[index].timers {
                times[index].push(timers(TIMERS)?);
            }
        }
    }
    for (step, name) in TIMER_STEPS.iter().enumerate() {
        let mut times: Vec<_> = times.iter().map(|times| times.iter()).collect();
        table.measure(&format!("{TIMERS} timers: {name}"), args.rounds, |index| {
            Ok(times[index].next().map(|times| Sample {
                count: TIMERS as f64,
                wall: times[step],
                // All of it is work.
                cpu: times[step],
            }))
        })?;
    }
    Ok(())
}
