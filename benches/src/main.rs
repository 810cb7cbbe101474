//! The program behind `cargo xtask bench`.
#![forbid(unsafe_code)]

mod args;
mod machine;
mod namespace;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use ftpdlib_benches::{
    BARE, Client, Conditions, Identity, Measure, RECIPES, Recipe, Run, Scale, Server, Site,
    WORKLOADS, Workload, descriptor_remark, special_recipe, write_reports,
};
use tempfile::TempDir;

use args::Args;

/// One server of the comparison.
struct Contestant {
    name: String,
    recipe: &'static Recipe,
    program: PathBuf,
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    match bench(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> io::Result<()> {
    if args.list {
        list(args);
        return Ok(());
    }
    let alone = if args.no_namespace {
        Some("in the network namespace of the machine".to_owned())
    } else {
        namespace::enter()?
    };
    let (_, descriptors) = ftpdlib_sys::raise_descriptor_limit()?;
    let workloads = chosen_workloads(args)?;
    let mut contestants = contestants(args)?;
    let mut scale = if args.short {
        Scale::SHORT
    } else {
        Scale::FULL
    };
    scale.idle = args.idle.unwrap_or(scale.idle);
    let scratch = tempfile::Builder::new()
        .prefix("ftpdlib-bench-")
        .tempdir_in(&args.scratch)?;
    eprintln!("files in {}", scratch.path().display());
    let most_idle = match workloads
        .iter()
        .any(|workload| workload.name == "idle-many")
    {
        true => scale.idle * 5,
        false => scale.idle,
    };
    let site = Site::create(scratch.path(), scale)?;
    contestants.retain(|server| server.is_usable(&site));
    let secure = workloads.iter().any(|workload| workload.is_secure());
    let identity = secure.then(Identity::new).transpose()?;
    let versions = contestants
        .iter()
        .map(|server| server.describe(&site, identity.as_ref()));
    let conditions = Conditions {
        date: machine::date(),
        machine: machine::describe(),
        versions: versions.collect(),
        rounds: args.rounds,
        scale,
        remarks: machine::remarks()
            .into_iter()
            .chain(alone)
            .chain(descriptor_remark(most_idle, descriptors))
            .collect(),
    };
    let identity = identity.as_ref();
    let run = measure(&workloads, &contestants, &site, identity, args, &conditions)?;
    write_reports(&run, &conditions, &args.output)?;
    eprintln!("results in {}", args.output.display());
    Ok(())
}

/// Runs all workloads on all servers, round by round, and writes what is there after each.
fn measure(
    workloads: &[&Workload],
    contestants: &[Contestant],
    site: &Site,
    identity: Option<&Identity>,
    args: &Args,
    conditions: &Conditions,
) -> io::Result<Run> {
    let names = contestants.iter().map(|server| server.name.clone());
    let mut run = Run::new(names.collect());
    run.bare = contestants
        .iter()
        .position(|server| server.name == BARE.name);
    for (number, workload) in workloads.iter().enumerate() {
        for round in 0..args.rounds {
            for turn in 0..contestants.len() {
                let server = (turn + round) % contestants.len();
                if !contestants[server].recipe.runs(workload.name) {
                    continue;
                }
                eprint!(
                    "[{}/{}] {} · round {} of {} · {}: ",
                    number + 1,
                    workloads.len(),
                    workload.name,
                    round + 1,
                    args.rounds,
                    contestants[server].name,
                );
                if let Some(reason) = contestants[server].recipe.lacks(workload.protection) {
                    eprintln!("left out: {reason}");
                    run.leave_out(workload, server, reason);
                    continue;
                }
                match contestants[server].sample(workload, site, identity) {
                    Ok(measures) => {
                        let figures = measures
                            .iter()
                            .map(|measure| format!("{:.3} {}", measure.value, measure.unit));
                        eprintln!("{}", figures.collect::<Vec<_>>().join(", "));
                        run.add(workload, server, round, &measures);
                    }
                    Err(error) => {
                        eprintln!("failed: {error}");
                        run.fail(workload, server, &error.to_string());
                    }
                }
            }
        }
        write_reports(&run, conditions, &args.output)?;
    }
    Ok(run)
}

impl Contestant {
    fn sample(
        &self,
        workload: &Workload,
        site: &Site,
        identity: Option<&Identity>,
    ) -> io::Result<Vec<Measure>> {
        let identity = identity.filter(|_| workload.is_secure());
        let (mut server, _scratch) = match special_recipe(workload.name) {
            Some(recipe) if recipe.file == self.recipe.file => {
                self.start(recipe, &self.program, site, identity)?
            }
            Some(recipe) => self.start(recipe, &beside_this(recipe)?, site, identity)?,
            None => self.start(self.recipe, &self.program, site, identity)?,
        };
        let outcome = (workload.run)(server.target(), site);
        match server.ended()? {
            Some(status) => Err(io::Error::other(format!(
                "the server ended meanwhile: {status}"
            ))),
            None => outcome,
        }
    }

    /// Whether it starts and lets its user in; says why if not.
    fn is_usable(&self, site: &Site) -> bool {
        let tried = self
            .start(self.recipe, &self.program, site, None)
            .and_then(|(server, _scratch)| Client::login(server.target()));
        if let Err(error) = &tried {
            eprintln!("{} is left out: {error}", self.name);
        }
        tried.is_ok()
    }

    /// The server, and the directory of its configuration.
    fn start(
        &self,
        recipe: &Recipe,
        program: &Path,
        site: &Site,
        identity: Option<&Identity>,
    ) -> io::Result<(Server, TempDir)> {
        let scratch = tempfile::tempdir()?;
        let server = recipe.start(
            program,
            site.root(),
            scratch.path(),
            &self.arguments,
            identity,
        )?;
        Ok((server, scratch))
    }

    /// Its version, and what it makes of TLS if that is measured.
    fn describe(&self, site: &Site, identity: Option<&Identity>) -> String {
        let version = match self.recipe.version(&self.program) {
            none if none.is_empty() => format!("{}: a part of this benchmark", self.name),
            version => format!("{}: {version}", self.name),
        };
        if identity.is_none() {
            return version;
        }
        let agreed = self
            .start(self.recipe, &self.program, site, identity)
            .and_then(|(server, _scratch)| {
                let client = Client::login(server.target())?;
                Ok(client.tls_summary().unwrap_or_default())
            });
        match agreed {
            Ok(summary) => format!("{version}; {summary}"),
            Err(error) => format!("{version}; no TLS: {error}"),
        }
    }
}

fn chosen_workloads(args: &Args) -> io::Result<Vec<&'static Workload>> {
    let chosen = |workload: &&Workload| {
        args.workloads.is_empty() || args.workloads.iter().any(|name| name == workload.name)
    };
    if let Some(unknown) = args
        .workloads
        .iter()
        .find(|&name| WORKLOADS.iter().all(|workload| workload.name != name))
    {
        return Err(io::Error::other(format!(
            "no workload {unknown}; --list tells which there are"
        )));
    }
    Ok(WORKLOADS.iter().filter(chosen).collect())
}

/// The servers to compare, ours first; says how to get those that are missing.
fn contestants(args: &Args) -> io::Result<Vec<Contestant>> {
    let ours = &RECIPES[0];
    let build = |name: &str, program: &Path, arguments: &[OsString]| -> io::Result<Contestant> {
        Ok(Contestant {
            name: name.to_owned(),
            recipe: ours,
            program: std::path::absolute(program).map_err(|error| {
                io::Error::other(format!("{}: {error}; {}", program.display(), ours.hint))
            })?,
            arguments: arguments.to_vec(),
        })
    };
    if let Some([old, new]) = args.ab.as_deref() {
        return Ok(vec![build("new", new, &[])?, build("old", old, &[])?]);
    }
    let mut contestants = vec![build(ours.name, &args.program, &[])?];
    for variant in &args.variants {
        contestants.push(build(&variant.name, &args.program, &variant.arguments)?);
    }
    for recipe in &RECIPES[1..] {
        if !args.servers.is_empty() && !args.servers.iter().any(|name| name == recipe.name) {
            continue;
        }
        match program(recipe, args) {
            Some(program) => contestants.push(Contestant {
                name: recipe.name.to_owned(),
                recipe,
                program: std::path::absolute(&program).unwrap_or(program),
                arguments: Vec::new(),
            }),
            None => eprintln!("{} is missing: {}", recipe.name, recipe.hint),
        }
    }
    if args.servers.is_empty() || args.servers.iter().any(|name| name == BARE.name) {
        contestants.push(Contestant {
            name: BARE.name.to_owned(),
            recipe: BARE,
            program: beside_this(BARE)?,
            arguments: Vec::new(),
        });
    }
    Ok(contestants)
}

/// A server of the benchmark's own, which is built with it.
fn beside_this(recipe: &Recipe) -> io::Result<PathBuf> {
    let file = std::env::current_exe()?.with_file_name(recipe.file);
    match file.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(format!(
            "{}: missing; {}",
            file.display(),
            recipe.hint
        ))),
    }
}

fn program(recipe: &Recipe, args: &Args) -> Option<PathBuf> {
    let told = args.rivals.iter().find(|(name, _)| name == recipe.name);
    told.map(|(_, file)| file.clone())
        .or_else(|| recipe.find(&args.downloads))
}

fn list(args: &Args) {
    for workload in WORKLOADS {
        eprintln!("{:20} {}", workload.name, workload.about);
    }
    for recipe in &RECIPES[1..] {
        match program(recipe, args) {
            Some(file) => eprintln!("{:20} {}", recipe.name, file.display()),
            None => eprintln!("{:20} missing: {}", recipe.name, recipe.hint),
        }
    }
}
