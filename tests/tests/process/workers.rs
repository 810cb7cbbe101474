//! How workers share the clients of a listener, and how their parent ends them.

use std::fs;
use std::process::Command;

use ftpdlib_tests::client::Client;
use ftpdlib_tests::clients::executable;
use ftpdlib_tests::program::{Program, is_gone, signal};
use ftpdlib_tests::skip::skipped;
use ftpdlib_tests::wait::wait_until;

use super::alone;
use super::programs::{MULTI_PROC, is_root};

#[test]
fn clients_do_not_wait_for_a_worker_that_is_stopped() {
    let _alone = alone();
    let program = Program::start(&["--concurrency", "pre-fork", "--workers", "2"], "");
    wait_until("both workers run", || program.children().len() == 2);
    let workers = program.children();
    let mut clients = Vec::new();
    // From the third time on, both are known to accept clients.
    for stopped in [0, 1, 0, 1] {
        signal(workers[stopped], "STOP");
        // Most are left to the stopped worker at first, which has fewer.
        clients.extend([(); 4].map(|()| program.client()));
        signal(workers[stopped], "CONT");
    }
    for mut client in clients {
        client.expect("NOOP", 200);
    }
}

/// Each session left a zombie and an error behind, and a stop did not end.
#[test]
fn root_without_cap_kill_could_not_end_the_processes_of_its_user() {
    let _alone = alone();
    if !is_root() {
        return skipped("only root can lack the capability");
    }
    let capabilities = &["setpriv", "--bounding-set=-all,+setuid,+setgid"][..];
    // With this, it cannot act as the user to kill them either.
    let keeping = [capabilities, &["--securebits=+no_setuid_fixup"]].concat();
    let rows = [
        (capabilities, "has ended: signal 9"),
        (&keeping, "cannot be killed, and is left behind"),
    ];
    let mut programs = Vec::new();
    for (before, end) in rows {
        let mut possible = Command::new(before[0]);
        let possible = possible.args(&before[1..]).arg("true").output();
        if !possible.is_ok_and(|done| done.status.success()) {
            skipped(format_args!("{before:?} is not possible"));
            continue;
        }
        let mut command = Command::new(before[0]);
        command.args(&before[1..]).arg(executable());
        let options = [MULTI_PROC, &["--user", "4000000123"]].concat();
        let directory = tempfile::tempdir().unwrap();
        let text = "[server]\nlisten = [\"127.0.0.1:0\"]\nshutdown_grace = 0.0\n";
        fs::write(directory.path().join("f.toml"), text).unwrap();
        let program = Program::launch(command, &options, directory);
        drop(Client::connect(program.address()));
        let parent = program.id();
        let children = format!("/proc/{parent}/task/{parent}/children");
        wait_until("a session leaves no process, not even a dead one", || {
            fs::read_to_string(&children).unwrap().is_empty()
        });
        let client = Client::connect(program.address());
        let child = program.children()[0];
        signal(child, "STOP");
        program.signal("TERM");
        programs.push((program, client, child, end));
    }
    for (mut program, _client, child, end) in programs {
        assert_eq!(program.wait().code(), Some(0), "{end}");
        if !is_gone(child) {
            signal(child, "KILL");
        }
        let log = program.rest_of_log();
        let errors: Vec<_> = log.iter().filter(|line| line.starts_with("[E")).collect();
        assert!(errors.len() == 1 && errors[0].contains(end), "{errors:#?}");
    }
}
