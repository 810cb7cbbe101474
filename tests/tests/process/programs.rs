//! The program in its models of several processes: what becomes of clients when one of the
//! processes ends, is told to, or makes room for another.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use ftpdlib_tests::client::{Client, USER, read_all};
use ftpdlib_tests::program::{Program, children_of, is_gone, signal};
use ftpdlib_tests::tls::{self, TlsClient};
use ftpdlib_tests::wait::wait_until;

use super::alone;

pub(super) const PRE_FORK: &[&str] = &["--concurrency", "pre-fork", "--workers", "3"];
pub(super) const MULTI_PROC: &[&str] = &["--concurrency", "multi-proc"];

/// Every model with children.
pub(super) const MODELS: [&[&str]; 2] = [PRE_FORK, MULTI_PROC];

/// Bytes that no socket buffer holds.
const LARGE: usize = 32 << 20;

/// How many sockets a process has open.
fn sockets(process: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

/// A field of `/proc/PROCESS/status`.
#[track_caller]
pub(super) fn status(process: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let words = line.unwrap().trim_start_matches(':').split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

pub(super) fn is_root() -> bool {
    status(std::process::id(), "Uid").starts_with("0 ")
}

/// Whether a client is let in; it leaves again.
pub(super) fn is_let_in(address: SocketAddr) -> bool {
    let mut client = Client::open(address);
    let reply = client.next_reply().unwrap();
    if reply.code == 421 {
        return false;
    }
    client.expect("QUIT", 221);
    client.expect_end();
    true
}

#[test]
fn a_killed_process_takes_no_other_with_it_and_its_places_are_free_again() {
    let _alone = alone();
    for model in MODELS {
        // Eight clients with a transfer each.
        let program = Program::start(model, "max_cons = 16");
        let mut busy: Vec<_> = (0..8)
            .map(|number| {
                let mut client = program.client();
                let stream = client.begin(&format!("STOR {number}"));
                (client, Some(stream))
            })
            .collect();
        assert!(!is_let_in(program.address()), "{model:?}");
        let children = program.children();
        let &victim = children
            .iter()
            .max_by_key(|&&child| sockets(child))
            .unwrap();
        signal(victim, "KILL");
        wait_until("the process is gone", || is_gone(victim));
        program.wait_for("signal 9");

        let mut survivors = 0;
        for (number, (client, stream)) in busy.iter_mut().enumerate() {
            let stream = stream.take().unwrap();
            let sent = (&stream).write_all(b"hello");
            drop(stream);
            match client.next_reply() {
                Some(reply) => {
                    assert_eq!(reply.code, 226);
                    sent.unwrap();
                    assert_eq!(
                        fs::read(program.path(number.to_string())).unwrap(),
                        b"hello"
                    );
                    survivors += 1;
                }
                None => {
                    assert!(client.try_send(b"NOOP\r\n").is_err() || client.next_reply().is_none())
                }
            }
        }
        assert!(survivors < busy.len());
        if model == MULTI_PROC {
            assert_eq!(survivors, busy.len() - 1);
        }
        // The places of the dead and those of the transfers that ended; no more and no less.
        let mut free = 0;
        let mut others = Vec::new();
        loop {
            let mut client = Client::open(program.address());
            match client.next_reply().unwrap().code {
                220 => free += 1,
                code => {
                    assert_eq!(code, 421);
                    break;
                }
            }
            others.push(client);
        }
        assert_eq!(free, 16 - survivors, "{model:?}");
        drop((busy, others));
        wait_until("all places are free", || is_let_in(program.address()));
        program.wait_for_rest();
        program.signal("TERM");
        let mut program = program;
        program.check_ends_well();
    }
}

#[test]
fn sigterm_lets_transfers_end_in_all_processes() {
    let _alone = alone();
    for model in MODELS {
        let mut program = Program::start(model, "");
        let mut idle = program.client();
        let mut busy: Vec<_> = (0..4)
            .map(|number| {
                let mut client = program.client();
                let stream = client.begin(&format!("STOR {number}"));
                (client, stream)
            })
            .collect();
        program.signal("TERM");
        idle.expect_reply(421);
        idle.expect_end();
        wait_until("nobody listens", || {
            TcpStream::connect(program.address()).is_err()
        });
        for (client, stream) in &mut busy {
            client.expect("NOOP", 200);
            stream.write_all(b"hello").unwrap();
        }
        for (number, (mut client, stream)) in busy.into_iter().enumerate() {
            drop(stream);
            client.expect_reply(226);
            client.expect_reply(421);
            assert_eq!(
                fs::read(program.path(number.to_string())).unwrap(),
                b"hello"
            );
        }
        drop(idle);
        program.check_ends_well();
    }
}

#[test]
fn a_second_signal_ends_all_processes_at_once() {
    let _alone = alone();
    for model in MODELS {
        let mut program = Program::start(model, "");
        let mut idle = program.client();
        let mut busy = program.client();
        let _stream = busy.begin("STOR a");
        program.signal("INT");
        idle.expect_reply(421);
        program.signal("INT");
        program.check_ends_well();
        while busy.next_reply().is_some() {}
    }
}

#[test]
fn a_process_that_hangs_is_killed_in_the_end() {
    let _alone = alone();
    for model in MODELS {
        let mut program = Program::start(model, "");
        let mut client = program.client();
        client.expect("NOOP", 200);
        for child in program.children() {
            signal(child, "STOP");
        }
        program.signal("TERM");
        // Two of a kind may come as one.
        program.signal("INT");
        program.check_ends_well();
        assert!(client.next_reply().is_none());
    }
}

/// What a terminal or a service manager does: all processes get the signal, which is still one.
#[test]
fn a_signal_to_all_processes_lets_transfers_end() {
    let _alone = alone();
    for model in MODELS {
        let mut program = Program::start(model, "");
        let mut busy = program.client();
        let stream = busy.begin("STOR a");
        let children = program.children();
        for process in children.iter().copied().chain([program.id()]) {
            signal(process, "INT");
        }
        for process in children {
            // They may have ended, but for the one that has the transfer.
            let _ = Command::new("kill")
                .args(["-s", "INT", &process.to_string()])
                .output();
        }
        busy.expect("NOOP", 200);
        drop(stream);
        busy.expect_reply(226);
        busy.expect_reply(421);
        drop(busy);
        program.check_ends_well();
    }
}

#[test]
fn children_without_a_parent_finish_their_transfers_and_end() {
    let _alone = alone();
    for model in MODELS {
        let program = Program::start(model, "");
        let mut idle = program.client();
        let mut busy = program.client();
        let mut stream = busy.begin("STOR a");
        let children = program.children();
        program.signal("KILL");
        idle.expect_reply(421);
        wait_until("nobody listens", || {
            TcpStream::connect(program.address()).is_err()
        });
        stream.write_all(b"hello").unwrap();
        drop(stream);
        busy.expect_reply(226);
        busy.expect_reply(421);
        drop((idle, busy));
        wait_until("orphans end", || {
            children.iter().all(|&child| is_gone(child))
        });
    }
}

/// Clients that log in, store, fetch and leave, over and over, and how many did.
struct Load {
    enough: AtomicBool,
    rounds: AtomicUsize,
}

impl Load {
    /// Runs `act` while they do; whatever fails for one of them fails the test.
    fn during(address: SocketAddr, act: impl FnOnce(&Self)) {
        let load = Self {
            enough: AtomicBool::new(false),
            rounds: AtomicUsize::new(0),
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..3)
                .map(|number| {
                    let load = &load;
                    scope.spawn(move || {
                        while !load.enough.load(Ordering::Relaxed) {
                            round(address, number);
                            load.rounds.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            act(&load);
            load.enough.store(true, Ordering::Relaxed);
            for client in clients {
                client.join().expect("no transfer fails");
            }
        });
    }

    /// Waits until each client has begun and ended something anew.
    fn go_on(&self) {
        let before = self.rounds.load(Ordering::Relaxed);
        wait_until("clients go on", || {
            self.rounds.load(Ordering::Relaxed) >= before + 6
        });
    }
}

fn round(address: SocketAddr, number: usize) {
    let mut client = Client::login(address);
    let name = format!("load{number}");
    let content = vec![b'x'; 300_000];
    client.put(&format!("STOR {name}"), &content);
    let stream = client.begin(&format!("RETR {name}"));
    assert!(read_all(stream) == content);
    client.expect_reply(226);
    client.expect("QUIT", 221);
    client.expect_end();
}

pub(super) fn banner(address: SocketAddr) -> String {
    let mut client = Client::open(address);
    client.expect_reply(220).argument().to_owned()
}

#[test]
fn a_reload_under_load_fails_no_transfer() {
    let _alone = alone();
    for model in MODELS {
        let mut program = Program::start(model, "");
        fs::write(program.path("large"), vec![b'x'; LARGE]).unwrap();
        let mut old = program.client();
        let stream = old.begin("RETR large");
        Load::during(program.address(), |load| {
            for number in 0..3 {
                program.configure("", &format!("Banner {number}."));
                program.signal("HUP");
                program.wait_for("configuration read again");
                load.go_on();
                let expected = format!("Banner {number}.");
                wait_until("the banner is new", || {
                    banner(program.address()) == expected
                });
            }
            program.break_configuration();
            program.signal("HUP");
            program.wait_for("configuration not changed");
            load.go_on();
            // Workers with the one before it may have been the last to be replaced.
            wait_until("the last banner is every worker's", || {
                banner(program.address()) == "Banner 2."
            });
        });
        // It has the configuration from before all that.
        assert_eq!(read_all(stream).len(), LARGE);
        old.expect_reply(226);
        old.play(&[("NOOP", 200), ("QUIT", 221)]);
        drop(old);
        program.wait_for_rest();
        program.signal("TERM");
        program.check_ends_well();
    }
}

#[test]
fn an_upgrade_under_load_fails_no_transfer() {
    let _alone = alone();
    let in_one: &[&str] = &[];
    for model in [PRE_FORK, MULTI_PROC, in_one] {
        let mut program = Program::start(model, "");
        fs::write(program.path("large"), vec![b'x'; LARGE]).unwrap();
        let mut old = program.client();
        let stream = old.begin("RETR large");
        let mut successor = 0;
        Load::during(program.address(), |load| {
            // A program that does not start changes nothing.
            program.break_configuration();
            program.signal("USR2");
            program.wait_for("exit code 2): nothing has changed");
            load.go_on();

            program.configure("", "Upgraded.");
            program.signal("USR2");
            let line = program.wait_for(" has taken over");
            successor = process_of(&line);
            load.go_on();
            assert_eq!(banner(program.address()), "Upgraded.");
        });
        assert_eq!(read_all(stream).len(), LARGE);
        old.expect_reply(226);
        old.play(&[("NOOP", 200), ("QUIT", 221)]);
        drop(old);
        program.check_hands_over_to(successor);

        assert_eq!(banner(program.address()), "Upgraded.");
        let children = children_of(successor);
        signal(successor, "TERM");
        wait_until("the successor ends", || is_gone(successor));
        assert!(children.into_iter().all(is_gone));
        assert!(TcpStream::connect(program.address()).is_err());
    }
}

/// The process that a line of the log names first.
#[track_caller]
pub(super) fn process_of(line: &str) -> u32 {
    let (_, rest) = line.split_once("process ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn three_hundred_clients_at_once() {
    let _alone = alone();
    for model in MODELS {
        let mut program = Program::start(model, "max_cons = 600\nmax_cons_per_ip = 600");
        fs::write(program.path("a"), "hello").unwrap();
        let mut clients: Vec<_> = (0..300).map(|_| program.client()).collect();
        let streams: Vec<_> = clients
            .iter_mut()
            .map(|client| client.begin("STOU"))
            .collect();
        // Six hundred connections.
        assert!(!is_let_in(program.address()));
        drop(streams);
        for client in &mut clients {
            client.expect_reply(226);
        }
        for client in &mut clients {
            assert_eq!(client.fetch("RETR a"), b"hello");
        }
        for client in &mut clients {
            client.expect("QUIT", 221);
            client.expect_end();
        }
        drop(clients);
        program.wait_for_rest();
        assert!(is_let_in(program.address()));
        program.signal("TERM");
        program.check_ends_well();
    }
}

#[test]
fn processes_that_ended_by_themselves_were_reported_as_killed() {
    let _alone = alone();
    let mut program = Program::start(MULTI_PROC, "");
    for _ in 0..20 {
        let mut client = program.client();
        client.expect("QUIT", 221);
        client.expect_end();
    }
    program.wait_for_rest();
    program.signal("TERM");
    program.check_ends_well();
    let log = program.rest_of_log();
    let killed: Vec<_> = log.iter().filter(|line| line.contains("signal")).collect();
    assert!(killed.is_empty(), "{killed:#?}");
}

#[test]
fn changed_certificates_were_not_seen_where_several_processes_serve() {
    let _alone = alone();
    let config = tls::config(tls::VERSIONS[1]);
    // A key that only root can read is read by the parent.
    let user: &[&str] = match is_root() {
        true => &["--user", "4000000123"],
        false => &[],
    };
    for model in [PRE_FORK, MULTI_PROC, &[]] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cert.pem");
        let first = tls::renew_certificate(&path);
        let section = format!("[tls]\ncertfile = {path:?}\nreload_interval = 0.01");
        let mut program = Program::start(&[model, user].concat(), &section);
        let mut old = TlsClient::login(program.address(), &config);
        assert_eq!(old.server_certificate(), first);
        let shows =
            |expected: &[u8]| tls::shown_certificate(program.address(), &config) == expected;
        let second = tls::renew_certificate(&path);
        wait_until("the new certificate is shown", || shows(&second));
        old.upload("file", b"of a session that was here before");
        fs::write(&path, "no certificate").unwrap();
        program.wait_for("certificates not changed");
        let third = tls::renew_certificate(&path);
        wait_until("the third certificate is shown", || shows(&third));
        drop(old);
        program.signal("TERM");
        program.check_ends_well();
    }
}

#[test]
fn other_processes_told_the_real_address_before_the_masquerade_name_had_one() {
    let _alone = alone();
    for model in MODELS {
        let home = tempfile::tempdir().unwrap();
        let configuration = |masquerade: &str, banner: &str| {
            format!(
                "[server]\nlisten = [\"127.0.0.3:0\"]\n\
                 [control]\nbanner = {banner:?}\nmasquerade_address = {masquerade:?}\n\
                 [[users]]\nname = {:?}\npassword = {:?}\nhome = {:?}\n",
                USER.0,
                USER.1,
                home.path(),
            )
        };
        let mut program = Program::configured(model, &configuration("localhost", "1"));
        for _ in 0..2 {
            let told = program.client().pasv().ip();
            assert_eq!(told.to_string(), "127.0.0.1", "{model:?}");
        }
        let steps = [("203.0.113.5", "2"), ("localhost", "3"), ("localhost", "4")];
        for (masquerade, number) in steps {
            program.rewrite(&configuration(masquerade, number));
            program.signal("HUP");
            program.wait_for("configuration read again");
            // Until all new workers accept, the old ones do so, too.
            let mut client = None;
            wait_until("the new settings hold", || {
                let mut opened = Client::open(program.address());
                let is_new = opened.expect_reply(220).argument() == number;
                client = is_new.then_some(opened);
                is_new
            });
            let mut client = client.unwrap();
            client.play(&[(&format!("USER {}", USER.0), 331)]);
            client.play(&[(&format!("PASS {}", USER.1), 230)]);
            let told = client.pasv().ip().to_string();
            let expected = match masquerade {
                "localhost" => "127.0.0.1",
                address => address,
            };
            assert_eq!(told, expected, "{model:?} {number}");
        }
        program.end_at_once();
    }
}

#[test]
fn sighup_reads_certificates_again_for_all_processes() {
    let _alone = alone();
    let config = tls::config(tls::VERSIONS[1]);
    for model in MODELS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cert.pem");
        let first = tls::renew_certificate(&path);
        let program = Program::start(model, &format!("[tls]\ncertfile = {path:?}"));
        let mut old = TlsClient::login(program.address(), &config);
        assert_eq!(old.server_certificate(), first);
        let second = tls::renew_certificate(&path);
        assert_eq!(tls::shown_certificate(program.address(), &config), first);
        program.signal("HUP");
        wait_until("the new certificate is shown", || {
            tls::shown_certificate(program.address(), &config) == second
        });
        old.upload("file", b"of a session that was here before");
    }
}

#[test]
fn clients_are_served_by_processes_that_have_given_up_root() {
    let _alone = alone();
    if !is_root() {
        return;
    }
    let multi_thread: &[&str] = &["--concurrency", "multi-thread"];
    let in_one: &[&str] = &[];
    for model in [PRE_FORK, MULTI_PROC, multi_thread, in_one] {
        let options = [model, &["--user", "4000000123", "--group", "4000000124"]].concat();
        let mut program = Program::start(&options, "");
        let mut client = program.client();
        client.put("STOR a", b"hello");
        let stored = fs::metadata(program.path("a")).unwrap();
        assert_eq!((stored.uid(), stored.gid()), (4_000_000_123, 4_000_000_124));
        let children = program.children();
        assert!(!children.is_empty());
        for child in children {
            // One that serves nobody yet may be about to give up root; this comes last.
            wait_until("root is given up", || status(child, "NoNewPrivs") == "1");
            assert_eq!(status(child, "Uid"), ["4000000123"; 4].join(" "));
            assert_eq!(status(child, "Gid"), ["4000000124"; 4].join(" "));
            assert_eq!(status(child, "Groups"), "4000000124");
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status(child, set), "0000000000000000", "{set}");
            }
        }
        assert_eq!(status(program.id(), "Uid"), "0 0 0 0");
        client.expect("QUIT", 221);
        drop(client);
        program.signal("TERM");
        program.check_ends_well();
    }
}

#[test]
fn workers_that_die_young_are_replaced_all_the_same() {
    let _alone = alone();
    let mut program = Program::start(PRE_FORK, "");
    for _ in 0..4 {
        program.wait_for_rest();
        for child in program.children() {
            signal(child, "KILL");
            program.wait_for(&format!("worker process {child} has ended: signal 9"));
        }
    }
    program.wait_for_rest();
    assert_eq!(banner(program.address()), "Ready.");
    program.signal("TERM");
    program.check_ends_well();
}
