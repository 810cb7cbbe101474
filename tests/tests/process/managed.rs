//! The program under a service manager that watches it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use ftpdlib_tests::program::{Program, is_gone, signal};
use ftpdlib_tests::wait::PATIENCE;

use super::alone;
use super::programs::{MULTI_PROC, PRE_FORK, banner, is_root, process_of, status};

/// Waits for a message to a service manager that begins with this.
#[track_caller]
fn hear(manager: &UnixDatagram, expected: &str) -> String {
    let mut buffer = [0; 200];
    loop {
        let length = manager.recv(&mut buffer).expect(expected);
        let told = String::from_utf8_lossy(&buffer[..length]);
        if told.starts_with(expected) {
            return told.trim_end().to_owned();
        }
    }
}

/// A program with workers, which are told of too, under a service manager that has a watchdog and
/// minds nothing it hears; and a sign of each message to the watchdog.
fn heard_by_nobody() -> (Program, Vec<u32>, Receiver<()>) {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let program = Program::start_managed(&socket, PRE_FORK);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        // Until the test ends.
        let _directory = directory;
        let mut buffer = [0; 200];
        while let Ok(length) = manager.recv(&mut buffer) {
            if buffer[..length].starts_with(b"WATCHDOG=1") {
                // Not every test listens.
                let _ = tell.send(());
            }
        }
    });
    program.wait_for_rest();
    let workers = program.children();
    (program, workers, told)
}

#[test]
fn a_service_manager_hears_of_an_upgrade_and_watches_the_new_process() {
    let _alone = alone();
    let in_one: &[&str] = &[];
    let as_another: &[&str] = &["--user", "4000000123", "--group", "4000000124"];
    for model in [PRE_FORK, MULTI_PROC, in_one, as_another] {
        if model == as_another && !is_root() {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("notify");
        let manager = UnixDatagram::bind(&socket).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut program = Program::start_managed(&socket, model);
        hear(&manager, "READY=1");
        hear(&manager, "WATCHDOG=1");
        let mut old = program.client();
        let mut stream = old.begin("STOR old");
        program.signal("USR2");
        // The queue of messages is short, and who sends waits for room in it.
        let main = hear(&manager, "MAINPID=");
        let successor = process_of(&program.wait_for(" has taken over"));
        assert_eq!(main, format!("MAINPID={successor}"));

        let mut new = program.client();
        new.put("STOR new", b"hello");
        stream.write_all(b"hello").unwrap();
        drop(stream);
        while let Some(reply) = old.next_reply() {
            match reply.code {
                226 => old.send("QUIT"),
                code => assert_eq!(code, 221),
            }
        }
        if model == as_another {
            for name in ["old", "new"] {
                let stored = fs::metadata(program.path(name)).unwrap();
                assert_eq!((stored.uid(), stored.gid()), (4_000_000_123, 4_000_000_124));
            }
            assert_eq!(status(successor, "Uid"), "0 0 0 0");
        }
        // The old process may have had it in its queue.
        drop((old, new));
        // Whatever the old process told is read before it can end.
        let hands_over = thread::scope(|scope| {
            let ended = scope.spawn(|| program.check_hands_over_to(successor));
            while !ended.is_finished() {
                hear(&manager, "WATCHDOG=1");
            }
            ended.join()
        });
        hands_over.unwrap();
        let end = UnixDatagram::unbound().unwrap();
        let marked = thread::spawn(move || end.send_to(b"END", socket).unwrap());
        hear(&manager, "END");
        marked.join().unwrap();
        hear(&manager, "WATCHDOG=1");
        signal(successor, "TERM");
        while !is_gone(successor) {
            // The last ones may not come.
            let _ = manager.set_read_timeout(Some(Duration::from_millis(10)));
            let _ = manager.recv(&mut [0; 200]);
        }
    }
}

#[test]
fn a_reload_that_ended_after_the_stop_had_begun_was_told_as_ready() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    let mut program = Program::start_managed(&socket, &[]);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 200];
        while let Ok(length) = manager.recv(&mut buffer) {
            // The test may be over.
            let _ = tell.send(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    });
    let hear = |expected: &str| {
        while !told.recv_timeout(PATIENCE).unwrap().starts_with(expected) {}
    };
    // Without it, the server would be over at once.
    let mut client = program.client();
    let stream = client.begin("STOR file");
    let configuration = program.path("../f.toml");
    fs::remove_file(&configuration).unwrap();
    let made = Command::new("mkfifo").arg(&configuration).status();
    assert!(made.unwrap().success());
    hear("READY=1");
    program.signal("HUP");
    hear("RELOADING=1");
    program.signal("TERM");
    hear("STOPPING=1");
    fs::write(configuration, "[server").unwrap();
    program.wait_for("configuration not changed");
    // The next reload begins only then.
    program.signal("HUP");
    program.wait_for("too late for the configuration");
    let end = UnixDatagram::unbound().unwrap();
    end.send_to(b"END", socket).unwrap();
    let told: Vec<_> = told.iter().take_while(|told| told != "END").collect();
    assert!(!told.iter().any(|told| told == "READY=1\n"), "{told:?}");
    drop(stream);
    program.check_ends_well();
}

#[test]
fn a_worker_that_hangs_is_replaced_where_there_is_a_watchdog() {
    let _alone = alone();
    let (mut program, before, _) = heard_by_nobody();
    signal(before[0], "STOP");
    program.wait_for(&format!("process {} hangs and is killed", before[0]));
    program.wait_for(&format!("worker process {} has ended: signal 9", before[0]));
    program.wait_for(" has started");
    program.wait_for_rest();
    let after = program.children();
    assert!(before[1..].iter().all(|other| after.contains(other)));
    assert_eq!(banner(program.address()), "Ready.");
    program.signal("TERM");
    program.check_ends_well();
}

#[test]
fn workers_were_killed_after_the_whole_server_had_been_stopped() {
    let _alone = alone();
    let (mut program, before, alive) = heard_by_nobody();
    for &worker in &before {
        signal(worker, "STOP");
    }
    program.signal("STOP");
    // As a machine may be: longer than a worker may hang.
    thread::sleep(Duration::from_secs(6));
    while alive.try_recv().is_ok() {}
    program.signal("CONT");
    for &worker in &before {
        signal(worker, "CONT");
    }
    // It looks at its workers as often as it tells the watchdog, so by the second time it has.
    for _ in 0..2 {
        alive.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(banner(program.address()), "Ready.");
    assert_eq!(program.children(), before);
    program.signal("TERM");
    program.check_ends_well();
}
