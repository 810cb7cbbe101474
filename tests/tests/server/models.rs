//! All of these tests again, in the other concurrency models.

use ftpdlib_tests::models::{run_all, run_all_but};

/// What the models of several processes go without here: tests that give the server code of their
/// own, or values that a configuration file cannot hold, or that have its handle. What becomes of
/// its processes is tested with the program.
const NEEDS_THE_SERVER_HERE: [&str; 32] = [
    "blocking_uploads::",
    "early_ends::",
    "failed_uploads::",
    "hung_disks::",
    "isolation::",
    "large_jobs::",
    "lifecycle::",
    "overrides::",
    "permissions::",
    "rewritten_files::",
    "swapped_homes::",
    "swapped_links::",
    "tls_certificates::",
    "broken_uploads::a_server_that_stopped",
    "broken_uploads::an_aborted_upload",
    "commands::digests_of_a_range",
    "commands::every_path_of_a_command",
    "commands::overrides_hold",
    "commands::what_a_filesystem_lacks",
    "commands::what_was_stored_to_a_file_while",
    "control::a_layer_that_waited",
    "control::stat_of_a_directory_that_a_thread",
    "control::what_came_behind_quit",
    "growing_files::a_file_that_is_read",
    "listings::links_are_shown_as_such",
    "logins::a_failed_login_is_not_answered_before",
    "logins::a_thousand_clients_come_and_go",
    "logins::a_wrong_user_looks_like",
    "logins::limits_change",
    "logins::the_guesses_of_one_address",
    "transfers::a_full_disk",
    "transfers::five_gibibytes",
];

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
    run_all_but("pre-fork", &NEEDS_THE_SERVER_HERE);
}

#[test]
fn in_a_process_each() {
    run_all_but("multi-proc", &NEEDS_THE_SERVER_HERE);
}
