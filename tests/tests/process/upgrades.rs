//! Upgrades that must not take over.

use std::process::Command;

use ftpdlib_tests::clients::executable;
use ftpdlib_tests::program::{Program, signal};

use super::alone;
use super::programs::{MODELS, process_of};

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
fn an_upgrade_of_a_server_without_a_key_takes_over() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("f.toml"), "# Nothing yet.\n").unwrap();
    let options = ["-i", "127.0.0.1", "-p", "0"];
    let mut program = Program::launch(Command::new(executable()), &options, directory);
    program.signal("USR2");
    let successor = process_of(&program.wait_for("SIGUSR2: starting "));
    program.wait_for("has taken over");
    signal(successor, "TERM");
    assert_eq!(program.wait().code(), Some(0));
}
