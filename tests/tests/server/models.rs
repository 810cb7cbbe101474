//! All of these tests again, in the other concurrency models.

use ftpdlib_tests::models::run_all;

#[test]
fn in_several_loops() {
    run_all("loops");
}

#[test]
fn in_a_thread_each() {
    run_all("multi-thread");
}
