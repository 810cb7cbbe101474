//! The running program and the signals sent to it.
#![cfg(target_os = "linux")]

#[path = "support/client.rs"]
mod client;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use tempfile::TempDir;

use client::{Client, PATIENCE};

/// Every model that runs sessions in one process.
const MODELS: [&str; 3] = [
    "threads = 1",
    "threads = 3",
    "concurrency = \"multi-thread\"",
];

/// The program with a configuration file; killed at the end of the test.
struct Program {
    child: Child,
    log: Receiver<String>,
    directory: TempDir,
}

impl Program {
    /// Starts it with `listen`, more keys of `[server]`, and one anonymous user who may write.
    #[track_caller]
    fn start(listen: &[SocketAddr], server: &str, variables: &[(&str, &Path)]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_ftpdlib"));
        Self::run(program, listen, server, variables)
    }

    /// Starts it by a command that accepts its options.
    #[track_caller]
    fn run(
        command: Command,
        listen: &[SocketAddr],
        server: &str,
        variables: &[(&str, &Path)],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        configure(directory.path(), listen, server);
        Self::run_in(directory, command, variables)
    }

    /// Starts it with the `f.toml` in a directory.
    #[track_caller]
    fn run_in(directory: TempDir, mut command: Command, variables: &[(&str, &Path)]) -> Self {
        command
            .args(["-c", "f.toml"])
            .current_dir(directory.path())
            .stderr(Stdio::piped())
            .env_remove("RUST_LOG");
        for (name, value) in variables {
            command.env(name, value);
        }
        let mut child = command.spawn().unwrap();
        let (tell, log) = mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The test may be over.
                let _ = tell.send(line);
            }
        });
        let program = Self {
            child,
            log,
            directory,
        };
        program.wait_for("concurrency model");
        program
    }

    /// Reads the log up to a line with `text`, and returns that line.
    #[track_caller]
    fn wait_for(&self, text: &str) -> String {
        let mut read = String::new();
        while let Ok(line) = self.log.recv_timeout(PATIENCE) {
            if line.contains(text) {
                return line;
            }
            read += &format!("{line}\n");
        }
        panic!("no line with {text:?} in:\n{read}");
    }

    #[track_caller]
    fn signal(&self, name: &str) {
        send_signal(name, &self.child.id().to_string());
    }

    #[track_caller]
    fn configure(&self, listen: &[SocketAddr], server: &str) {
        configure(self.directory.path(), listen, server);
    }

    #[track_caller]
    fn check_ends_well(mut self) {
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // If the test went well, it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn send_signal(name: &str, process: &str) {
    let sent = Command::new("kill").args(["-s", name, process]).status();
    assert!(sent.unwrap().success());
}

#[track_caller]
fn configure(directory: &Path, listen: &[SocketAddr], server: &str) {
    let listen: Vec<_> = listen.iter().map(ToString::to_string).collect();
    let text = format!(
        "[server]\nlisten = {listen:?}\nshutdown_grace = 600\n{server}\n\
         [anonymous]\nhome = \".\"\nperm = \"elradfmwMT\"\n"
    );
    fs::write(directory.join("f.toml"), text).unwrap();
}

/// A loopback address for this test alone, with a port that no connection is assigned.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let ip = [127, high | 0x80, low, NEXT.fetch_add(1, Ordering::Relaxed)];
    SocketAddr::from((ip, 2121))
}

#[test]
fn a_reload_moves_the_listeners_and_keeps_the_sessions() {
    for model in MODELS {
        let addresses = [free_address(), free_address(), free_address()];
        let program = Program::start(&addresses[..2], model, &[]);
        let mut old = Client::login(addresses[0]);
        let mut stream = old.begin("STOR a");
        program.configure(&addresses[1..], model);
        program.signal("HUP");
        program.wait_for(&format!("listening on {} no longer", addresses[0]));
        program.wait_for(&format!("listening on {}", addresses[2]));
        assert!(TcpStream::connect(addresses[0]).is_err());
        for address in &addresses[1..] {
            Client::login(*address).expect("QUIT", "221");
        }
        stream.write_all(b"hello").unwrap();
        drop(stream);
        old.expect_reply("226");
        drop(old);
        program.signal("TERM");
        program.check_ends_well();
    }
}

