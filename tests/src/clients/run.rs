//! Running a client to its end, within a limit.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long one client may run. Only a client that hangs gets there.
const LIMIT: Duration = Duration::from_secs(60);

/// Variables that would send a client elsewhere than it is told.
const PROXY_VARIABLES: &[&str] = &[
    "all_proxy",
    "ALL_PROXY",
    "ftp_proxy",
    "FTP_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "no_proxy",
    "NO_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
];

/// The command line of a client.
#[derive(Debug)]
pub struct Invocation {
    program: OsString,
    environment: Vec<(&'static str, OsString)>,
    arguments: Vec<OsString>,
    input: String,
    directory: Option<PathBuf>,
}

impl Invocation {
    /// `program`, looked up in `PATH` if it is a mere name, with no argument yet.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            environment: Vec::new(),
            arguments: Vec::new(),
            input: String::new(),
            directory: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Sets what the client reads from its standard input.
    #[must_use]
    pub fn input(mut self, text: impl Into<String>) -> Self {
        self.input = text.into();
        self
    }

    /// Sets the directory to start in.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Runs the client with `home` as its home directory, and gives what it printed on both
    /// outputs.
    ///
    /// # Errors
    ///
    /// A text that tells what went wrong: the client could not be started, ended with another
    /// status than 0, or did not end in time and was killed.
    pub(super) fn run(&self, home: &Path) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(self.directory.as_deref().unwrap_or(home))
            .env("HOME", home)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for variable in PROXY_VARIABLES {
            command.env_remove(variable);
        }
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", self.program.display()))?;
        let (sender, ends) = mpsc::channel();
        let mut pipes: Vec<Box<dyn Read + Send>> = Vec::new();
        pipes.extend(
            child
                .stdout
                .take()
                .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        );
        pipes.extend(
            child
                .stderr
                .take()
                .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        );
        let count = pipes.len();
        for mut pipe in pipes {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                let _ = sender.send(bytes);
            });
        }
        if let Some(mut stdin) = child.stdin.take() {
            // A client that ends without reading all of its script says so by its status.
            let _ = stdin.write_all(self.input.as_bytes());
        }
        let deadline = Instant::now() + LIMIT;
        let mut printed = Vec::new();
        for _ in 0..count {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = ends.recv_timeout(left) else {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("killed after {} s: {self:?}", LIMIT.as_secs()));
            };
            printed.extend_from_slice(&bytes);
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        let printed = String::from_utf8_lossy(&printed).into_owned();
        if status.success() {
            Ok(printed)
        } else {
            Err(format!("{status}: {self:?}\n{printed}"))
        }
    }
}

/// The directory that holds the clients which are packages of a language:
/// `target/clients` of this workspace, where `cargo xtask clients --install` puts them.
pub(super) fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients")
}

/// Whether the package of that path is installed in [`packages`].
pub(super) fn is_package(path: &str) -> bool {
    packages().join(path).exists()
}

/// Whether `program` is in one of the directories of `PATH`.
pub(super) fn is_program(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
