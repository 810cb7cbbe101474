//! What the server does to the process it runs in. Each test here has the process to itself.

#[cfg(target_os = "linux")]
mod documented;
#[cfg(target_os = "linux")]
mod logs;
#[cfg(target_os = "linux")]
mod managed;
mod models;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
mod passwords;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod shortage;
#[cfg(target_os = "linux")]
mod stops;
#[cfg(target_os = "linux")]
mod system_users;
#[cfg(target_os = "linux")]
mod upgrades;
#[cfg(target_os = "linux")]
mod withdrawn;
#[cfg(target_os = "linux")]
mod workers;

use std::fs::{self, File};
use std::iter;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use ftpdlib::handlers::{FtpHandler, ObservedSession, ObservedTransfer, Observer};
use ftpdlib::servers::{Concurrency, FtpServerBuilder, ServeOptions, ServerHandle};
use ftpdlib_tests::client::{Client, read_all, read_to_any_end};
use ftpdlib_tests::models::chosen;
use ftpdlib_tests::server::{TestServer, handler};
use ftpdlib_tests::wait::{open_descriptors, process_status, wait_until};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// Held by the test that runs.
static PROCESS: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory in use, in KiB.
fn memory() -> u64 {
    process_status("VmRSS").parse().unwrap()
}

#[test]
fn descriptors_come_back() {
    let _alone = alone();
    let server = TestServer::new();
    server.file("big", vec![b'x'; 8 << 20]);
    server.check_serves();
    wait_until("all sessions end", || server.handle().clients() == 0);
    let before = open_descriptors();
    for number in 0..200 {
        let mut client = server.client();
        match number % 8 {
            0 => drop(client.passive()),
            1 => drop(client.port()),
            2 => drop(client.begin("STOR a")),
            3 => drop(client.begin("RETR big")),
            4 => drop(client.begin("LIST")),
            5 => {
                client.epsv();
                client.expect("RETR big", 150);
            }
            6 => {
                let stream = client.begin("RETR big");
                client.reset();
                drop(stream);
                continue;
            }
            _ => client.put("STOR a", b"hello"),
        }
    }
    wait_until("all descriptors are closed", || {
        open_descriptors() <= before
    });
    drop(server);
}

#[test]
fn a_server_leaves_nothing_open() {
    let _alone = alone();
    let before = open_descriptors();
    let server = TestServer::new();
    let client = server.client();
    drop(server);
    drop(client);
    wait_until("all descriptors are closed", || {
        open_descriptors() <= before
    });
}

/// How many descriptors the process may have, while this is held.
struct DescriptorLimit(String);

impl DescriptorLimit {
    fn new(limit: u32) -> Self {
        let limits = fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let before = line.unwrap().split_whitespace().nth(3).unwrap().to_owned();
        Self::set(&limit.to_string());
        Self(before)
    }

    fn set(limit: &str) {
        let (pid, limit) = (std::process::id(), format!("--nofile={limit}:"));
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &pid.to_string(), &limit]);
        assert!(prlimit.status().unwrap().success());
    }
}

impl Drop for DescriptorLimit {
    fn drop(&mut self) {
        Self::set(&self.0);
    }
}

#[test]
fn a_data_connection_without_a_descriptor_waits_for_one() {
    let _alone = alone();
    let server = TestServer::build(|handler| handler, |builder| builder.max_cons(2));
    server.file("a", "hello");
    let _limit = DescriptorLimit::new(256);
    for command_first in [true, false] {
        let mut client = server.client();
        let address = client.epsv();
        if command_first {
            client.expect("RETR a", 150);
        }
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let hogs: Vec<_> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
        socket.connect(&address.into()).unwrap();
        client.expect("NOOP", 200);
        drop(hogs);
        if !command_first {
            client.expect("RETR a", 150);
        }
        assert_eq!(read_to_any_end(socket.into()), b"hello");
        client.expect_reply(226);
        // Its place among the connections is free again.
        server.check_serves();
        wait_until("the other has left", || server.handle().clients() == 1);
        assert_eq!(client.fetch("RETR a"), b"hello");
        drop(client);
        wait_until("all have left", || server.handle().clients() == 0);
    }
}

#[test]
fn an_endless_line_takes_no_memory() {
    let _alone = alone();
    let server = TestServer::new();
    let mut client = server.client();
    client.expect("NOOP", 200);
    let piece = vec![b'x'; 1 << 20];
    client.send_raw(&piece);
    let before = memory();
    for _ in 0..64 {
        client.send_raw(&piece);
    }
    client.send("");
    client.expect_reply(500);
    let after = memory();
    assert!(
        after < before + (8 << 10),
        "{before} KiB became {after} KiB"
    );
    client.expect("NOOP", 200);
}

#[test]
fn replies_that_are_not_read_take_no_memory() {
    let _alone = alone();
    let server = TestServer::new();
    const AHEAD: usize = 100_000;
    let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    let before = memory();
    let sending: Vec<_> = clients
        .iter_mut()
        .map(|client| {
            client.shrink_receive_buffer();
            let mut stream = client.second_hand();
            // A hundred times as many bytes come back.
            let ahead = "HELP\n".repeat(AHEAD);
            thread::spawn(move || {
                // It ends when the server hangs up.
                let _ = std::io::Write::write_all(&mut stream, ahead.as_bytes());
            })
        })
        .collect();
    for _ in 0..100 {
        server.check_serves();
    }
    let after = memory();
    // What the senders hold is theirs.
    let own = (8 * 5 * AHEAD / 1024) as u64;
    assert!(
        after < before + own + (6 << 10),
        "{before} KiB became {after} KiB"
    );
    server.handle().close_all();
    drop(clients);
    for thread in sending {
        thread.join().unwrap();
    }
}