#[test]
fn sockets_of_a_service_manager_stay() {
    for model in MODELS {
        let socket = TcpListener::bind(free_address()).unwrap();
        let address = socket.local_addr().unwrap();
        let unused = free_address();
        let mut shell = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_ftpdlib");
        let script = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
        shell.args(["-c", script, program]);
        shell.stdin(OwnedFd::from(socket));
        let program = Program::run(shell, &[unused], model, &[]);
        for _ in 0..2 {
            Client::login(address).expect("QUIT", "221");
            assert!(TcpStream::connect(unused).is_err());
            program.signal("HUP");
            program.wait_for("configuration read again");
        }
        program.signal("TERM");
        program.check_ends_well();
    }
}

#[test]
fn a_reload_that_fails_changes_nothing() {
    let address = free_address();
    let program = Program::start(&[address], "", &[]);
    let taken = free_address();
    let _held = TcpListener::bind(taken).unwrap();
    for broken in ["max_cons = 1", "max_cons = \"many\""] {
        program.configure(&[taken], broken);
        program.signal("HUP");
        let line = program.wait_for("configuration not changed");
        assert!(
            line.contains(&taken.to_string()) || line.contains("max_cons"),
            "{line}"
        );
        let (mut one, mut two) = (Client::login(address), Client::login(address));
        one.expect("QUIT", "221");
        two.expect("QUIT", "221");
    }
    program.signal("TERM");
    program.check_ends_well();
}

#[test]
fn a_reload_that_failed_announced_changes() {
    let address = free_address();
    let program = Program::start(&[address], "", &[]);
    let taken = free_address();
    let _held = TcpListener::bind(taken).unwrap();
    for (listen, told) in [
        (taken, "configuration not changed"),
        (address, "server.backlog has changed"),
    ] {
        program.configure(&[listen], "backlog = 7");
        program.signal("HUP");
        let line = program.wait_for("changed");
        assert!(line.contains(told), "{line}");
    }
    program.signal("TERM");
    program.check_ends_well();
}

#[test]
fn a_reload_that_hangs_kept_everybody_waiting() {
    for model in MODELS {
        let address = free_address();
        let program = Program::start(&[address], model, &[]);
        let mut client = Client::login(address);
        let path = program.directory.path().join("f.toml");
        let text = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        // Opening this pipe waits for a writer.
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        for _ in 0..3 {
            program.signal("HUP");
            client.expect("NOOP", "200");
            Client::login(address).expect("QUIT", "221");
        }
        // The reload that was requested meanwhile follows.
        for _ in 0..2 {
            let (path, text) = (path.clone(), text.clone());
            let writer = thread::spawn(move || fs::write(path, text).unwrap());
            program.wait_for("configuration read again");
            writer.join().unwrap();
        }
        program.signal("HUP");
        program.signal("TERM");
        client.expect_reply("421");
        drop(client);
        program.check_ends_well();
    }
}

#[test]
fn a_reload_of_an_empty_file_moved_the_server_to_the_default_port() {
    let address = free_address();
    let program = Program::start(&[address], "", &[]);
    for (text, told) in [
        (" \n", "found an empty file"),
        ("# The files of\n# examp", "found only comments"),
    ] {
        fs::write(program.directory.path().join("f.toml"), text).unwrap();
        program.signal("HUP");
        let line = program.wait_for("configuration ");
        assert!(line.contains(told), "{line}");
    }
    Client::login(address).expect("QUIT", "221");
}

#[test]
fn a_server_started_with_an_empty_file_was_never_reloaded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f.toml");
    fs::write(&path, "\n").unwrap();
    let address = free_address();
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftpdlib"));
    command.args(["-i", &ip, "-p", &port]);
    let program = Program::run_in(directory, command, &[]);
    for (text, told) in [
        ("# Nothing yet.\n", "configuration read again"),
        ("[control]\nbanner = \"New.\"\n", "configuration read again"),
        ("", "found an empty file"),
    ] {
        fs::write(&path, text).unwrap();
        program.signal("HUP");
        program.wait_for(told);
    }
}

