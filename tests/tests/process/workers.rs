//! How workers share the clients of a listener.

use ftpdlib_tests::program::{Program, signal};
use ftpdlib_tests::wait::wait_until;

use super::alone;

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
