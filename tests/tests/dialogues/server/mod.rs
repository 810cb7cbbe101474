//! Runs a dialogue against an `FtpServer` on loopback, with a home directory of its own.

mod data;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use data::DataConnection;
use ftpdlib_tests::dialogue::{Dialogue, Setting, Step, fill_in};
use ftpdlib_tests::server::TestServer;
use ftpdlib_tests::settings::Account;
use ftpdlib_tests::wait::PATIENCE;

/// Both have the home directory.
const ACCOUNTS: [Account<'static>; 2] =
    [("alice", "secret", "elradfmwMT"), ("bob", "secret", "elr")];

/// Runs a dialogue.
///
/// # Errors
///
/// The line that went wrong, and how.
pub(crate) fn run(dialogue: &Dialogue) -> Result<(), String> {
    let mut runner = Runner::new(dialogue).map_err(|why| format!(" {why}"))?;
    for (line, step) in &dialogue.steps {
        runner.step(step).map_err(|why| format!("{line}: {why}"))?;
    }
    runner.finish().map_err(|why| format!(" at the end: {why}"))
}

/// The client's side of everything.
struct Runner {
    server: TestServer,
    control: Option<BufReader<TcpStream>>,
    data: DataConnection,
    skipping: bool,
}

impl Runner {
    fn new(dialogue: &Dialogue) -> Result<Self, String> {
        let home = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut ip = IpAddr::from(Ipv4Addr::LOCALHOST);
        let mut settings = Vec::new();
        for (_, step) in &dialogue.steps {
            match step {
                Step::Set(setting) => settings.push(setting),
                Step::Ipv6 => ip = Ipv6Addr::LOCALHOST.into(),
                Step::File { path, content } => {
                    let path = real_path(home.path(), path);
                    write_file(&path, content).map_err(|error| error.to_string())?;
                }
                Step::Directory(path) => {
                    let path = real_path(home.path(), path);
                    fs::create_dir(path).map_err(|error| error.to_string())?;
                }
                _ => {}
            }
        }
        let settings: Vec<_> = settings.iter().map(|setting| named(setting)).collect();
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let server = TestServer::configured(ip, home, &ACCOUNTS, &settings)
            .map_err(|error| error.to_string())?;
        let control = TcpStream::connect(server.address()).map_err(|error| error.to_string())?;
        limit(&control)?;
        Ok(Self {
            server,
            control: Some(BufReader::new(control)),
            data: DataConnection::new(ip),
            skipping: false,
        })
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Client(line) => self.send(line),
            Step::Server(expected) => self.expect(expected),
            Step::Skip => {
                self.skipping = true;
                Ok(())
            }
            Step::Data(step) => self.data.take(step),
            Step::HangUp => {
                self.control = None;
                self.server.end_with_last_client();
                Ok(())
            }
            Step::Closed => match self.read_line()? {
                None => Ok(()),
                Some(line) => Err(format!("unexpected: {}", lossy(&line))),
            },
            Step::Content { path, content } => self.check(path, Some(content)),
            Step::Absent(path) => self.check(path, None),
            // That nothing comes cannot be waited for.
            Step::Quiet | Step::File { .. } | Step::Directory(_) | Step::Set(_) | Step::Ipv6 => {
                Ok(())
            }
            Step::Advance(_)
            | Step::HoldJobs
            | Step::ReleaseJobs
            | Step::Stall
            | Step::Drain
            | Step::Kick(_) => Err("this needs the driver in hand".to_owned()),
        }
    }

    /// Whatever the client has not read is one line too many.
    fn finish(mut self) -> Result<(), String> {
        let Some(control) = &self.control else {
            return Ok(());
        };
        // Fails where the server has closed the connection already.
        let _ = control.get_ref().shutdown(Shutdown::Write);
        if let Ok(Some(line)) = self.read_line() {
            return Err(format!("unread: {}", lossy(&line)));
        }
        self.control = None;
        // No session may be left behind.
        self.server.end_with_last_client();
        Ok(())
    }

    fn send(&mut self, line: &[u8]) -> Result<(), String> {
        let none = || "the client does not listen".to_owned();
        let mut line = fill_in(line, self.data.client_address()).ok_or_else(none)?;
        line.extend_from_slice(b"\r\n");
        let control = self.control.as_mut().ok_or("the client has hung up")?;
        let sent = control.get_mut().write_all(&line);
        sent.map_err(|error| error.to_string())
    }

    /// Reads lines of the server up to one that begins as expected; only one, unless skipping.
    fn expect(&mut self, expected: &[u8]) -> Result<(), String> {
        let skipping = std::mem::take(&mut self.skipping);
        loop {
            let Some(line) = self.read_line()? else {
                return Err(format!("closed, expected {}", lossy(expected)));
            };
            if line.starts_with(expected) {
                self.data.hear(&line);
                return Ok(());
            }
            if !skipping {
                let (got, expected) = (lossy(&line), lossy(expected));
                return Err(format!("got {got:?}, expected {expected:?}"));
            }
        }
    }

    /// The next line without its ending; `None` once the connection is closed.
    fn read_line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let Some(control) = &mut self.control else {
            return Ok(None);
        };
        let mut line = Vec::new();
        let read = control.read_until(b'\n', &mut line);
        read.map_err(|error| error.to_string())?;
        if line.is_empty() {
            return Ok(None);
        }
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(Some(line.to_vec())),
            None => Err(format!("half a line: {}", lossy(&line))),
        }
    }

    /// Compares a file with what the dialogue says; `None` if there is to be none.
    fn check(&self, path: &str, expected: Option<&[u8]>) -> Result<(), String> {
        let real_path = real_path(self.server.home(), path);
        match (fs::read(&real_path), expected) {
            (Ok(content), Some(expected)) if content == expected => Ok(()),
            (Err(_), None) if !real_path.exists() => Ok(()),
            (found, _) => Err(format!(
                "{path} is {:?}",
                found.map(|content| lossy(&content))
            )),
        }
    }
}

/// A setting of a dialogue with the section it stands in.
fn named(Setting { name, value }: &Setting) -> (String, String) {
    let section = match name.as_str() {
        "passive_timeout" => "data",
        _ => "control",
    };
    (format!("{section}.{name}"), value.replace("\\n", "\n"))
}

fn limit(socket: &TcpStream) -> Result<(), String> {
    let limited = socket
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| socket.set_write_timeout(Some(PATIENCE)));
    limited.map_err(|error| error.to_string())
}

fn real_path(home: &Path, path: &str) -> PathBuf {
    home.join(path.trim_start_matches('/'))
}

/// Writes a file that was last modified at the beginning of 2020.
fn write_file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