#[test]
fn after_a_reload_that_failed_a_log_was_not_opened_again() {
    let address = free_address();
    let log = |name: &str| format!("[log]\njson = {name:?}");
    let program = Program::start(&[address], &log("a"), &[]);
    let path = |name: &str| program.directory.path().join(name);
    let mut client = Client::login(address);
    let taken = free_address();
    let _held = TcpListener::bind(taken).unwrap();
    program.configure(&[taken], &log("b"));
    program.signal("HUP");
    program.wait_for("configuration not changed");
    assert!(!path("b").exists());
    fs::rename(path("a"), path("moved")).unwrap();
    program.configure(&[address], &log("a"));
    program.signal("HUP");
    program.wait_for("configuration read again");
    drop(client.begin("STOR new"));
    client.expect_reply("226");
    // The next reply waits for the observers.
    client.expect("NOOP", "200");
    let lines = |name: &str| fs::read_to_string(path(name)).unwrap().lines().count();
    assert_eq!((lines("moved"), lines("a")), (0, 1));
    program.signal("TERM");
    client.expect_reply("421");
    drop(client);
    program.check_ends_well();
}

#[test]
fn a_broken_file_kept_a_log_from_being_opened_again() {
    let address = free_address();
    let program = Program::start(&[address], "[log]\njson = \"a\"", &[]);
    let path = |name: &str| program.directory.path().join(name);
    let mut client = Client::login(address);
    program.configure(&[address], "max_cons = \"many\"");
    fs::rename(path("a"), path("moved")).unwrap();
    program.signal("HUP");
    program.wait_for("configuration not changed");
    drop(client.begin("STOR new"));
    client.expect_reply("226");
    // The next reply waits for the observers.
    client.expect("NOOP", "200");
    let lines = |name: &str| fs::read_to_string(path(name)).unwrap().lines().count();
    assert_eq!((lines("moved"), lines("a")), (0, 1));
}

#[test]
fn transfers_end_before_the_program_does() {
    for model in MODELS {
        let address = free_address();
        let program = Program::start(&[address], model, &[]);
        let mut idle = Client::login(address);
        let mut busy: Vec<_> = (0..8).map(|_| Client::login(address)).collect();
        let streams: Vec<_> = busy
            .iter_mut()
            .enumerate()
            .map(|(number, client)| client.begin(&format!("STOR {number}")))
            .collect();
        program.signal("TERM");
        idle.expect_reply("421");
        for mut stream in streams {
            stream.write_all(b"hello").unwrap();
        }
        for client in &mut busy {
            client.expect_reply("226");
            client.expect_reply("421");
        }
        drop((idle, busy));
        for number in 0..8 {
            let file = program.directory.path().join(number.to_string());
            assert_eq!(fs::read(file).unwrap(), b"hello");
        }
        program.check_ends_well();
    }
}

#[test]
fn no_transfer_fails_because_of_reloads() {
    for model in MODELS {
        let address = free_address();
        let program = Program::start(&[address], model, &[]);
        let uploads: Vec<_> = (0..4)
            .map(|number| {
                thread::spawn(move || {
                    for _ in 0..25 {
                        let mut client = Client::login(address);
                        let mut stream = client.begin(&format!("STOR {number}"));
                        stream.write_all(&[b'x'; 10_000]).unwrap();
                        drop(stream);
                        client.expect_reply("226");
                        client.expect("QUIT", "221");
                    }
                })
            })
            .collect();
        while uploads.iter().any(|upload| !upload.is_finished()) {
            program.signal("HUP");
            program.wait_for("configuration read again");
        }
        for upload in uploads {
            upload.join().unwrap();
        }
        program.signal("TERM");
        program.check_ends_well();
    }
}

