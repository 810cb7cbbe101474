//! The transfer logs of processes that only write to them.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};

use ftpdlib_tests::client::{Client, NEIGHBOUR, connect, connect_from, read_all};
use ftpdlib_tests::program::Program;
use ftpdlib_tests::tls::{self, TlsClient, VERSIONS};
use ftpdlib_tests::wait::wait_until;
use socket2::{Domain, Socket, Type};

use super::alone;
use super::programs::{MODELS, is_root};

#[test]
fn processes_went_on_writing_to_a_log_that_was_moved_away() {
    let _alone = alone();
    let as_another: &[&str] = &["--user", "4000000123"];
    let models = MODELS.into_iter().chain(is_root().then_some(as_another));
    for model in models {
        let options = [model, &["--xferlog", "x.log", "--json-log", "j.log"]].concat();
        let mut program = Program::start(&options, "");
        let path = |name: &str| program.path(format!("../{name}"));
        let lines =
            |name: &str| fs::read_to_string(path(name)).map_or(0, |text| text.lines().count());
        let mut client = program.client();
        let mut upload = || {
            client.put("STOR a", b"hello");
            // Its reply waits for the observers.
            client.expect("NOOP", 200);
        };
        for round in 1..=2 {
            upload();
            let moved = ["x.log", "j.log"].map(|log| (log, format!("{log}.{round}")));
            for (log, to) in &moved {
                fs::rename(path(log), path(to)).unwrap();
            }
            program.signal("HUP");
            program.wait_for("configuration read again");
            wait_until("the new files are written to", || {
                upload();
                moved.iter().all(|(log, _)| lines(log) > 0)
            });
            let before = moved.each_ref().map(|(_, to)| lines(to));
            upload();
            assert_eq!(
                moved.each_ref().map(|(_, to)| lines(to)),
                before,
                "{model:?}"
            );
        }
        drop(client);
        program.end_at_once();
    }
}

#[test]
fn sessions_of_several_processes_had_the_same_number() {
    let _alone = alone();
    for model in MODELS {
        let options = [model, &["--json-log", "j.log"]].concat();
        let mut program = Program::start(&options, "");
        let mut clients: Vec<_> = (0..6).map(|_| program.client()).collect();
        for client in &mut clients {
            client.put("STOR a", b"hello");
            client.expect("NOOP", 200);
        }
        let log = fs::read_to_string(program.path("../j.log")).unwrap();
        let number = |line: &str| {
            let (_, rest) = line.split_once("\"session\":")?;
            rest.split_once(',')?.0.parse().ok()
        };
        let mut numbers: Vec<u64> = log.lines().map(|line| number(line).unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5], "{model:?}");
        drop(clients);
        program.end_at_once();
    }
}

#[test]
fn a_file_that_was_sent_in_the_clear_after_auth_tls_was_called_secure() {
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cert.pem");
    tls::renew_certificate(&path);
    let settings = format!("[tls]\ncertfile = {path:?}");
    let mut program = Program::start(&["--json-log", "j.log"], &settings);
    let mut client = TlsClient::login(program.address(), &tls::config(VERSIONS[1]));
    client.upload("private", b"hello");
    client.expect("PROT C", 200);
    let mut data = client.passive();
    client.expect("STOR public", 150);
    data.write_all(b"hello").unwrap();
    drop(data);
    client.expect_reply(226);
    // Its reply waits for the observers.
    client.expect("NOOP", 200);
    let log = fs::read_to_string(program.path("../j.log")).unwrap();
    for (line, secure) in log.lines().zip([true, false]) {
        assert!(line.contains(&format!("\"secure\":{secure},")), "{line}");
    }
    assert_eq!(log.lines().count(), 2, "{log}");
    drop(client);
    program.end_at_once();
}

#[test]
fn each_line_is_there_once_when_the_processes_have_ended() {
    const IN_PROCESS: &[&str] = &[];
    let _alone = alone();
    for model in MODELS.into_iter().chain([IN_PROCESS]) {
        let mut program = Program::start_with_default_log(model);
        let mut clients: Vec<_> = (0..6).map(|_| program.client()).collect();
        for client in &mut clients {
            client.put("STOR a", b"hello");
            client.expect("QUIT", 221);
        }
        drop(clients);
        program.signal("TERM");
        program.check_ends_well();
        let log = program.rest_of_log();
        for text in ["session opened", "logged in", "STOR ", "session closed"] {
            let lines = log.iter().filter(|line| line.contains(text)).count();
            assert_eq!(lines, 6, "{model:?}: {text}");
        }
    }
}

