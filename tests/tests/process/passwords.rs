//! Checks of passwords, by several processes at once.

use std::fs;
use std::process::Command;
use std::thread::{self, ScopedJoinHandle};

use ftpdlib_tests::client::Client;
use ftpdlib_tests::program::{Program, children_of};

use super::alone;
use super::programs::MODELS;

/// Memory that one check takes, in KiB; more than a process has otherwise.
const OF_ONE: u64 = 32 << 10;

/// How many checks have their memory, in all children of a process.
fn running(parent: u32) -> u64 {
    let of_child = |child: u32| {
        // It may have ended.
        let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let size = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        size.unwrap_or(0) / OF_ONE
    };
    children_of(parent).into_iter().map(of_child).sum()
}

/// Each process had as many turns as there are CPUs: a client in each had as many checks run at
/// once, and take their memory.
#[test]
fn processes_check_no_more_passwords_at_once_than_there_are_cpus() {
    let _alone = alone();
    let cpus = thread::available_parallelism().unwrap().get();
    let tail = "c2FsdHNhbHQ$nq0XIeHvnbPLyyrKGbdwvrSjeRVkJEWfNsqb4AoM9kI";
    let configuration = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[control]\nauth_failed_timeout = 0.001\n\
         [[users]]\nname = \"alice\"\nhome = \".\"\n\
         password_hash = \"$argon2id$v=19$m={OF_ONE},t=1,p=1${tail}\"\n"
    );
    for model in MODELS {
        let program = Program::configured(model, &configuration);
        let mut clients: Vec<_> = (0..cpus + 4)
            .map(|_| Client::connect(program.address()))
            .collect();
        for client in &mut clients {
            client.expect("USER alice", 331);
        }
        let most = thread::scope(|scope| {
            let checks: Vec<_> = clients
                .iter_mut()
                .map(|client| scope.spawn(|| client.expect("PASS x", 530)))
                .collect();
            let mut most = 0;
            while !checks.iter().all(ScopedJoinHandle::is_finished) {
                most = most.max(running(program.id()));
                thread::yield_now();
            }
            most
        });
        // One at least, or this has not seen them.
        let possible = 1..=cpus as u64;
        assert!(possible.contains(&most), "{most} at once with {model:?}");
    }
}

#[test]
fn a_right_password_without_memory_for_its_hash_was_refused_without_a_word() {
    let _alone = alone();
    let configuration = "[server]\nlisten = [\"127.0.0.1:0\"]\n[[users]]\nname = \"alice\"\n\
                         home = \".\"\npassword_hash = \"$argon2id$v=19$m=1048576,t=1,p=1\
                         $c2FsdHNhbHQ$nq0XIeHvnbPLyyrKGbdwvrSjeRVkJEWfNsqb4AoM9kI\"\n";
    let program = Program::configured(&[], configuration);
    let limited = Command::new("prlimit")
        .args(["--pid", &program.id().to_string(), "--as=1000000000:"])
        .status();
    assert!(limited.unwrap().success());
    for name in ["alice", "nobody"] {
        let mut client = Client::connect(program.address());
        client.expect(&format!("USER {name}"), 331);
        client.expect("PASS x", 530);
        program.wait_for("no memory to hash a password with, which takes 1048576 KiB");
    }
}

#[test]
fn a_reload_waited_for_the_writer_of_a_password() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("password");
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let given = ["-u", "bob", "--password-file", path.to_str().unwrap()];
    for model in MODELS {
        let options = [model, &given].concat();
        let configuration = "[server]\nlisten = [\"127.0.0.1:0\"]\n";
        let mut program = thread::scope(|scope| {
            scope.spawn(|| fs::write(&path, "secret\n").unwrap());
            Program::configured(&options, configuration)
        });
        program.signal("HUP");
        program.wait_for("which only a start can read");
        let mut client = Client::open(program.address());
        client.expect_reply(220);
        client.play(&[("USER bob", 331), ("PASS secret", 230)]);
        drop(client);
        program.end_at_once();
    }
}
