//! All of these tests again, in the other concurrency models.

use ftpdlib_tests::models::run_all;

use super::alone;

#[test]
fn in_several_loops() {
    let _alone = alone();
    run_all("loops");
}

#[test]
fn in_a_thread_each() {
    let _alone = alone();
    run_all("multi-thread");
}