#[test]
fn a_client_without_a_login_filled_the_log() {
    let _alone = alone();
    let mut program = Program::start_with_default_log(&[]);
    let mut client = Client::open(program.address());
    client.expect_reply(220);
    let refused = [
        "CWD", "DELE", "MKD", "RMD", "RNFR", "RNTO", "XCWD", "XMKD", "XRMD",
    ];
    for verb in refused {
        client.expect(&format!("{verb} nowhere"), 530);
    }
    client.expect("MFMT 20200101000000 nowhere", 530);
    client.expect("SITE CHMOD 777 nowhere", 530);
    client.expect("REIN", 220);
    client.play(&[("USER user", 331), ("PASS 12345", 230), ("CWD known", 550)]);
    drop(client);
    program.end_at_once();
    let log = program.rest_of_log();
    assert!(log.iter().any(|line| line.contains("known")), "{log:#?}");
    let is_told = |line: &String| line.contains("nowhere") || line.contains("REIN");
    assert!(!log.iter().any(is_told), "{log:#?}");
}

#[test]
fn a_link_in_the_place_of_a_log_gave_a_file_of_roots_to_the_user_that_serves() {
    let _alone = alone();
    if !is_root() {
        return;
    }
    let user = ["--user", "4000000123", "--json-log"];
    let of_root = tempfile::tempdir().unwrap();
    let (secret, missing) = (
        of_root.path().join("secret"),
        of_root.path().join("missing"),
    );
    fs::write(&secret, "").unwrap();
    let mut program = Program::start(&[user.as_slice(), &["j.log"]].concat(), "");
    let log = program.path("../j.log");
    assert_eq!(fs::metadata(&log).unwrap().uid(), 4_000_000_123);
    for target in [&secret, &missing] {
        fs::remove_file(&log).unwrap();
        symlink(target, &log).unwrap();
        program.signal("HUP");
        program
            .wait_for("cannot be opened (Permission denied (os error 13) to the user that serves");
        let mut client = program.client();
        client.put("STOR a", b"hello");
        client.expect("NOOP", 200);
        assert_eq!(fs::read(&secret).unwrap(), b"");
        assert!(!missing.exists());
    }
    program.end_at_once();
}

#[test]
fn a_link_of_a_third_user_in_the_place_of_a_log_was_followed_as_root() {
    let _alone = alone();
    if !is_root() {
        return;
    }
    const SERVING: u32 = 4_000_000_123;
    const THIRD: u32 = 4_000_000_124;
    for (mode, of_directory) in [(0o755, THIRD), (0o1777, 0)] {
        let of_root = tempfile::tempdir().unwrap();
        fs::set_permissions(of_root.path(), Permissions::from_mode(0o755)).unwrap();
        let at = |name: &str| of_root.path().join(name);
        let log = at("logs/j.log");
        fs::create_dir(at("logs")).unwrap();
        for path in [at("secret"), log.clone()] {
            fs::write(path, "").unwrap();
        }
        chown(&log, Some(SERVING), None).unwrap();
        chown(at("logs"), Some(of_directory), None).unwrap();
        fs::set_permissions(at("logs"), Permissions::from_mode(mode)).unwrap();
        let options = ["--user", "4000000123", "--json-log", log.to_str().unwrap()];
        let mut program = Program::start(&options, "");
        for target in ["secret", "missing"] {
            fs::remove_file(&log).unwrap();
            symlink(at(target), &log).unwrap();
            lchown(&log, Some(THIRD), None).unwrap();
            program.signal("HUP");
            program.wait_for("(Permission denied (os error 13) to the user that serves");
            let mut client = program.client();
            client.put("STOR a", b"hello");
            client.expect("NOOP", 200);
            assert_eq!(fs::read(at("secret")).unwrap(), b"", "{mode:o}");
            assert!(!at("missing").exists(), "{mode:o}");
        }
        program.end_at_once();
    }
}

#[test]
fn the_logs_of_another_user_stay_roots_where_that_user_cannot_move_them() {
    let _alone = alone();
    if !is_root() {
        return;
    }
    // Below a directory that all may write to, but in which each keeps what is its own.
    let of_root = tempfile::tempdir().unwrap();
    let log = of_root.path().join("j.log");
    let options = ["--user", "4000000123", "--json-log", log.to_str().unwrap()];
    let mut program = Program::start(&options, "");
    for _ in 0..2 {
        assert_eq!(fs::metadata(&log).unwrap().uid(), 0);
        fs::rename(&log, of_root.path().join("j.log.1")).unwrap();
        program.signal("HUP");
        program.wait_for("configuration read again");
    }
    program.end_at_once();
}

