//! The program with its processes, for tests of what becomes of them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::client::{Client, USER};
use crate::clients::executable;
use crate::wait::{PATIENCE, wait_until};

/// A running program with a configuration file and one user, [`USER`], who may do everything in the
/// directory `home`. Dropped, it is killed.
pub struct Program {
    child: Child,
    log: Receiver<String>,
    address: SocketAddr,
    directory: TempDir,
    /// Children it has without any client.
    workers: usize,
}

#[expect(
    clippy::missing_panics_doc,
    reason = "every failure is the end of a test"
)]
impl Program {
    /// Starts it with these options and these lines of `[server]`, on a port of its own.
    #[track_caller]
    pub fn start(options: &[&str], server: &str) -> Self {
        Self::start_by(Command::new(executable()), options, server)
    }

    /// Starts it with the log that it has where nobody says otherwise.
    #[track_caller]
    pub fn start_with_default_log(options: &[&str]) -> Self {
        let mut command = Command::new("env");
        command.args(["-u", "RUST_LOG"]).arg(executable());
        Self::start_by(command, options, "")
    }

    /// Starts it as a service manager does that listens at `socket` and watches it.
    #[track_caller]
    pub fn start_managed(socket: &Path, options: &[&str]) -> Self {
        // Only the process knows its number before it begins.
        let script = "export WATCHDOG_PID=$$; exec \"$@\"";
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh"])
            .arg(executable())
            .env("NOTIFY_SOCKET", socket)
            .env("WATCHDOG_USEC", "20000");
        Self::start_by(command, options, "")
    }

    #[track_caller]
    fn start_by(command: Command, options: &[&str], server: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        fs::create_dir(&home).unwrap();
        // Another user may serve it.
        for path in [directory.path(), &home] {
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            fs::set_permissions(path, open).unwrap();
        }
        configure(directory.path(), server, "Ready.");
        Self::launch(command, options, directory)
    }

    /// Starts it with these options and this configuration file, which has a directory of its own.
    #[track_caller]
    pub fn configured(options: &[&str], configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f.toml"), configuration).unwrap();
        Self::launch(Command::new(executable()), options, directory)
    }

    /// Starts it by a command that becomes the program, with these options and the configuration
    /// file `f.toml` of the directory.
    #[track_caller]
    pub fn launch(mut command: Command, options: &[&str], directory: TempDir) -> Self {
        let mut child = command
            .args(["-c", "f.toml"])
            .args(options)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .env("RUST_LOG", "debug")
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, log) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The test may be over.
                let _ = tell.send(line);
            }
        });
        let mut program = Self {
            child,
            log,
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            directory,
            workers: workers(options),
        };
        let line = program.wait_for(">>> starting FTP server on ");
        let (_, rest) = line.split_once(" on ").unwrap();
        let (address, _) = rest.split_once(", pid=").unwrap();
        program.address = address.parse().unwrap();
        program
    }

    /// Reads the log up to a line with `text`, and gives that.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let mut read = String::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return line;
            }
            read += &format!("{line}\n");
        }
        panic!("no line with {text:?} in:\n{read}");
    }

    /// Reads the log to its end, which comes with that of all processes.
    #[track_caller]
    pub fn rest_of_log(&self) -> Vec<String> {
        std::iter::from_fn(|| match self.log.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the log has no end"),
        })
        .collect()
    }

    /// Writes its configuration anew.
    #[track_caller]
    pub fn configure(&self, server: &str, banner: &str) {
        configure(self.directory.path(), server, banner);
    }

    /// Writes this configuration in the place of the one it has.
    #[track_caller]
    pub fn rewrite(&self, configuration: &str) {
        fs::write(self.directory.path().join("f.toml"), configuration).unwrap();
    }

    /// Writes something that is no configuration.
    #[track_caller]
    pub fn break_configuration(&self) {
        fs::write(self.directory.path().join("f.toml"), "[server").unwrap();
    }

    /// Sends a signal to the process that was started.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Stops the process that was started, and waits until none of its threads runs.
    #[track_caller]
    pub fn freeze(&self) {
        self.signal("STOP");
        wait_until("all threads have stopped", || {
            let threads = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
            threads
                .map(|thread| state(thread.unwrap().path()))
                .all(|state| state.is_none_or(|state| state == 'T'))
        });
    }

    /// Waits for the end of the process that was started, and of all its children.
    #[track_caller]
    pub fn check_ends_well(&mut self) {
        self.check_hands_over_to(0);
    }

    /// Does the same, but for one of the children.
    #[track_caller]
    pub fn check_hands_over_to(&mut self, successor: u32) {
        let children = self.children();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0));
        for child in children {
            assert_eq!(is_gone(child), child != successor, "process {child}");
        }
    }

    /// Waits for the end of the process that was started, whatever it is.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits until there are as many children as without any client.
    #[track_caller]
    pub fn wait_for_rest(&self) {
        wait_until("there are as many processes as at the start", || {
            self.children().len() == self.workers
        });
    }

    /// Waits for that, and has it end.
    #[track_caller]
    pub fn end_with_last_client(&mut self) {
        self.wait_for_rest();
        self.signal("TERM");
        self.check_ends_well();
    }

    /// Disconnects everybody and waits for the end.
    #[track_caller]
    pub fn end_at_once(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal("TERM");
            // Two of a kind may come as one.
            self.signal("INT");
        }
        self.check_ends_well();
    }

    /// The number of the process that was started.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its child processes that live.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.id())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client that is logged in.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::login(self.address)
    }

    /// The real path of a file of the home directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join("home").join(name)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let children = self.children();
        // It has ended where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !thread::panicking() {
            wait_until("orphans end", || {
                children.iter().all(|&child| is_gone(child))
            });
        }
    }
}

/// Sends a signal to a process.
///
/// # Panics
///
/// There is none of that number.
#[track_caller]
pub fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// The child processes of a process that live.
pub fn children_of(process: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let list = list.unwrap_or_default();
    let children = list.split_whitespace().filter_map(|id| id.parse().ok());
    children.filter(|&child| !is_gone(child)).collect()
}

/// Whether a process has ended. Somebody may still have to ask how.
pub fn is_gone(process: u32) -> bool {
    state(format!("/proc/{process}")).is_none_or(|state| state == 'Z')
}

/// What a process or a thread does, as the letter of its `stat` says; `None` if it is gone.
fn state(entry: impl AsRef<Path>) -> Option<char> {
    let stat = fs::read_to_string(entry.as_ref().join("stat")).ok()?;
    // The name before it may hold anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// How many workers these options ask for.
fn workers(options: &[&str]) -> usize {
    let mut options = options.iter().skip_while(|&&option| option != "--workers");
    let count = options.nth(1);
    count.map_or(0, |count| count.parse().expect("the number of a test"))
}

fn configure(directory: &Path, server: &str, banner: &str) {
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nshutdown_grace = {}\n{server}\n\
         [control]\nbanner = {banner:?}\n\
         [[users]]\nname = {:?}\npassword = {:?}\nhome = \"home\"\nperm = \"elradfmwMT\"\n",
        Duration::from_secs(600).as_secs(),
        USER.0,
        USER.1,
    );
    fs::write(directory.join("f.toml"), text).unwrap();
}
