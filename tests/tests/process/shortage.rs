//! Worker processes where the system has too little for all of them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use ftpdlib_tests::client::{Client, read_all};
use ftpdlib_tests::clients::executable;
use ftpdlib_tests::program::{Program, signal};
use ftpdlib_tests::skip::skipped;
use ftpdlib_tests::wait::wait_until;
use tempfile::TempDir;

use super::alone;
use super::programs::{PRE_FORK, banner, is_let_in, is_root};

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

/// The number of a user without any process. `None` if nobody can become that user.
fn idle_user() -> Option<u32> {
    // Of another run of these tests, which was ended, processes may be left.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let of_this_run = 3_000_000_000 + std::process::id() * 16;
    let uid = of_this_run + NEXT.fetch_add(1, Ordering::Relaxed);
    let mut version = Command::new(executable());
    let version = version.arg("-V").uid(uid).output();
    (is_root() && version.is_ok_and(|output| output.status.success())).then_some(uid)
}

/// A command for the program where each user may have so many processes, threads included.
fn crowded_program(most: u32) -> Command {
    let mut command = Command::new("prlimit");
    command.arg(format!("--nproc={most}:{most}"));
    command.arg(executable());
    command
}

/// The same as an idle user; and a directory for it, with this configuration. `None` if nobody can
/// become that user.
fn crowded(most: u32, configuration: &str) -> Option<(Command, TempDir)> {
    let uid = idle_user()?;
    let mut command = crowded_program(most);
    command.uid(uid).gid(uid);
    Some((command, open_directory(configuration)))
}

/// A directory that everybody can use, with this configuration.
fn open_directory(configuration: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n{configuration}\n[anonymous]\nhome = \".\"\n"
    );
    fs::write(directory.path().join("f.toml"), text).unwrap();
    directory
}

const NOT_ROOT: &str = "only root can become another user";

/// Starts the program, and stops it if it says that it has started. Returns its exit code and its
/// log.
#[track_caller]
fn start(command: &mut Command, directory: &TempDir) -> (Option<i32>, String) {
    let mut program = command
        .args(["-c", "f.toml"])
        .current_dir(directory.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    for line in BufReader::new(program.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.contains(">>> starting") {
            signal(program.id(), "TERM");
        }
        told += &format!("{line}\n");
    }
    (program.wait().unwrap().code(), told)
}

#[track_caller]
fn check_does_not_start(command: &mut Command, directory: &TempDir) {
    let manager = UnixDatagram::bind(directory.path().join("manager")).unwrap();
    manager.set_nonblocking(true).unwrap();
    command.env("NOTIFY_SOCKET", directory.path().join("manager"));
    let (code, told) = start(command, directory);
    assert_eq!(code, Some(1), "{told}");
    let start = "ftpdlib: cannot serve: a worker process could not be started: ";
    assert!(told.lines().any(|line| line.starts_with(start)), "{told}");
    assert!(!told.contains(">>> starting"), "{told}");
    assert!(manager.recv(&mut [0; 8]).is_err());
}

#[test]
fn a_start_that_could_fork_no_worker_said_that_clients_are_accepted() {
    let _alone = alone();
    let Some((mut command, directory)) = crowded(1, "concurrency = \"pre-fork\"") else {
        return skipped(NOT_ROOT);
    };
    check_does_not_start(&mut command, &directory);
}

/// It would have been for ever.
#[test]
fn a_start_whose_worker_got_no_thread_said_that_clients_are_accepted() {
    let _alone = alone();
    let Some(user) = idle_user() else {
        return skipped(NOT_ROOT);
    };
    let mut command = crowded_program(1);
    command.args(["--user", &user.to_string()]);
    check_does_not_start(&mut command, &open_directory("threads = 2"));
}

#[test]
fn a_worker_that_got_no_thread_took_the_place_of_one_that_serves() {
    let _alone = alone();
    let Some(user) = idle_user() else {
        return skipped(NOT_ROOT);
    };
    let program = Program::start(&["--user", &user.to_string()], "threads = 2");
    let old = program.children();
    limit(program.id(), "--nproc=1:");
    program.configure("threads = 2", "New.");
    program.signal("HUP");
    program.wait_for("has ended: exit code 1");
    assert_eq!(banner(program.address()), "Ready.");
    // Nor does another program, whose worker gets none.
    program.signal("USR2");
    program.wait_for("has ended (exit code 1): nothing has changed");
    assert_eq!(banner(program.address()), "Ready.");
    limit(program.id(), "--nproc=1000:");
    check_all_are_new(program, &old);
}

/// Starts the program with one worker and so many descriptors; returns whether it starts.
#[track_caller]
fn starts_with(descriptors: usize) -> bool {
    let directory = open_directory("concurrency = \"pre-fork\"\nworkers = 1");
    let mut command = Command::new("prlimit");
    command.arg(format!("--nofile={descriptors}:{descriptors}"));
    let (code, told) = start(command.arg(executable()), &directory);
    let has_started = told.contains(">>> starting");
    assert_eq!(code == Some(0), has_started, "{told}");
    let has_failed = told.contains("has ended: exit code 1");
    assert!(!(has_started && has_failed), "{told}");
    has_started
}

#[test]
fn a_start_whose_worker_got_no_descriptor_said_that_clients_are_accepted() {
    let _alone = alone();
    // The first with which nothing is loaded yet, up to the first that is enough.
    assert!((4..100).any(starts_with));
}

#[test]
fn a_start_with_room_for_some_workers_serves() {
    let _alone = alone();
    let Some((command, directory)) = crowded(2, "") else {
        return skipped(NOT_ROOT);
    };
    let mut program = Program::launch(command, PRE_FORK, directory);
    program.wait_for("cannot start a worker process");
    assert!(is_let_in(program.address()));
    program.signal("TERM");
    program.check_ends_well();
}

#[test]
fn an_upgrade_without_room_for_all_workers_left_too_few() {
    let _alone = alone();
    let options = ["--concurrency", "pre-fork", "--workers", "2"];
    for room in [0, 1] {
        // The old program has three processes, the new one begins with one.
        let Some((command, directory)) = crowded(4 + room, "") else {
            return skipped(NOT_ROOT);
        };
        let mut program = Program::launch(command, &options, directory);
        program.signal("USR2");
        program.wait_for("a worker process could not be started: ");
        program.wait_for("has ended (exit code 1): nothing has changed");
        assert!(is_let_in(program.address()));
        program.signal("TERM");
        program.check_ends_well();
    }
}

#[test]
fn a_log_was_not_opened_again_without_a_thread_to_reload_on() {
    let _alone = alone();
    let configuration = "threads = 1\n[log]\njson = \"log\"";
    let Some((command, directory)) = crowded(1, configuration) else {
        return skipped(NOT_ROOT);
    };
    let log = directory.path().join("log");
    let mut program = Program::launch(command, &[], directory);
    fs::rename(&log, log.with_extension("moved")).unwrap();
    program.signal("HUP");
    program.wait_for("configuration not changed");
    assert!(log.exists());
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