#[test]
fn the_log_told_no_reason_why_a_client_was_not_reached() {
    let _alone = alone();
    let mut program = Program::start(&[], "");
    let mut client = program.client();
    // Nobody listens there, nor can.
    let holder = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    holder.bind(&any.into()).unwrap();
    client.send_port(holder.local_addr().unwrap().as_socket().unwrap());
    client.expect_reply(200);
    client.expect("LIST", 425);
    drop(client);
    program.end_at_once();
    let log = program.rest_of_log();
    let told = log.iter().filter(|line| line.contains("refused"));
    assert_eq!(told.count(), 1, "{log:#?}");
}

#[test]
fn each_stranger_behind_a_proxy_was_a_line_of_the_log_that_named_no_session() {
    let _alone = alone();
    let proxies = "proxy_protocol_from = [\"127.0.0.1/32\"]";
    let mut program = Program::start(&[], proxies);
    let mut client = Client::open(program.address());
    client.send_raw(b"PROXY TCP4 127.0.0.5 127.0.0.1 40000 21\r\n");
    client.expect_reply(220);
    client.play(&[("USER user", 331), ("PASS 12345", 230)]);
    let port = client.epsv();
    for header in ["no header at all\r\n", "PROXY UNKNOWN\r\n"].repeat(10) {
        let mut stranger = connect(port);
        stranger.write_all(header.as_bytes()).unwrap();
        // It is over when it was turned away.
        let _ = stranger.read(&mut [0]);
    }
    drop(client);
    program.end_at_once();
    let log = program.rest_of_log();
    // The program tells its tests all, too.
    let is_told = |line: &&String| line.starts_with("[W ") && line.contains("of a proxy");
    let told: Vec<_> = log.iter().filter(is_told).collect();
    assert_eq!(told.len(), 1, "{log:#?}");
    assert!(told[0].contains("127.0.0.5:40000-[user]"), "{}", told[0]);
}

#[test]
fn each_look_of_a_proxy_whether_the_server_is_there_was_a_line_of_the_log() {
    let _alone = alone();
    let proxies = "proxy_protocol_from = [\"127.0.0.1/32\"]";
    let mut program = Program::start(&[], proxies);
    Client::open(program.address()).reset();
    for sent in ["", "PROXY "] {
        let mut client = Client::open(program.address());
        client.send_raw(sent.as_bytes());
        client.end_sending();
        client.expect_end();
    }
    program.end_at_once();
    let log = program.rest_of_log();
    let of = |level: &str| {
        let is_told = |line: &&String| line.starts_with(level) && line.contains("proxy 127.0.0.1");
        log.iter().filter(is_told).count()
    };
    assert_eq!((of("[D "), of("[W ")), (2, 1), "{log:#?}");
}

#[test]
fn each_stranger_at_a_passive_port_was_a_line_of_the_log() {
    let _alone = alone();
    let mut program = Program::start(&[], "");
    let mut client = program.client();
    let port = client.epsv();
    for _ in 0..20 {
        let mut stranger = connect_from(NEIGHBOUR, port).unwrap();
        // It is over when it was turned away.
        let _ = stranger.read(&mut [0]);
    }
    let stream = connect(port);
    client.expect("LIST", 150);
    read_all(stream);
    client.expect_reply(226);
    drop(client);
    program.end_at_once();
    let log = program.rest_of_log();
    let told = log.iter().filter(|line| line.contains("foreign address"));
    assert_eq!(told.count(), 1, "{log:#?}");
}

#[test]
fn the_log_tells_what_became_of_some_commands() {
    let _alone = alone();
    let mut program = Program::start(&[], "");
    let mut client = program.client();
    client.play(&[
        ("mkd d", 257),
        ("site  chmod 700 d", 200),
        ("CWD missing", 550),
        ("MFMT 20200101000000 d", 213),
        ("NOOP", 200),
        ("SITE MKDIR e", 200),
        ("XRMD d", 250),
        ("CDUP", 250),
        ("SITE", 501),
    ]);
    drop(client);
    let home = program.path("").display().to_string();
    program.end_at_once();
    let log = program.rest_of_log();
    let told = log.iter().filter_map(|line| line.split_once("[user] "));
    // Without what is sent and received, and who comes and goes.
    let told = told.filter(|(_, text)| !text.starts_with(['-', '<', 'U', 'F']));
    let told: Vec<_> = told.map(|(_, text)| text.replace(&home, "~/")).collect();
    assert_eq!(
        told,
        [
            "MKD ~/d 257",
            "SITE CHMOD ~/d 200",
            "CWD ~/missing 550 'No such file or directory.'",
            "MFMT ~/d 213",
            "XRMD ~/d 250",
        ]
    );
}
