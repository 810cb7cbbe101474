//! These tests again, in the other models of one process: the tests give the server code of their
//! own.

use ftpdlib_tests::models::run_all_but;

/// What makes no server.
const WITHOUT_SERVER: [&str; 2] = ["examples::", "names::"];

#[test]
fn in_several_loops() {
    run_all_but("loops", &WITHOUT_SERVER);
}

#[test]
fn in_a_thread_each() {
    run_all_but("multi-thread", &WITHOUT_SERVER);
}
