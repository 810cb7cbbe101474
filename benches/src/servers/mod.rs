//! The servers that are compared: how each is found, configured and started.

mod bare;
mod ftpdlib;
mod proftpd;
mod pure_ftpd;
mod pyftpdlib;
mod rclone;
mod special;
mod unftp;
mod vsftpd;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Seek};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::site::ORDINARY;
use crate::tls::IdentityFiles;
use crate::{Client, ClientTls, Identity, Process, Protection, Target, TlsStart};

/// How long a server may take until it greets.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The user of every server that can have one.
const USERNAME: &str = "user";

/// Its password.
const PASSWORD: &str = "pw";

/// The same password as `crypt` stores it in its oldest and cheapest form: the session rate is to
/// show the server and not the hash.
const CRYPTED: &str = "abzlUXK5ed5rs";

pub(crate) use special::DISTURBER;

/// Servers with a process, or more, for each session.
const FORKING: &[&str] = &["vsftpd", "proftpd", "pure-ftpd"];

/// The ceiling, which is compared with but is no rival.
pub const BARE: &Recipe = &bare::RECIPE;

/// Every server that is compared, ours first.
pub const RECIPES: &[Recipe] = &[
    ftpdlib::RECIPE,
    vsftpd::RECIPE,
    proftpd::RECIPE,
    pure_ftpd::RECIPE,
    pyftpdlib::RECIPE,
    unftp::RECIPE,
    rclone::RECIPE,
];

/// What ours is started as for a workload that needs more than a plain server; the others cannot
/// run that.
pub fn special_recipe(workload: &str) -> Option<&'static Recipe> {
    match workload {
        "slow-disk" => Some(&special::SLOW_DISK),
        "hashed-logins" => Some(&special::HASHES),
        _ => None,
    }
}

/// How to find and start one server.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Its name in options and tables.
    pub name: &'static str,
    /// The file to look for.
    pub file: &'static str,
    /// How to get it.
    pub hint: &'static str,
    /// The options that make it tell its version.
    version: &'static [&'static str],
    username: &'static str,
    /// How it speaks TLS.
    tls: TlsSupport,
    /// The command that serves.
    command: fn(&Launch<'_>) -> io::Result<Command>,
}

/// What a server can do under TLS.
#[derive(Clone, Copy, Debug)]
struct TlsSupport {
    start: TlsStart,
    /// Whether data connections can be private.
    private_data: bool,
}

impl TlsSupport {
    /// That of every server that follows RFC 4217.
    const FULL: Self = Self {
        start: TlsStart::Explicit,
        private_data: true,
    };
}

/// What a server is started with.
pub(crate) struct Launch<'a> {
    /// Its file.
    program: &'a Path,
    /// The port of the loopback address to listen on.
    port: u16,
    /// The directory to serve.
    root: &'a Path,
    /// A directory of its own, for its configuration.
    scratch: &'a Path,
    /// More options, for ours.
    arguments: &'a [OsString],
    /// The certificate to show, where TLS is wanted.
    identity: Option<&'a Identity>,
}

impl Launch<'_> {
    /// Files with the certificate, where TLS is wanted; only `owner` can read them, this process's
    /// user if that is `None`.
    fn identity_files(&self, owner: Option<u32>) -> io::Result<Option<IdentityFiles>> {
        let identity = self.identity.iter();
        let mut written = identity.map(|identity| {
            let directory = self.scratch.join("tls");
            fs::create_dir(&directory)?;
            identity.write(&directory, owner)
        });
        written.next().transpose()
    }
}

impl Recipe {
    /// The server's file in `downloads`, where the hints put it, or on the search path.
    pub fn find(&self, downloads: &Path) -> Option<PathBuf> {
        let fetched = ["debian/usr/sbin", "debian/usr/bin", "venv/bin", "bin"];
        let path = env::var_os("PATH").unwrap_or_default();
        fetched
            .iter()
            .map(|directory| downloads.join(directory))
            .chain(env::split_paths(&path))
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .map(|directory| directory.join(self.file))
            .find(|file| file.is_file())
    }

    /// Whether `workload` can be run on it.
    pub fn runs(&self, workload: &str) -> bool {
        match self.name {
            "bare" => bare::WORKLOADS.contains(&workload),
            "ftpdlib" => true,
            name if FORKING.contains(&name) && workload == "idle-many" => false,
            _ => special_recipe(workload).is_none(),
        }
    }

