//! Upgrades that must not take over.

use std::fs;
use std::process::Command;

use ftpdlib_tests::clients::executable;
use ftpdlib_tests::program::{Program, children_of, is_gone, signal};
use ftpdlib_tests::wait::wait_until;

use super::alone;
use super::programs::{MODELS, PRE_FORK, process_of};

#[test]
fn an_upgrade_with_a_configuration_that_was_emptied_took_over() {
    let _alone = alone();
    for model in [&[][..], MODELS[0], MODELS[1]] {
        let mut program = Program::start(model, "");
        for (text, told) in [
            ("", "found an empty file"),
            ("# Users\n", "found only comments"),
        ] {
            program.rewrite(text);
            program.signal("USR2");
            program.wait_for(told);
            program.wait_for("has ended (exit code 2): nothing has changed");
        }
        drop(program.client());
        program.end_at_once();
    }
}

#[test]
fn workers_kept_the_pipe_by_which_a_program_says_that_it_has_taken_over() {
    let _alone = alone();
    let mut program = Program::start(PRE_FORK, "");
    program.signal("USR2");
    let successor = process_of(&program.wait_for(" has taken over"));
    let environment = fs::read(format!("/proc/{successor}/environ")).unwrap();
    let mut variables = environment.split(|&byte| byte == 0);
    let number = variables.find_map(|variable| variable.strip_prefix(b"FTPDLIB_READY_FD="));
    let number = str::from_utf8(number.unwrap()).unwrap();
    let workers = children_of(successor);
    assert_eq!(workers.len(), 3);
    for worker in workers {
        // Not all may be as far, and the number may be that of something else by now.
        wait_until("the worker closes the pipe", || {
            let kept = fs::read_link(format!("/proc/{worker}/fd/{number}"));
            !kept.is_ok_and(|kept| kept.to_string_lossy().starts_with("pipe:"))
        });
    }
    program.check_hands_over_to(successor);
    signal(successor, "TERM");
    wait_until("the new program ends", || is_gone(successor));
}

#[test]
fn an_upgrade_of_a_server_without_a_key_takes_over() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("f.toml"), "# Nothing yet.\n").unwrap();
    let options = ["-i", "127.0.0.1", "-p", "0"];
    let mut program = Program::launch(Command::new(executable()), &options, directory);
    program.signal("USR2");
    let successor = process_of(&program.wait_for("SIGUSR2: starting "));
    program.wait_for("has taken over");
    signal(successor, "TERM");
    assert_eq!(program.wait().code(), Some(0));
}
