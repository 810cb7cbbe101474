//! Signals that arrive before the program has started.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

/// The program in the middle of its start; killed at the end of the test.
struct Start {
    child: Child,
    path: PathBuf,
    /// The file that it reads, and waits for more of.
    configuration: Option<File>,
    #[expect(dead_code, reason = "owned, not read")]
    directory: TempDir,
}

impl Start {
    #[track_caller]
    fn new(options: &[&str]) -> Self {
        Self::by(&mut Command::new(env!("CARGO_BIN_EXE_ftpdlib")), options)
    }

    /// Starts the program by this command, to which options are added.
    #[track_caller]
    fn by(program: &mut Command, options: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.toml");
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let child = program
            .args(["-c", "f.toml"])
            .args(options)
            .current_dir(directory.path())
            .stderr(Stdio::piped())
            .env_remove("RUST_LOG")
            .spawn();
        let child = child.unwrap();
        // Opening waits for the reader.
        let configuration = File::options().write(true).open(&path).unwrap();
        Self {
            child,
            path,
            configuration: Some(configuration),
            directory,
        }
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.unwrap().success());
    }

    /// Provides `text` to it, also when it reads its file again.
    #[track_caller]
    fn configure(&mut self, text: &str) {
        let file = self.path.with_extension("new");
        fs::write(&file, text).unwrap();
        fs::rename(file, &self.path).unwrap();
        let mut configuration = self.configuration.take().unwrap();
        configuration.write_all(text.as_bytes()).unwrap();
    }

    /// Reads the log up to a line with `text`.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let log = BufReader::new(self.child.stderr.as_mut().unwrap());
        let found = log.lines().any(|line| line.unwrap().contains(text));
        assert!(found, "the log ends without {text:?}");
    }

    fn end(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        // If the test went well, it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn logs_that_were_moved_during_the_start_ended_the_server() {
    for model in [
        "threads = 1",
        "threads = 3",
        "concurrency = \"multi-thread\"",
        "concurrency = \"multi-proc\"",
        "concurrency = \"pre-fork\"\nworkers = 2",
    ] {
        let mut start = Start::new(&[]);
        start.signal("HUP");
        start.configure(&format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n{model}\n[anonymous]\nhome = \".\"\n"
        ));
        start.wait_for("configuration read again");
        start.signal("TERM");
        assert_eq!(start.end().code(), Some(0), "{model}");
    }
}

#[test]
fn an_upgrade_asked_for_during_the_start_ended_the_server() {
    let mut start = Start::new(&[]);
    start.signal("USR2");
    start.configure("wrong");
    assert_eq!(start.end().code(), Some(2));
}

#[test]
fn a_stop_of_a_start_that_had_failed_looked_as_if_nothing_had_gone_wrong() {
    let mut start = Start::new(&[]);
    // The error repeats the key's name, which is longer than a pipe holds.
    let text = format!("{} = 1\n", "x".repeat(1 << 20));
    start.configure(&text);
    let log = start.child.stderr.as_mut().unwrap();
    let mut beginning = [0; 10];
    log.read_exact(&mut beginning).unwrap();
    assert_eq!(&beginning, b"ftpdlib: f");
    start.signal("TERM");
    assert_eq!(start.end().code(), Some(2));
}

#[test]
fn a_stop_during_the_start_looked_like_a_death() {
    for signal in ["TERM", "INT"] {
        let start = Start::new(&[]);
        start.signal(signal);
        assert_eq!(start.end().code(), Some(0), "{signal}");
    }
    // The check has found out nothing about the configuration. SIGINT may be ignored if tests run
    // in the background.
    let check = Start::new(&["--check-config"]);
    check.signal("TERM");
    assert_eq!(check.end().code(), None);
}

#[test]
fn signals_that_the_parent_had_blocked_neither_reloaded_nor_stopped_the_server() {
    for model in [
        "threads = 1",
        "threads = 3",
        "concurrency = \"multi-proc\"",
        "concurrency = \"pre-fork\"\nworkers = 2",
    ] {
        let mut env = Command::new("env");
        env.args(["--block-signal", env!("CARGO_BIN_EXE_ftpdlib")]);
        let mut start = Start::by(&mut env, &[]);
        start.configure(&format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\n{model}\n[anonymous]\nhome = \".\"\n"
        ));
        start.wait_for("starting FTP server");
        start.signal("HUP");
        start.wait_for("configuration read again");
        start.signal("TERM");
        assert_eq!(start.end().code(), Some(0), "{model}");
    }
}
