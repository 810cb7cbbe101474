//! All of the dialogues again, with servers in the other concurrency models.

use ftpdlib_tests::models::{run_all, run_all_but};

#[test]
fn in_several_loops() {
    run_all("loops");
}

#[test]
fn in_a_thread_each() {
    run_all("multi-thread");
}

#[test]
fn in_worker_processes() {
    run_all_but("pre-fork", &["with_the_interpreter::"]);
}

#[test]
fn in_a_process_each() {
    run_all_but("multi-proc", &["with_the_interpreter::"]);
}