#[test]
fn a_second_signal_waits_for_no_transfer() {
    for model in MODELS {
        let address = free_address();
        let program = Program::start(&[address], model, &[]);
        let (mut idle, mut busy) = (Client::login(address), Client::login(address));
        let mut stream = busy.begin("STOR a");
        program.signal("TERM");
        idle.expect_reply("421");
        program.signal("INT");
        program.check_ends_well();
        // Whether the connection ends in a reset is a race.
        let _ = stream.read(&mut [0]);
    }
}

#[test]
fn the_service_manager_is_told_what_happens() {
    for model in MODELS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        // Read at once, or watchdog messages would be lost for lack of room in the queue.
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 200];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                if tell.send(text.into_owned()).is_err() {
                    break;
                }
            }
        });
        let expect = |expected: &str| {
            loop {
                let text = told.recv_timeout(PATIENCE).unwrap();
                if text.trim_end() != "WATCHDOG=1" || expected == "WATCHDOG=1" {
                    assert!(text.starts_with(expected), "{text:?}, not {expected:?}");
                    return text;
                }
            }
        };
        let variables = [
            ("NOTIFY_SOCKET", &*path),
            ("WATCHDOG_USEC", Path::new("20000")),
        ];
        let address = free_address();
        let program = Program::start(&[address], model, &variables);
        let mut client = Client::login(address);
        expect("READY=1");
        for _ in 0..3 {
            expect("WATCHDOG=1");
        }
        program.signal("HUP");
        let told = expect("RELOADING=1\nMONOTONIC_USEC=");
        assert!(
            told.trim_end()[27..]
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        );
        expect("READY=1");
        program.signal("TERM");
        expect("STOPPING=1");
        client.expect_reply("421");
        drop(client);
        program.check_ends_well();
    }
}

#[test]
fn after_an_upgrade_the_old_program_told_of_its_own_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut buffer = [0; 200];
        let length = socket.recv(&mut buffer)?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    let address = free_address();
    let variables = [("NOTIFY_SOCKET", &*path)];
    let old = Program::start(&[address], "", &variables);
    let client = Client::login(address);
    assert_eq!(hear().unwrap(), "READY=1\n");
    old.signal("USR2");
    let told = [hear().unwrap(), hear().unwrap()].concat();
    let new = told.trim_end().rsplit('=').next().unwrap();
    assert_eq!(told, format!("READY=1\nMAINPID={new}\n"));
    old.signal("HUP");
    // Whether it succeeds or not: the addresses belong to the new process.
    old.wait_for("configuration ");
    old.signal("TERM");
    drop(client);
    old.check_ends_well();
    // Only now, since the new process reports its end, too.
    send_signal("TERM", new);
    assert_eq!(hear().unwrap(), "STOPPING=1\n");
    socket.set_nonblocking(true).unwrap();
    assert!(hear().is_err());
}

#[test]
fn with_a_switched_link_an_upgrade_started_the_old_version_again() {
    let versions = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| versions.path().join(name);
    for version in ["v1", "v2"] {
        fs::create_dir(path(version)).unwrap();
        // A copy, since a hard link to Cargo's file would resolve to that.
        let program = path(version).join("ftpdlib");
        fs::copy(env!("CARGO_BIN_EXE_ftpdlib"), program).unwrap();
    }
    symlink("v1", path("current")).unwrap();
    let command = Command::new(path("current/ftpdlib"));
    let old = Program::run(command, &[free_address()], "", &[]);
    fs::remove_file(path("current")).unwrap();
    symlink("v2", path("current")).unwrap();
    old.signal("USR2");
    let line = old.wait_for("has taken over");
    let new = line.split(' ').nth(4).unwrap();
    let program = fs::read_link(format!("/proc/{new}/exe")).unwrap();
    send_signal("TERM", new);
    // Root trusts no link in a directory where others may write.
    let trusts = |place: &Path| {
        let metadata = fs::metadata(place).unwrap();
        metadata.uid() == 0 && metadata.mode() & 0o022 == 0
    };
    let real = versions.path().canonicalize().unwrap();
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let expected = match is_root && !real.ancestors().all(trusts) {
        true => "v1/ftpdlib",
        false => "v2/ftpdlib",
    };
    assert_eq!(program, real.join(expected));
    old.check_ends_well();
}
