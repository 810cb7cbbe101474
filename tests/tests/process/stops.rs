//! What a signal finds that is only half there: a successor that is not ready, a client whom nobody
//! has named, a loop that hangs.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ftpdlib_tests::client::{Client, USER, connect};
use ftpdlib_tests::clients::executable;
use ftpdlib_tests::program::{Program, is_gone, signal};
use ftpdlib_tests::skip::skipped;
use ftpdlib_tests::wait::wait_until;

use super::alone;
use super::programs::{self, MODELS, MULTI_PROC, PRE_FORK, is_root, process_of};

#[test]
fn a_server_went_on_that_was_stopped_while_its_successor_began() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("ftpdlib");
    fs::copy(executable(), &place).unwrap();
    fs::write(
        directory.path().join("f.toml"),
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[anonymous]\nhome = \".\"\n",
    )
    .unwrap();
    let mut program = Program::launch(Command::new(&place), &[], directory);
    let slow = place.with_extension("new");
    fs::write(&slow, "#!/bin/sh\nexec sleep 600\n").unwrap();
    fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(slow, place).unwrap();
    program.signal("USR2");
    let line = program.wait_for("SIGUSR2: starting ");
    program.signal("TERM");
    assert_eq!(program.wait().code(), Some(0));
    // The server does not wait for what it kills.
    wait_until("the successor has ended", || is_gone(process_of(&line)));
}

/// A configuration with a log, for a server that listens there.
fn logging(listen: &str) -> String {
    format!(
        "[server]\nlisten = [{listen:?}]\n[log]\nxferlog = \"log\"\n[anonymous]\nhome = \".\"\n"
    )
}

/// An address that nobody has.
fn free_address() -> String {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().to_string()
}

#[test]
fn after_an_upgrade_no_process_heard_of_a_changed_configuration() {
    let _alone = alone();
    let mut program = Program::configured(&[], &logging(&free_address()));
    // Names beside it are found by way of it.
    fs::create_dir(program.path("")).unwrap();
    let first = program.address();
    let mut old = Client::login_as("anonymous", "x", first);
    program.signal("USR2");
    let successor = process_of(&program.wait_for(" has taken over"));

    // The old one has sessions whose transfers go on being logged.
    let lines = |name: &str| {
        let text = fs::read_to_string(program.path(format!("../{name}")));
        text.map_or(0, |text| text.lines().count())
    };
    old.fetch("RETR f.toml");
    wait_until("the transfer is logged", || lines("log") == 1);
    fs::rename(program.path("../log"), program.path("../moved")).unwrap();
    program.signal("HUP");
    program.wait_for("configuration read again");
    old.fetch("RETR f.toml");
    wait_until("the log is opened again", || lines("log") == 1);
    assert_eq!(lines("moved"), 1);

    // The new one moves the address that it has from the old one.
    let second = free_address();
    program.rewrite(&logging(&second));
    signal(successor, "HUP");
    program.wait_for(&format!("listening on {first} no longer"));
    program.wait_for(&format!("listening on {second}"));
    Client::login_as("anonymous", "x", second.parse().unwrap()).expect("QUIT", 221);
    assert!(TcpStream::connect(first).is_err());

    old.expect("QUIT", 221);
    drop(old);
    program.check_hands_over_to(successor);
    signal(successor, "TERM");
    wait_until("the successor ends", || is_gone(successor));
}

#[test]
fn the_workers_that_the_grace_period_ended_were_called_clients() {
    let _alone = alone();
    let configuration = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nshutdown_grace = 0.1\n\
         [[users]]\nname = {:?}\npassword = {:?}\nhome = \".\"\nperm = \"w\"\n",
        USER.0, USER.1
    );
    let one_worker: &[&str] = &["--concurrency", "pre-fork", "--workers", "1"];
    for (model, expected) in [
        (one_worker, "ending 1 process(es)"),
        (MULTI_PROC, "ending 2 process(es)"),
        (&[], "disconnecting 2 client(s)"),
    ] {
        let mut program = Program::configured(model, &configuration);
        let _busy = ["a", "b"].map(|name| {
            let mut client = program.client();
            let stream = client.begin(&format!("STOR {name}"));
            (client, stream)
        });
        program.signal("TERM");
        program.wait_for(&format!("grace period over, {expected}"));
        program.check_ends_well();
    }
}

