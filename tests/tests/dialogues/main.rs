//! Every dialogue: against the protocol interpreter alone, with no socket, no file and a clock
//! moved by hand; and against a real server.
#![forbid(unsafe_code)]

mod interpreter;
mod models;
mod server;

use std::path::Path;

use ftpdlib_tests::dialogue::Dialogue;

type Run = fn(&Dialogue) -> Result<(), String>;

/// One test for each file in `dialogues/` and each way to run it.
macro_rules! dialogues {
    (
        everywhere: $($everywhere:ident)*;
        interpreter_only: $($interpreter_only:ident)*;
    ) => {
        mod with_the_interpreter {
            $(
                #[test]
                fn $everywhere() {
                    super::check(stringify!($everywhere), super::interpreter::run);
                }
            )*
            $(
                #[test]
                fn $interpreter_only() {
                    super::check(stringify!($interpreter_only), super::interpreter::run);
                }
            )*
        }

        mod with_a_server {
            $(
                #[test]
                fn $everywhere() {
                    super::check(stringify!($everywhere), super::server::run);
                }
            )*
        }

        #[test]
        fn every_dialogue_has_its_tests() {
            let (mut everywhere, mut interpreter_only) = (Vec::new(), Vec::new());
            for entry in std::fs::read_dir(folder()).expect("the folder is beside this one") {
                let path = entry.expect("an entry of a folder").path();
                let name = path.file_stem().expect("a file has a name").to_string_lossy();
                if read(&name).needs_control() {
                    interpreter_only.push(name.into_owned());
                } else {
                    everywhere.push(name.into_owned());
                }
            }
            everywhere.sort_unstable();
            interpreter_only.sort_unstable();
            assert_eq!(everywhere, [$(stringify!($everywhere)),*]);
            assert_eq!(interpreter_only, [$(stringify!($interpreter_only)),*]);
        }
    };
}

dialogues! {
    everywhere:
        abort
        abort_after_a_break
        active
        active_refused
        busybox
        camera
        commons_net
        control_lost
        control_lost_before_data
        copies
        copies_refused
        curl
        cyberduck
        directories
        encodings
        encodings_byte_255
        encodings_other
        epsv_all
        explorer
        facts
        features
        files
        filezilla
        fluentftp
        foreign_data
        ftp_exe
        ftplib
        gate
        greeting
        hash
        hosts
        http
        http_long_request
        http_methods
        information
        ipv6
        lftp
        listings
        login
        login_failures
        login_failures_during_transfer
        login_success_resets
        long_line
        lynx
        masquerade
        ncftp
        netkit
        passive
        patterns
        pipelining
        proxies
        pyftpdlib
        quit
        quit_before_data
        ranges
        refused_transfers
        rein
        rename
        restart
        scanner
        stat_path
        store
        switches
        telnet
        times
        tls_not_offered
        tnftp
        total_commander
        unknown
        unknown_during_transfer
        unknown_for_ever
        unknown_long_lines
        user_again
        wget
        winscp;
    interpreter_only:
        control_lost_during_a_job
        drain
        drain_idle
        idle_timeout
        idle_timeout_before_login
        kick
        login_delay
        passive_timeout
        slow_jobs
        stalled
        unused_data
        work
        work_drained
        work_kicked
        work_lost;
}

#[track_caller]
fn check(name: &str, run: Run) {
    if let Err(failure) = run(&read(name)) {
        panic!("dialogues/{name}.txt:{failure}");
    }
}

#[track_caller]
fn read(name: &str) -> Dialogue {
    let path = folder().join(name).with_extension("txt");
    let text = std::fs::read_to_string(&path).expect("a dialogue is a text file");
    match Dialogue::parse(&text) {
        Ok(dialogue) => dialogue,
        Err(error) => panic!("dialogues/{name}.txt: {error}"),
    }
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/dialogues"))
}
