//! Worker processes where the system has too little for all of them.

use std::fs;
use std::io::Write;
use std::iter;
use std::process::Command;

use ftpdlib_tests::client::{Client, read_all};
use ftpdlib_tests::program::{Program, signal};
use ftpdlib_tests::wait::wait_until;

use super::alone;
use super::programs::{PRE_FORK, banner, is_let_in};

/// Sets a limit of a process, as the option of `prlimit` says it.
fn limit(process: u32, option: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &process.to_string(), option]);
    // The process may have ended.
    let _ = prlimit.status().unwrap();
}

/// Sets how many descriptors a process may have.
fn limit_descriptors(process: u32, most: usize) {
    limit(process, &format!("--nofile={most}:"));
}

/// The limit with which a process can have so many descriptors beside those it has.
fn limit_with_spare(process: u32, spare: usize) -> usize {
    let names = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let numbers = names.map(|name| name.unwrap().file_name().into_string().unwrap().parse());
    let used: Vec<usize> = numbers.map(Result::unwrap).collect();
    let mut unused = (0..).filter(|number| !used.contains(number));
    unused.nth(spare).unwrap()
}

/// Starts three workers, has the process that starts them lack descriptors, and reloads.
#[track_caller]
fn reload_without_room(spare: usize) -> (Program, Vec<u32>) {
    let program = Program::start(PRE_FORK, "");
    for _ in 0..3 {
        program.wait_for("has started");
    }
    let workers = program.children();
    limit_descriptors(program.id(), limit_with_spare(program.id(), spare));
    program.configure("", "New.");
    program.signal("HUP");
    program.wait_for("cannot start a worker process");
    assert!(is_let_in(program.address()));
    (program, workers)
}

#[track_caller]
fn check_all_are_new(mut program: Program, old: &[u32]) {
    // Those started meanwhile have the same limit.
    for process in iter::once(program.id()).chain(program.children()) {
        limit_descriptors(process, 1024);
    }
    wait_until("all workers are new ones", || {
        let now = program.children();
        now.len() == old.len() && !now.iter().any(|child| old.contains(child))
    });
    assert_eq!(banner(program.address()), "New.");
    program.signal("TERM");
    program.check_ends_well();
}

#[test]
fn a_reload_without_room_for_any_new_worker_left_too_few_for_ever() {
    let _alone = alone();
    let (program, old) = reload_without_room(1);
    assert_eq!(program.children(), old);
    // Another signal is not the end of trying, nor is the end of a worker.
    program.signal("HUP");
    program.wait_for("cannot start a worker process");
    signal(old[0], "KILL");
    program.wait_for(&format!("worker process {} has ended: signal 9", old[0]));
    assert!(is_let_in(program.address()));
    check_all_are_new(program, &old);
}

#[test]
fn a_reload_with_room_for_some_new_workers_left_too_few_for_ever() {
    let _alone = alone();
    let (program, old) = reload_without_room(4);
    check_all_are_new(program, &old);
}

#[test]
fn a_reload_whose_only_new_worker_failed_in_its_start_left_nobody() {
    let _alone = alone();
    let mut program = Program::start(&["--concurrency", "pre-fork", "--workers", "1"], "");
    program.wait_for("has started");
    let old = program.children();
    // Enough to fork, and too little for what is forked.
    let limit = limit_with_spare(program.id(), 4);
    limit_descriptors(program.id(), limit);
    program.configure("", "New.");
    program.signal("HUP");
    for _ in 0..2 {
        program.wait_for("has ended: exit code 1");
    }
    assert_eq!(banner(program.address()), "Ready.");
    limit_descriptors(program.id(), 1024);
    wait_until("the worker is a new one", || {
        let now = program.children();
        now.len() == 1 && now != old
    });
    assert_eq!(banner(program.address()), "New.");
    program.signal("TERM");
    program.check_ends_well();
}

#[test]
fn an_upload_beyond_the_limit_on_files_ended_the_server() {
    let mut program = Program::start(&[], "");
    limit(program.id(), "--fsize=100000:");
    let mut other = Client::login(program.address());
    let mut client = Client::login(program.address());
    for size in [300_000, 1_000_000] {
        let mut data = client.begin("STOR big");
        // The server may have had enough before all of it is sent.
        let _ = data.write_all(&vec![0; size]);
        drop(data);
        client.expect_reply(552);
        program.wait_for("-[user] transfer failed: 552 ");
    }
    client.expect("NOOP", 200);
    other.expect("NOOP", 200);
    program.signal("TERM");
    program.check_ends_well();
}

#[test]
fn a_port_that_the_client_was_told_was_closed_for_want_of_a_descriptor() {
    let mut program = Program::start(&[], "");
    let mut client = Client::login(program.address());
    client.play(&[("TYPE I", 200)]);
    client.put("STOR file", b"hello");
    // What listens has the last one.
    limit_descriptors(program.id(), limit_with_spare(program.id(), 1));
    let data = client.passive();
    client.expect("NOOP", 200);
    program.wait_for("-[user] no data connection for now: ");
    limit_descriptors(program.id(), 1024);
    client.expect("RETR file", 150);
    assert_eq!(read_all(data), b"hello");
    client.expect_reply(226);
    program.signal("TERM");
    program.check_ends_well();
}