#[test]
fn a_stop_waited_for_a_proxy_that_said_nothing() {
    let _alone = alone();
    let mut program = Program::start(MULTI_PROC, "proxy_protocol_from = [\"127.0.0.1/32\"]");
    let _silent = connect(program.address());
    wait_until("a process serves it", || program.children().len() == 1);
    let began = Instant::now();
    program.signal("TERM");
    program.check_ends_well();
    // A proxy has five seconds for its header.
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_reload_waited_for_the_writer_of_a_configuration() {
    let _alone = alone();
    let text = "[server]\nlisten = [\"127.0.0.1:0\"]\n[anonymous]\nhome = \".\"\n";
    for model in MODELS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f.toml");
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        // Not waited for: if the program did not read, it would write for ever.
        thread::spawn(move || fs::write(path, text));
        let mut program = Program::launch(Command::new(executable()), model, directory);
        program.signal("HUP");
        program.wait_for("which only a start can read");
        let mut client = Client::open(program.address());
        client.expect_reply(220);
        drop(client);
        program.end_at_once();
    }
}

/// Holds a lease of a file, so that whoever opens it waits, up to 45 seconds for most systems.
/// Tells that on standard output, and then that somebody waits. Ends by itself if the test does not
/// end it.
const LEASE: &str = "$| = 1; alarm 60; open(my $file, '+<', $ARGV[0]) or die; \
    $SIG{IO} = sub { print qq(wanted\n) }; \
    fcntl($file, 1024, F_WRLCK) or die; print qq(held\n); sleep while 1";

