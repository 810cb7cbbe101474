//! The scenarios, and the run of one client through all of them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::files::{
    FILES, compare, compare_trees, content, old_time, snapshot, without_empty_directories, write,
    write_tree,
};
use super::operation::{Client, Family, Mode, Operation, Security, Target};
use super::program::Program;
use super::run::{is_package, is_program};
use crate::skip::skipped;

/// Size, in bytes, of files that are completed from their middle.
const RESUMED_SIZE: usize = 300_000;

/// Bytes that are there already.
const RESUMED_OFFSET: usize = 123_456;

/// Size of the file whose download is broken off: more than the buffers of both sockets hold.
const ABORTED_SIZE: usize = 24 << 20;

/// A scenario: what it is called, and what it does.
type Scenario = (&'static str, fn(&Stage<'_>) -> Result<(), String>);

/// Everything that a client is led through, in this order.
const SCENARIOS: &[Scenario] = &[
    ("list the first directory", list_root),
    ("list a directory", list_directory),
    ("fetch", fetch),
    ("store", store),
    ("store over a longer file", store_over),
    ("append", append),
    ("resume a download", resume_fetch),
    ("resume an upload", resume_store),
    ("rename", rename),
    ("delete", delete),
    ("make a directory", make_directory),
    ("remove a directory", remove_directory),
    ("set a time", set_time),
    ("fetch what matches a pattern", fetch_matching),
    ("fetch a tree", fetch_tree),
    ("store a tree", store_tree),
    ("abort and go on", abort_then_fetch),
];

