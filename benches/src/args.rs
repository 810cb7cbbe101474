//! The options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

/// Measures ftpdlib beside other FTP servers, or one build of it against another.
///
/// As root it runs in a network namespace of its own, with TCP cubic.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub(crate) struct Args {
    /// The program to measure.
    #[arg(long, default_value = "target/release/ftpdlib")]
    pub(crate) program: PathBuf,

    /// Measure one build against another, and no other server.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    pub(crate) ab: Option<Vec<PathBuf>>,

    /// Measure the program with other options too, under a name of their own.
    #[arg(long = "variant", value_name = "NAME=OPTIONS", value_parser = variant)]
    pub(crate) variants: Vec<Variant>,

    /// Measure only these workloads.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) workloads: Vec<String>,

    /// Measure only these servers.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub(crate) servers: Vec<String>,

    /// Where a server is, if it is not found.
    #[arg(long = "rival", value_name = "NAME=FILE", value_parser = rival)]
    pub(crate) rivals: Vec<(String, PathBuf)>,

    /// Rounds, each of which starts with the next server.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,

    /// Only see whether everything works.
    #[arg(long)]
    pub(crate) short: bool,

    /// Idle sessions, instead of 10,000; `idle-many` has five times as many.
    #[arg(long)]
    pub(crate) idle: Option<usize>,

    /// Where the served files go: a tmpfs.
    #[arg(long, default_value = "/dev/shm")]
    pub(crate) scratch: PathBuf,

    /// Where servers that were fetched by hand are.
    #[arg(long, default_value = "target/rivals")]
    pub(crate) downloads: PathBuf,

    /// Where the results go.
    #[arg(long, default_value = "target/bench")]
    pub(crate) output: PathBuf,

    /// Tell the workloads and servers, and measure nothing.
    #[arg(long)]
    pub(crate) list: bool,

    /// Stay in the namespace of the machine.
    #[arg(long)]
    pub(crate) no_namespace: bool,
}

/// A name and options of our program.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) arguments: Vec<OsString>,
}

fn variant(text: &str) -> Result<Variant, String> {
    let (name, options) = text.split_once('=').ok_or("no `=` after the name")?;
    Ok(Variant {
        name: name.to_owned(),
        arguments: options.split_whitespace().map(OsString::from).collect(),
    })
}

fn rival(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("no `=` after the name")?;
    Ok((name.to_owned(), file.into()))
}