#[test]
fn a_second_signal_did_not_end_a_server_that_hung() {
    let _alone = alone();
    for model in MODELS {
        let mut program = Program::start(model, "");
        let mut holder = Command::new("perl")
            .args(["-MFcntl", "-e", LEASE])
            .arg(program.path("../f.toml"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(holder.stdout.take().unwrap()).lines();
        let Some(held) = told.next() else {
            holder.wait().unwrap();
            return skipped("no leases of temporary files");
        };
        assert_eq!(held.unwrap(), "held");
        program.signal("HUP");
        assert_eq!(told.next().unwrap().unwrap(), "wanted");
        program.signal("TERM");
        // One that is not read within a quarter of a second is taken for one that never will be.
        thread::sleep(Duration::from_secs(1));
        assert!(!is_gone(program.id()), "{model:?}: the first ended it");
        program.signal("TERM");
        wait_until("it has ended", || is_gone(program.id()));
        let status = program.wait();
        assert_eq!(status.signal(), Some(15), "{model:?}");
        holder.kill().unwrap();
        holder.wait().unwrap();
    }
}

#[test]
fn reloads_came_to_an_end_while_clients_of_each_stayed() {
    let _alone = alone();
    let options: &[&str] = &["--concurrency", "pre-fork", "--workers", "1"];
    let mut program = Program::start(options, "");
    let mut clients = Vec::new();
    for turn in 0..25 {
        clients.push(program.client());
        let text = format!("Banner {turn}.");
        program.configure("", &text);
        program.signal("HUP");
        wait_until("the banner is new", || {
            programs::banner(program.address()) == text
        });
    }
    drop(clients);
    program.end_with_last_client();
}

#[test]
fn a_process_of_another_user_could_write_to_its_parents_signals() {
    let _alone = alone();
    let user: &[&str] = match is_root() {
        true => &["--user", "4000000123"],
        false => &[],
    };
    for model in MODELS {
        let mut program = Program::start(&[model, user].concat(), "");
        let client = program.client();
        for child in program.children() {
            // A worker that serves nobody yet may still be about to close what it has inherited.
            wait_until("a process shares no unix socket with its parent", || {
                !share_unix_socket(program.id(), child)
            });
        }
        drop(client);
        program.end_with_last_client();
    }
}

#[test]
fn workers_that_had_heard_of_the_stop_first_were_replaced() {
    let _alone = alone();
    let mut program = Program::start(PRE_FORK, "");
    let first = program.children();
    program.signal("HUP");
    for _ in 0..3 {
        program.wait_for(" has started");
    }
    // The first ones end when the others serve, and so have caught their signals.
    wait_until("workers are replaced", || {
        let now = program.children();
        now.len() == 3 && now.iter().all(|worker| !first.contains(worker))
    });
    // As where a service manager sends the signal to each process.
    program.freeze();
    for worker in program.children() {
        signal(worker, "TERM");
        wait_until("a worker has ended", || is_gone(worker));
    }
    program.signal("TERM");
    program.signal("CONT");
    assert_eq!(program.wait().code(), Some(0));
    let log = program.rest_of_log();
    let wrong = |line: &&String| line.starts_with("[E") || line.contains(" has started");
    let wrong: Vec<_> = log.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_server_that_was_stopping_read_its_configuration_again() {
    let _alone = alone();
    for options in [&[][..], PRE_FORK, MULTI_PROC] {
        let mut program = Program::start(options, "[log]\njson = \"home/log\"");
        let (mut idle, mut busy) = (program.client(), program.client());
        let data = busy.begin("STOR a");
        program.signal("TERM");
        idle.expect_reply(421);
        let log = program.path("log");
        fs::rename(&log, program.path("moved")).unwrap();
        program.signal("HUP");
        program.wait_for("SIGHUP: too late");
        wait_until("the log is opened again", || log.exists());
        drop(data);
        busy.expect_reply(226);
        drop((idle, busy));
        program.check_ends_well();
        let log = program.rest_of_log();
        assert!(
            !log.iter().any(|line| line.contains("read again")),
            "{log:#?}"
        );
    }
}

#[test]
fn a_server_that_was_frozen_cut_off_clients_that_had_gone_on() {
    let _alone = alone();
    let program = Program::start(&["--timeout", "3"], "[data]\ntimeout = 3.0");
    let (mut idle, mut busy) = (program.client(), program.client());
    let mut data = busy.begin("STOR a");
    program.freeze();
    idle.send("NOOP");
    data.write_all(b"came meanwhile").unwrap();
    // All that was to happen within that time is late now.
    thread::sleep(Duration::from_secs(3));
    program.signal("CONT");
    idle.expect_reply(200);
    drop(data);
    busy.expect_reply(226);
    assert_eq!(fs::read(program.path("a")).unwrap(), b"came meanwhile");
}

#[test]
fn uploads_to_a_server_that_was_frozen_were_cut_off_while_others_had_their_turns() {
    let _alone = alone();
    let program = Program::start(&[], "[data]\ntimeout = 3.0");
    let begin = |number: usize| {
        let mut client = program.client();
        let mut data = client.begin(&format!("STOR {number}"));
        // So much at once that it is served after other clients from now on.
        data.write_all(&[b'a'; 256 << 10]).unwrap();
        (client, data)
    };
    let mut uploads: Vec<_> = (0..20).map(begin).collect();
    program.freeze();
    for (_, data) in &mut uploads {
        data.write_all(&[b'b'; 32 << 10]).unwrap();
    }
    thread::sleep(Duration::from_secs(3));
    program.signal("CONT");
    for (number, (mut client, data)) in uploads.into_iter().enumerate() {
        drop(data);
        client.expect_reply(226);
        let size = fs::metadata(program.path(number.to_string()))
            .unwrap()
            .len();
        assert_eq!(size, 288 << 10);
    }
}

/// Whether two processes have the same unix socket open.
fn share_unix_socket(one: u32, other: u32) -> bool {
    let unix = fs::read_to_string("/proc/net/unix").unwrap();
    let is_unix = |link: &str| {
        let inode = link.strip_prefix("socket:[");
        let inode = inode.map(|rest| rest.trim_end_matches(']'));
        inode.is_some()
            && unix
                .lines()
                .any(|line| line.split_whitespace().nth(6) == inode)
    };
    let others = descriptors(other);
    let shared = |link: &String| others.contains(link) && is_unix(link);
    descriptors(one).iter().any(shared)
}

/// What the descriptors of a process lead to, but for its standard ones.
fn descriptors(process: u32) -> Vec<String> {
    let directory = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let entries = directory.filter_map(Result::ok);
    let own = entries.filter(|entry| entry.file_name().len() > 1 || *entry.file_name() > *"2");
    own.filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}