/// Leads `client` through every scenario against a server of its own.
///
/// # Panics
///
/// If anything is not as it should be, with all that is not; or if the client is not installed and
/// `FTPDLIB_REQUIRE_CLIENTS` is `1`.
#[track_caller]
pub fn check(client: &dyn Client, family: Family, mode: Mode, security: Security) {
    let required = [client.programs(), client.packages()].concat();
    let name = required.last().copied().unwrap_or("the client");
    let program_missing = client.programs().iter().find(|name| !is_program(name));
    let package_missing = client.packages().iter().find(|name| !is_package(name));
    if let Some(missing) = program_missing.or(package_missing) {
        assert!(
            client.is_optional()
                || env::var_os("FTPDLIB_REQUIRE_CLIENTS").is_none_or(|value| value != "1"),
            "{missing} is not installed"
        );
        return skipped(format_args!("{missing} is not installed"));
    }
    let directories = TempDir::new().expect("a temporary directory");
    let root = directories.path().join("root");
    fs::create_dir(&root).expect("a new directory");
    let configuration = match security {
        Security::Clear => String::new(),
        Security::Explicit | Security::ExplicitTls12 | Security::Implicit => format!(
            "[tls]\nrequire_session_reuse = {}\nstrict_close = {}\n",
            client.resumes_tls(),
            client.announces_ends()
        ),
    };
    let program = Program::start(family, security, &root, &configuration);
    let target = Target {
        address: program.address(),
        mode,
        security,
    };
    let mut failures = Vec::new();
    for (number, (scenario, run)) in SCENARIOS.iter().enumerate() {
        let stage = Stage::new(client, &target, directories.path(), number);
        if let Err(failure) = run(&stage) {
            failures.push(format!("{scenario}: {failure}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{name} over {family}, {mode}, {security}: {} of {} scenarios failed\n{}\nthe server said:\n{}",
        failures.len(),
        SCENARIOS.len(),
        failures.join("\n"),
        program.log_tail(40),
    );
}

/// One scenario's surroundings: its directories on both sides.
struct Stage<'a> {
    client: &'a dyn Client,
    target: &'a Target,
    /// Name of this scenario's directory on the server.
    remote: String,
    /// The same directory on the disk.
    server: PathBuf,
    /// Where the client keeps its files.
    local: PathBuf,
    /// The client's home directory.
    home: PathBuf,
}

impl<'a> Stage<'a> {
    fn new(client: &'a dyn Client, target: &'a Target, directories: &Path, number: usize) -> Self {
        let remote = format!("scenario{number}");
        let stage = Self {
            client,
            target,
            server: directories.join("root").join(&remote),
            local: directories.join("local").join(&remote),
            home: directories.join("home").join(&remote),
            remote,
        };
        for directory in [&stage.server, &stage.local, &stage.home] {
            fs::create_dir_all(directory).expect("a new directory");
        }
        stage
    }

    /// Has the client do `operation`; gives what it printed, or `None` if it cannot.
    fn perform(&self, operation: Operation<'_>) -> Result<Option<String>, String> {
        self.client.perform(self.target, &operation, &self.home)
    }

    /// The remote path of `name` in this scenario's directory.
    fn remote(&self, name: &str) -> String {
        format!("{}/{name}", self.remote)
    }

    /// The files that this client can name, with their content.
    fn files(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        FILES
            .iter()
            .filter(|(name, _)| self.client.can_name(name))
            .map(|(name, size)| (*name, content(name, *size)))
    }
}

fn list_root(stage: &Stage<'_>) -> Result<(), String> {
    match stage.perform(Operation::List { directory: "" })? {
        Some(listing) if !listing.contains(&stage.remote) => {
            Err(format!("{} is not in\n{listing}", stage.remote))
        }
        _ => Ok(()),
    }
}

fn list_directory(stage: &Stage<'_>) -> Result<(), String> {
    for (name, bytes) in stage.files() {
        write(&stage.server.join(name), &bytes).map_err(describe)?;
    }
    let Some(listing) = stage.perform(Operation::List {
        directory: &stage.remote,
    })?
    else {
        return Ok(());
    };
    // A listing in HTML, as wget makes it, writes some characters in its own way.
    let listing = listing.replace("&quot;", "\"").replace("&#32;", " ");
    match stage.files().find(|(name, _)| !listing.contains(name)) {
        Some((name, _)) => Err(format!("{name} is not in\n{listing}")),
        None => Ok(()),
    }
}

fn fetch(stage: &Stage<'_>) -> Result<(), String> {
    for (name, bytes) in stage.files() {
        write(&stage.server.join(name), &bytes).map_err(describe)?;
        let local = stage.local.join(name);
        let remote = stage.remote(name);
        if stage
            .perform(Operation::Fetch {
                remote: &remote,
                local: &local,
            })?
            .is_some()
        {
            expect_file(&local, &bytes)?;
            if stage.client.keeps_time_of_download() {
                expect_old_time(&local)?;
            }
        }
    }
    Ok(())
}

fn store(stage: &Stage<'_>) -> Result<(), String> {
    for (name, bytes) in stage.files() {
        let local = stage.local.join(name);
        write(&local, &bytes).map_err(describe)?;
        let remote = stage.remote(name);
        if stage
            .perform(Operation::Store {
                local: &local,
                remote: &remote,
            })?
            .is_some()
        {
            let stored = stage.server.join(name);
            expect_file(&stored, &bytes)?;
            if stage.client.keeps_time_of_upload() {
                expect_old_time(&stored)?;
            }
        }
    }
    Ok(())
}

fn store_over(stage: &Stage<'_>) -> Result<(), String> {
    let local = stage.local.join("short.bin");
    let stored = stage.server.join("short.bin");
    let bytes = content("short", 1000);
    write(&local, &bytes).map_err(describe)?;
    write(&stored, &content("long", 9000)).map_err(describe)?;
    let remote = stage.remote("short.bin");
    match stage.perform(Operation::Store {
        local: &local,
        remote: &remote,
    })? {
        Some(_) => expect_file(&stored, &bytes),
        None => Ok(()),
    }
}

fn append(stage: &Stage<'_>) -> Result<(), String> {
    let local = stage.local.join("growing.bin");
    let stored = stage.server.join("growing.bin");
    let (first, second) = (content("first", 70_001), content("second", 80_002));
    write(&stored, &first).map_err(describe)?;
    write(&local, &second).map_err(describe)?;
    let remote = stage.remote("growing.bin");
    match stage.perform(Operation::Append {
        local: &local,
        remote: &remote,
    })? {
        Some(_) => expect_file(&stored, &[first, second].concat()),
        None => Ok(()),
    }
}

fn resume_fetch(stage: &Stage<'_>) -> Result<(), String> {
    let local = stage.local.join("resumed.bin");
    let bytes = content("resumed", RESUMED_SIZE);
    write(&stage.server.join("resumed.bin"), &bytes).map_err(describe)?;
    write(&local, &bytes[..RESUMED_OFFSET]).map_err(describe)?;
    let remote = stage.remote("resumed.bin");
    let resume = Operation::ResumeFetch {
        remote: &remote,
        local: &local,
        offset: RESUMED_OFFSET,
    };
    match stage.perform(resume)? {
        Some(_) => expect_file(&local, &bytes),
        None => Ok(()),
    }
}

fn resume_store(stage: &Stage<'_>) -> Result<(), String> {
    let local = stage.local.join("resumed.bin");
    let stored = stage.server.join("resumed.bin");
    let bytes = content("resumed", RESUMED_SIZE);
    write(&local, &bytes).map_err(describe)?;
    write(&stored, &bytes[..RESUMED_OFFSET]).map_err(describe)?;
    let remote = stage.remote("resumed.bin");
    let resume = Operation::ResumeStore {
        local: &local,
        remote: &remote,
        offset: RESUMED_OFFSET,
    };
    match stage.perform(resume)? {
        Some(_) => expect_file(&stored, &bytes),
        None => Ok(()),
    }
}

fn rename(stage: &Stage<'_>) -> Result<(), String> {
    let bytes = content("renamed", 1000);
    write(&stage.server.join("old name.bin"), &bytes).map_err(describe)?;
    let (from, to) = (stage.remote("old name.bin"), stage.remote("new name.bin"));
    match stage.perform(Operation::Rename {
        from: &from,
        to: &to,
    })? {
        Some(_) => {
            expect_absent(&stage.server.join("old name.bin"))?;
            expect_file(&stage.server.join("new name.bin"), &bytes)
        }
        None => Ok(()),
    }
}

fn delete(stage: &Stage<'_>) -> Result<(), String> {
    let file = stage.server.join("to delete.bin");
    write(&file, b"gone soon").map_err(describe)?;
    let remote = stage.remote("to delete.bin");
    match stage.perform(Operation::Delete { remote: &remote })? {
        Some(_) => expect_absent(&file),
        None => Ok(()),
    }
}

fn make_directory(stage: &Stage<'_>) -> Result<(), String> {
    let remote = stage.remote("new directory");
    match stage.perform(Operation::MakeDirectory { remote: &remote })? {
        Some(_) if !stage.server.join("new directory").is_dir() => Err("it is not there".into()),
        _ => Ok(()),
    }
}

fn remove_directory(stage: &Stage<'_>) -> Result<(), String> {
    let directory = stage.server.join("old directory");
    fs::create_dir(&directory).map_err(describe)?;
    let remote = stage.remote("old directory");
    match stage.perform(Operation::RemoveDirectory { remote: &remote })? {
        Some(_) => expect_absent(&directory),
        None => Ok(()),
    }
}

fn set_time(stage: &Stage<'_>) -> Result<(), String> {
    let file = stage.server.join("new file.bin");
    fs::write(&file, b"aged soon").map_err(describe)?;
    let remote = stage.remote("new file.bin");
    match stage.perform(Operation::SetTime { remote: &remote })? {
        Some(_) => expect_old_time(&file),
        None => Ok(()),
    }
}

fn fetch_matching(stage: &Stage<'_>) -> Result<(), String> {
    let names = ["f1.txt", "f2.txt", "g.txt", "f3.bin"];
    for name in names {
        write(&stage.server.join(name), &content(name, 1000)).map_err(describe)?;
    }
    let pattern = stage.remote("[ef]*.t?t");
    let local = &stage.local;
    let operation = Operation::FetchMatching {
        pattern: &pattern,
        local,
    };
    if stage.perform(operation)?.is_none() {
        return Ok(());
    }
    let (matching, other) = names.split_at(2);
    for name in matching {
        expect_file(&local.join(name), &content(name, 1000))?;
    }
    other
        .iter()
        .try_for_each(|name| expect_absent(&local.join(name)))
}

fn fetch_tree(stage: &Stage<'_>) -> Result<(), String> {
    let remote = stage.remote("tree");
    let (sent, arrived) = (stage.server.join("tree"), stage.local.join("tree"));
    write_tree(&sent).map_err(describe)?;
    match stage.perform(Operation::FetchTree {
        remote: &remote,
        local: &arrived,
    })? {
        Some(_) => expect_tree(stage.client, &arrived, &sent),
        None => Ok(()),
    }
}

fn store_tree(stage: &Stage<'_>) -> Result<(), String> {
    let remote = stage.remote("tree");
    let (sent, arrived) = (stage.local.join("tree"), stage.server.join("tree"));
    write_tree(&sent).map_err(describe)?;
    match stage.perform(Operation::StoreTree {
        local: &sent,
        remote: &remote,
    })? {
        Some(_) => expect_tree(stage.client, &arrived, &sent),
        None => Ok(()),
    }
}

fn abort_then_fetch(stage: &Stage<'_>) -> Result<(), String> {
    let bytes = content("after", 100_000);
    write(
        &stage.server.join("large.bin"),
        &content("large", ABORTED_SIZE),
    )
    .map_err(describe)?;
    write(&stage.server.join("after.bin"), &bytes).map_err(describe)?;
    let local = stage.local.join("after.bin");
    let (large, remote) = (stage.remote("large.bin"), stage.remote("after.bin"));
    let abort = Operation::AbortThenFetch {
        large: &large,
        remote: &remote,
        local: &local,
    };
    match stage.perform(abort)? {
        Some(_) => expect_file(&local, &bytes),
        None => Ok(()),
    }
}

fn expect_file(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let arrived = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    compare(&arrived, bytes).map_err(|difference| format!("{}: {difference}", path.display()))
}

fn expect_old_time(path: &Path) -> Result<(), String> {
    let time = fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(describe)?;
    if time == old_time() {
        Ok(())
    } else {
        Err(format!(
            "{} is dated {time:?} instead of {:?}",
            path.display(),
            old_time()
        ))
    }
}

fn expect_absent(path: &Path) -> Result<(), String> {
    if path.exists() {
        Err(format!("{} is still there", path.display()))
    } else {
        Ok(())
    }
}

fn expect_tree(client: &dyn Client, arrived: &Path, sent: &Path) -> Result<(), String> {
    let (mut arrived, mut sent) = (
        snapshot(arrived).map_err(describe)?,
        snapshot(sent).map_err(describe)?,
    );
    if !client.copies_empty_directories() {
        arrived = without_empty_directories(&arrived);
        sent = without_empty_directories(&sent);
    }
    compare_trees(&arrived, &sent)
}

fn describe(error: std::io::Error) -> String {
    error.to_string()
}
