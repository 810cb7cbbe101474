//! The whole matrix again, with the program in the other concurrency models.

use ftpdlib_tests::models::run_all;

#[test]
fn in_a_thread_each() {
    run_all("multi-thread");
}

#[test]
fn in_worker_processes() {
    run_all("pre-fork");
}

#[test]
fn in_a_process_each() {
    run_all("multi-proc");
}
