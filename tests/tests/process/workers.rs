//! How workers share the clients of a listener.

use ftpdlib_tests::program::{Program, signal};
use ftpdlib_tests::wait::wait_until;

use super::alone;

#[test]
fn clients_do_not_wait_for_a_worker_that_is_stopped() {
    let _alone = alone();
    for stopped in 0..2 {
        let program = Program::start(&["--concurrency", "pre-fork", "--workers", "2"], "");
        let _client = program.client();
        wait_until("both workers run", || program.children().len() == 2);
        let worker = program.children()[stopped];
        signal(worker, "STOP");
        // All but one are left to the stopped worker at first, which has fewer clients.
        for mut client in [(); 4].map(|()| program.client()) {
            client.expect("NOOP", 200);
        }
        signal(worker, "CONT");
    }
}
