//! The program with its log, and a client of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long anything may take before its test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let mut child = Command::new(env!("CARGO_BIN_EXE_ftpdlib"))
            .args(["-i", "127.0.0.1", "-p", "0", "-D", "-w"])
            .args(options)
            .env_remove("RUST_LOG")
            .env_remove("NOTIFY_SOCKET")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        // It is read no faster than the test asks.
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

    /// Takes lines of the log up to one that holds `text`, and gives it.
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

/// A client that logs in.
pub(crate) struct Client {
    pub(crate) control: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self {
            control: BufReader::new(stream),
        };
        client.reply();
        client
    }

    pub(crate) fn reply(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            self.control.read_line(&mut line).unwrap();
            if line.is_empty() || line.as_bytes()[3] == b' ' {
                return line;
            }
        }
    }

    #[track_caller]
    pub(crate) fn say(&mut self, line: &str, code: &str) -> String {
        self.control
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
        let reply = self.reply();
        assert!(reply.starts_with(code), "{line}: {reply}");
        reply
    }

    pub(crate) fn data(&mut self) -> TcpStream {
        let told = self.say("EPSV", "229");
        let port = told.split('|').nth(3).unwrap().parse().unwrap();
        let server = self.control.get_ref().peer_addr().unwrap().ip();
        TcpStream::connect((server, port)).unwrap()
    }

    pub(crate) fn fetch(&mut self, name: &str) {
        let mut stream = self.data();
        self.say(&format!("RETR {name}"), "150");
        stream.read_to_end(&mut Vec::new()).unwrap();
        assert!(self.reply().starts_with("226"));
    }
}