    /// The line in which the program tells its version, empty if it tells none.
    pub fn version(&self, program: &Path) -> String {
        self.ask_version(program).unwrap_or_default()
    }

    fn ask_version(&self, program: &Path) -> io::Result<String> {
        // vsftpd writes to its standard input, which is the client's socket under inetd.
        let mut input = tempfile::tempfile()?;
        let mut command = match program.file_name() {
            Some(name) if name == pyftpdlib::FILE => pyftpdlib::interpreter(program),
            _ => prepared(program),
        };
        let output = command
            .args(self.version)
            .stdin(input.try_clone()?)
            .output()?;
        let mut text = [output.stdout, output.stderr].concat();
        input.rewind()?;
        input.read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let mut lines = text.lines().map(str::trim);
        let told = lines.find(|line| line.contains(|letter: char| letter.is_ascii_digit()));
        Ok(told.unwrap_or_default().to_owned())
    }

    /// What the server lacks for a workload that wants `protection`; `None` if it lacks nothing.
    pub fn lacks(&self, protection: Protection) -> Option<&'static str> {
        let lacks = protection == Protection::Data && !self.tls.private_data;
        lacks.then_some("it has no private data connections (PROT P)")
    }

    /// Starts the program on a free port of the loopback address, serving `root`, and waits until
    /// it greets. `scratch` is an empty directory for its configuration; with an `identity` it
    /// speaks TLS.
    ///
    /// # Errors
    ///
    /// It does not start, or does not greet in time.
    pub fn start(
        &self,
        program: &Path,
        root: &Path,
        scratch: &Path,
        arguments: &[OsString],
        identity: Option<&Identity>,
    ) -> io::Result<Server> {
        let port = free_port()?;
        let launch = Launch {
            program,
            port,
            root,
            scratch,
            arguments,
            identity,
        };
        let log = scratch.join("log");
        let child = (self.command)(&launch)?
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .spawn()?;
        let mut server = Server {
            target: Target {
                address: (Ipv4Addr::LOCALHOST, port).into(),
                username: self.username.to_owned(),
                password: PASSWORD.to_owned(),
                process: Process::new(child.id()),
                tls: identity.map(|_| ClientTls::new(self.tls.start)),
                process_per_session: FORKING.contains(&self.name),
            },
            child,
        };
        server.wait().map_err(|error| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            let last = log.lines().last().unwrap_or_default();
            io::Error::other(format!("does not start: {error}; {last}"))
        })?;
        Ok(server)
    }
}

/// A running server; dropping it ends it with all its processes.
#[derive(Debug)]
pub struct Server {
    child: Child,
    target: Target,
}

impl Server {
    /// Where it is and who may log in.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How it ended, if it did so unexpectedly.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until it greets.
    fn wait(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match Client::connect(&self.target) {
                Ok(mut client) => return client.command("QUIT", 221).map(drop),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => {}
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(status.to_string()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that forks leaves its children behind when it is killed.
        let others = self.target.process.pids().unwrap_or_default();
        let _ = self.child.kill();
        let _ = self.child.wait();
        let mut kill = Command::new("kill");
        kill.arg("-KILL").stderr(Stdio::null());
        let children = others.iter().filter(|&&pid| pid != self.child.id());
        let _ = kill.args(children.map(u32::to_string)).status();
    }
}

/// The command run as the ordinary user, if this process may switch users.
fn ordinary(mut command: Command) -> Command {
    if is_root() {
        command.uid(ORDINARY).gid(ORDINARY);
    }
    command
}

/// A command for `program` that finds the libraries which were fetched with it.
fn prepared(program: &Path) -> Command {
    let mut command = Command::new(program);
    // DOWNLOADS/debian/usr/sbin/PROGRAM
    if let Some(debian) = program.ancestors().nth(3)
        && debian.ends_with("debian")
    {
        let libraries = ["usr/lib", "lib"].map(|directory| {
            debian
                .join(directory)
                .join(format!("{}-linux-gnu", env::consts::ARCH))
        });
        if let Ok(path) = env::join_paths(libraries) {
            command.env("LD_LIBRARY_PATH", path);
        }
    }
    command
}

/// Whether other users can be taken on. True of root, who owns everything it makes.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|facts| facts.uid() == 0)
}

fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}
