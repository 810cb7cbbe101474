//! The transfer logs of processes that only write to them.

use std::fs;

use ftpdlib_tests::program::Program;
use ftpdlib_tests::wait::wait_until;

use super::alone;
use super::programs::{MODELS, is_root};

#[test]
fn processes_went_on_writing_to_a_log_that_was_moved_away() {
    let _alone = alone();
    let as_another: &[&str] = &["--user", "4000000123"];
    let models = MODELS.into_iter().chain(is_root().then_some(as_another));
    for model in models {
        let options = [model, &["--xferlog", "x.log", "--json-log", "j.log"]].concat();
        let mut program = Program::start(&options, "");
        let path = |name: &str| program.path(format!("../{name}"));
        let lines =
            |name: &str| fs::read_to_string(path(name)).map_or(0, |text| text.lines().count());
        let mut client = program.client();
        let mut upload = || {
            client.put("STOR a", b"hello");
            // Its reply waits for the observers.
            client.expect("NOOP", 200);
        };
        for round in 1..=2 {
            upload();
            let moved = ["x.log", "j.log"].map(|log| (log, format!("{log}.{round}")));
            for (log, to) in &moved {
                fs::rename(path(log), path(to)).unwrap();
            }
            program.signal("HUP");
            program.wait_for("configuration read again");
            wait_until("the new files are written to", || {
                upload();
                moved.iter().all(|(log, _)| lines(log) > 0)
            });
            let before = moved.each_ref().map(|(_, to)| lines(to));
            upload();
            assert_eq!(
                moved.each_ref().map(|(_, to)| lines(to)),
                before,
                "{model:?}"
            );
        }
        drop(client);
        program.end_at_once();
    }
}

#[test]
fn sessions_of_several_processes_had_the_same_number() {
    let _alone = alone();
    for model in MODELS {
        let options = [model, &["--json-log", "j.log"]].concat();
        let mut program = Program::start(&options, "");
        let mut clients: Vec<_> = (0..6).map(|_| program.client()).collect();
        for client in &mut clients {
            client.put("STOR a", b"hello");
            client.expect("NOOP", 200);
        }
        let log = fs::read_to_string(program.path("../j.log")).unwrap();
        let number = |line: &str| {
            let (_, rest) = line.split_once("\"session\":")?;
            rest.split_once(',')?.0.parse().ok()
        };
        let mut numbers: Vec<u64> = log.lines().map(|line| number(line).unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5], "{model:?}");
        drop(clients);
        program.end_at_once();
    }
}
