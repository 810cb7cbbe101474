//! The program with its log.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::client::PATIENCE;

/// A running program and the lines of its log.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    pub(crate) address: SocketAddr,
    /// All lines taken so far.
    pub(crate) log: String,
}

impl Program {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::run(&mut Command::new(env!("CARGO_BIN_EXE_ftpdlib")), options)
    }

    /// Starts it with little room in each file, in the shell's unit: 512 or 1024 bytes.
    pub(crate) fn start_with_room(units: u32, options: &[&str]) -> Self {
        let limit = format!("ulimit -f {units} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        Self::run(
            command.args(["-c", &limit, env!("CARGO_BIN_EXE_ftpdlib")]),
            options,
        )
    }

    fn run(program: &mut Command, options: &[&str]) -> Self {
        let mut child = program
            .args(["-i", "127.0.0.1", "-p", "0", "-D", "-w"])
            .args(options)
            .env_remove("RUST_LOG")
            .env_remove("NOTIFY_SOCKET")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        // The log is read no faster than the test asks for lines.
        let (sender, lines) = mpsc::sync_channel(0);
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut program = Self {
            child,
            lines,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: String::new(),
        };
        let line = program.wait_for("starting FTP server on ");
        let address = line.split("server on ").nth(1).unwrap();
        program.address = address.split(',').next().unwrap().parse().unwrap();
        program
    }

    /// Takes lines of the log up to one that contains `text`, and returns that line.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {text:?} in\n{}", self.log));
            self.log += &line;
            self.log.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