#[test]
fn signals_are_left_alone_unless_asked_for() {
    let _alone = alone();
    let before = process_status("SigCgt");
    let server = TestServer::new();
    server.check_serves();
    assert_eq!(process_status("SigCgt"), before);
}

/// A server that ends on signals, in a thread.
fn catching(grace: Duration) -> (ServerHandle, thread::JoinHandle<()>, TempDir) {
    let home = TempDir::new().unwrap();
    let (server, thread) = catching_as(handler(home.path()), grace);
    (server, thread, home)
}

/// The same, whose clients are served as `handler` says.
fn catching_as(handler: FtpHandler, grace: Duration) -> (ServerHandle, thread::JoinHandle<()>) {
    let builder = FtpServerBuilder::new(handler).listen((std::net::Ipv4Addr::LOCALHOST, 0));
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        let mut server = builder.concurrency(chosen()).build().unwrap();
        let handle = server.handle().unwrap();
        let options = ServeOptions::default()
            .shutdown_grace(grace)
            .on_started(move || tell.send(handle).unwrap());
        server.serve_forever(options).unwrap();
    });
    (told.recv().unwrap(), thread)
}

fn signal(name: &str) {
    let process = std::process::id().to_string();
    let sent = Command::new("kill").args(["-s", name, &process]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_first_signal_lets_transfers_end() {
    let _alone = alone();
    for name in ["TERM", "INT"] {
        let (server, thread, home) = catching(Duration::from_secs(3600));
        let address = server.local_addrs()[0];
        let mut idle = Client::login(address);
        let mut busy = Client::login(address);
        let mut stream = busy.begin("STOR a");
        signal(name);
        idle.expect_reply(421);
        std::io::Write::write_all(&mut stream, b"hello").unwrap();
        drop(stream);
        busy.expect_reply(226);
        busy.expect_reply(421);
        drop((idle, busy));
        thread.join().unwrap();
        assert_eq!(std::fs::read(home.path().join("a")).unwrap(), b"hello");
    }
}

#[test]
fn a_second_signal_waits_for_nobody() {
    let _alone = alone();
    let (server, thread, _home) = catching(Duration::from_secs(3600));
    let address = server.local_addrs()[0];
    let mut idle = Client::login(address);
    let mut busy = Client::login(address);
    let _stream = busy.begin("STOR a");
    signal("TERM");
    idle.expect_reply(421);
    signal("TERM");
    thread.join().unwrap();
    if chosen() == Concurrency::default() {
        busy.expect_reply(421);
    }
    // Where it is served on another thread, whether it is told is a race that the end may win.
    while busy.next_reply().is_some() {}
}

#[test]
fn a_second_signal_kept_the_ends_of_transfers_from_logs_and_callbacks() {
    struct Ends(mpsc::Sender<String>);

    impl Observer for Ends {
        fn is_inline(&self) -> bool {
            true
        }

        fn on_incomplete_file_sent(&self, _: &ObservedSession, sent: &ObservedTransfer) {
            self.0.send(sent.file.path.to_string()).unwrap();
        }

        fn on_incomplete_file_received(&self, _: &ObservedSession, received: &ObservedTransfer) {
            self.0.send(received.file.path.to_string()).unwrap();
        }
    }

    let _alone = alone();
    let home = TempDir::new().unwrap();
    let large = File::create(home.path().join("large")).unwrap();
    large.set_len(1 << 30).unwrap();
    let (tell, told) = mpsc::channel();
    let handler = handler(home.path()).observer(Ends(tell));
    let (server, thread) = catching_as(handler, Duration::from_secs(3600));
    let address = server.local_addrs()[0];
    let mut idle = Client::login(address);
    let (mut up, mut down) = (Client::login(address), Client::login(address));
    let _sent = up.begin("STOR a");
    let _received = down.begin("RETR large");
    signal("TERM");
    idle.expect_reply(421);
    signal("TERM");
    thread.join().unwrap();
    let mut ended: Vec<_> = told.try_iter().collect();
    ended.sort();
    assert_eq!(ended, ["/a", "/large"]);
}

#[test]
fn the_grace_period_ends() {
    let _alone = alone();
    let (server, thread, _home) = catching(Duration::from_millis(20));
    let mut busy = Client::login(server.local_addrs()[0]);
    let _stream = busy.begin("STOR a");
    signal("TERM");
    busy.expect_reply(421);
    busy.expect_end();
    thread.join().unwrap();
}

#[test]
fn a_download_holds_no_file_open_afterwards() {
    let _alone = alone();
    let server = TestServer::new();
    server.file("a", "hello");
    let mut client = server.client();
    client.fetch("RETR a");
    let before = open_descriptors();
    for _ in 0..50 {
        let stream = client.begin("RETR a");
        assert_eq!(read_all(stream), b"hello");
        client.expect_reply(226);
    }
    wait_until("all descriptors are closed", || {
        open_descriptors() <= before
    });
}
