//! What the program logs: its messages on standard error, and the transfer logs.
#![cfg(unix)]

#[path = "../support/client.rs"]
mod client;
mod program;
mod transfer_log;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use client::Client;
use program::Program;

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("a b"), "hello").unwrap();
    home
}

/// Downloads a file.
#[track_caller]
fn fetch(client: &mut Client, name: &str) {
    let mut stream = client.begin(&format!("RETR {name}"));
    stream.read_to_end(&mut Vec::new()).unwrap();
    client.expect_reply("226");
}

#[test]
fn the_log_tells_what_pyftpdlibs_does() {
    let home = home();
    let directory = home.path().to_str().unwrap();
    let mut program = Program::start(&["-d", directory, "-r", "40000-40999"]);
    program.wait_for("concurrency model: async");
    program.wait_for("masquerade (NAT) address: none");
    program.wait_for("passive ports: 40000->40999");
    let mut client = Client::login(program.address);
    let local = client.control.get_ref().local_addr().unwrap();
    client.expect("TYPE I", "200");
    fetch(&mut client, "a b");
    client.expect("MKD d", "257");
    client.expect("CWD d", "250");
    client.expect("DELE \u{1b}[2J", "550");
    client.expect("RNFR /a b", "350");
    client.expect("RNTO b", "250");
    client.expect("MFMT 20200101000000 b", "213");
    client.expect("SITE CHMOD 600 ./b", "200");
    client.expect("MKD", "501");
    client.expect("QUIT", "221");
    let prefix = format!("{local}-[anonymous]");
    let real = home.path().canonicalize().unwrap();
    let real = real.display();
    for line in [
        format!("{local}-[] FTP session opened (connect)"),
        format!("{prefix} USER 'anonymous' logged in."),
        format!("{prefix} -> RETR a b"),
        format!("{prefix} RETR {real}/a b completed=1 bytes=5 seconds=0."),
        format!("{prefix} MKD {real}/d 257"),
        format!("{prefix} CWD {real}/d 250"),
        format!("{prefix} DELE {real}/d/\\u{{1b}}[2J 550 '"),
        format!("{prefix} RNFR {real}/a b 350"),
        format!("{prefix} RNTO {real}/d/b 250"),
        format!("{prefix} MFMT {real}/d/b 213"),
        format!("{prefix} SITE CHMOD {real}/d/b 200"),
        format!("{prefix} MKD  501 '"),
        format!("{prefix} USER 'anonymous' logged out."),
        format!("{prefix} FTP session closed (disconnect)."),
    ] {
        program.wait_for(&line);
    }
    program.signal("TERM");
    program.wait_for("shutting down FTP server");
}

#[test]
fn a_transfer_is_logged_for_who_began_it() {
    let home = home();
    let mut program = Program::start(&["-d", home.path().to_str().unwrap()]);
    for end in ["QUIT", "REIN"] {
        let mut client = Client::login(program.address);
        let local = client.control.get_ref().local_addr().unwrap();
        let mut stream = client.begin(&format!("STOR {end}"));
        let command = format!("{end}\r\n");
        client
            .control
            .get_mut()
            .write_all(command.as_bytes())
            .unwrap();
        program.wait_for(&format!("-> {end}"));
        stream.write_all(b"four").unwrap();
        drop(stream);
        program.wait_for(&format!(
            "{local}-[anonymous] STOR {}/{end} completed=1 bytes=4",
            home.path().display()
        ));
    }
}

#[test]
fn a_line_that_waited_was_logged_with_the_reply_to_the_one_before_it() {
    let home = home();
    let mut program = Program::start(&["-d", home.path().to_str().unwrap()]);
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = unused.local_addr().unwrap().port();
    drop(unused);
    let active = format!("EPRT |1|127.0.0.1|{closed}|\r\nNLST\r\nMKD e\r\n");
    let mut client = Client::login(program.address);
    for (lines, codes, command, outcome) in [
        (
            "XMD5 a b\r\nRMD no\r\n",
            &["250", "550"][..],
            "RMD",
            "no 550 '",
        ),
        ("XMD5 no\r\nMKD d\r\n", &["550", "257"], "MKD", "d 257"),
        (&active, &["200", "425", "257"], "MKD", "e 257"),
    ] {
        client
            .control
            .get_mut()
            .write_all(lines.as_bytes())
            .unwrap();
        for code in codes {
            client.expect_reply(code);
        }
        let line = program.wait_for(&format!("[anonymous] {command} "));
        let logged = format!("{command} {}/{outcome}", home.path().display());
        assert!(line.contains(&logged), "{line}");
    }
}

#[test]
fn no_log_holds_a_password() {
    let home = home();
    let directory = home.path().to_str().unwrap();
    let options = ["-d", directory, "-u", "alice", "-P", "opensesame"];
    let mut program = Program::start(&options);
    let mut client = Client::connect(program.address);
    for line in [
        " PASS opensesame",
        "\tPASS opensesame",
        "PASSopensesame",
        "PASS\topensesame",
        "SITE PSWD opensesame opensesame",
        "SITE PASSWORD opensesame",
        "NOOP PASS opensesame",
    ] {
        client.expect(line, "5");
    }
    client.expect("ACCT opensesame", "202");
    // Before USER, after Telnet commands, split by one, in any case, and longer than a line may be.
    let long = [b"PASS ".as_slice(), &b"opensesame".repeat(1000), b"\r\n"].concat();
    for (line, code) in [
        (&b"pAsS opensesame\r\n"[..], "503"),
        (b"\xff\xf1PASS opensesame\r\n", "503"),
        (b"\xff\xf4\xff\xf2PaSS opensesame\r\n", "503"),
        (b"PA\xff\xf1SS opensesame\r\n", "503"),
        (b"\xff\xffPASS opensesame\r\n", "5"),
        (b"PASS opensesame\n", "503"),
        (&long, "500"),
    ] {
        client.control.get_mut().write_all(line).unwrap();
        client.expect_reply(code);
    }
    let mess = b"USER alice\r\npass opensesame\r\nPASS  opensesame\r\nNOOP\r\n";
    client.control.get_mut().write_all(mess).unwrap();
    for code in ["331", "230", "503", "200"] {
        client.expect_reply(code);
    }
    client.expect("QUIT", "221");
    program.wait_for("FTP session closed");
    let log = program.log.to_lowercase();
    assert!(!log.contains("opensesame"), "{log}");
    assert!(log.contains("-> pass ******"), "{log}");
}

#[test]
fn a_transfer_log_that_cannot_be_opened_stops_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let file = directory.path().join("f.toml");
    fs::write(&file, "[anonymous]\nhome = \".\"\n[log]\njson = \".\"\n").unwrap();
    let file = file.to_str().unwrap();
    for (options, place, found) in [
        (
            &["--xferlog", "/no/such/place"][..],
            "option --xferlog",
            "\"/no/such/place\", which cannot be opened (No such file or directory (os error 2))",
        ),
        (
            &["--json-log", path],
            "option --json-log",
            &format!("{path:?}, which cannot be opened (Is a directory (os error 21))"),
        ),
        (
            &["-c", file],
            &format!("{file}:4: log.json"),
            &format!("\"{path}/.\", which cannot be opened (Is a directory (os error 21))"),
        ),
    ] {
        for check in [&[][..], &["--check-config"]] {
            let output = Command::new(env!("CARGO_BIN_EXE_ftpdlib"))
                .args(["-i", "127.0.0.1", "-p", "0"])
                .args(options)
                .args(check)
                .output()
                .unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{told}");
            let expected =
                format!("ftpdlib: {place}: found {found}, expected a file to append to\n");
            assert_eq!(told, expected);
        }
    }
}

#[test]
fn a_check_of_the_configuration_makes_no_log() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("kept");
    fs::write(&kept, "hello\n").unwrap();
    for path in [
        directory.path().join("new"),
        kept.clone(),
        "/dev/null".into(),
    ] {
        let status = Command::new(env!("CARGO_BIN_EXE_ftpdlib"))
            .args(["--check-config", "--xferlog", path.to_str().unwrap()])
            .status();
        assert_eq!(status.unwrap().code(), Some(0));
    }
    assert_eq!(fs::read(&kept).unwrap(), b"hello\n");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// Checks the error for a log and, if given, another one, when the program is to check or to start.
#[track_caller]
fn check_refused(xferlog: &Path, json: Option<&Path>, check: &[&str], reason: &str) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ftpdlib"));
    program.args(["-i", "127.0.0.1", "-p", "0"]).args(check);
    program.arg("--xferlog").arg(xferlog);
    if let Some(json) = json {
        program.arg("--json-log").arg(json);
    }
    let output = program.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.to_lowercase().contains(reason), "{told}");
}

#[test]
fn a_log_behind_a_link_to_nothing_yet_was_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("logs")).unwrap();
    symlink("second", path("first")).unwrap();
    symlink("logs/real", path("second")).unwrap();
    symlink("nowhere/real", path("dangling")).unwrap();
    let log = path("first");
    let log = log.to_str().unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_ftpdlib"))
        .args(["--check-config", "--xferlog", log])
        .status();
    assert!(checked.unwrap().success());
    assert!(!path("logs/real").exists());
    drop(Program::start(&["--xferlog", log]));
    assert!(path("logs/real").exists());
    for check in [&[][..], &["--check-config"]] {
        check_refused(&path("dangling"), None, check, "no such file");
    }
}

#[test]
fn a_check_of_the_configuration_accepted_a_log_that_is_a_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _socket = UnixListener::bind(&path).unwrap();
    for check in [&[][..], &["--check-config"]] {
        check_refused(&path, None, check, "no such device or address");
    }
}

#[test]
fn a_check_of_the_configuration_accepted_a_log_in_a_removed_directory() {
    for check in ["", "--check-config"] {
        let directory = tempfile::tempdir().unwrap();
        let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
        let output = Command::new("sh")
            .args(["-c", script, "sh", env!("CARGO_BIN_EXE_ftpdlib")])
            .args(["-d", "/", "-i", "127.0.0.1", "-p", "0", "--xferlog", "new"])
            .args(check.split_whitespace())
            .current_dir(directory.path())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(
            told.contains("option --xferlog: found \"new\", which"),
            "{told}"
        );
    }
}

#[test]
fn a_check_of_the_configuration_accepted_a_log_that_only_a_directory_can_be() {
    let directory = tempfile::tempdir().unwrap();
    for (name, reason) in [
        ("new/", "is a directory"),
        ("new/.", "directory"),
        ("new/..", "directory"),
    ] {
        for check in [&[][..], &["--check-config"]] {
            check_refused(&directory.path().join(name), None, check, reason);
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn of_two_logs_none_is_made_where_one_cannot_be() {
    let directory = tempfile::tempdir().unwrap();
    let (new, kept) = (directory.path().join("new"), directory.path().join("kept"));
    fs::write(&kept, "hello\n").unwrap();
    for log in [&new, &kept] {
        let nowhere = Path::new("/no/such/place");
        check_refused(log, Some(nowhere), &[], "no such file");
    }
    assert!(!new.exists());
    assert_eq!(fs::read(kept).unwrap(), b"hello\n");
}

#[test]
fn a_start_that_failed_left_a_log_behind() {
    let directory = tempfile::tempdir().unwrap();
    let (new, kept) = (directory.path().join("new"), directory.path().join("kept"));
    fs::write(&kept, "").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_ftpdlib"))
        .args(["-i", "127.0.0.1", "-p", &port])
        .args([Path::new("--xferlog"), &new, Path::new("--json-log"), &kept])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!new.exists() && kept.exists());
}

#[test]
fn a_start_that_failed_after_it_had_bound_left_a_log_behind() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("new");
    // Too few descriptors to open the log, then to listen, then for the loop, and finally enough.
    for descriptors in 4..100 {
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -n \"$0\" && exec \"$@\""])
            .args([&descriptors.to_string(), env!("CARGO_BIN_EXE_ftpdlib")])
            .args(["-i", "127.0.0.1", "-p", "0", "--xferlog"])
            .arg(&log)
            .env_remove("RUST_LOG")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let started = lines.any(|line| line.unwrap().contains("starting FTP server"));
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        if started {
            return;
        }
        assert!(!log.exists(), "with {descriptors} descriptors");
    }
    panic!("never started");
}

/// A pipe in a directory of its own.
fn pipe() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    make_pipe(&path);
    (directory, path)
}

#[track_caller]
fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_log_that_is_a_pipe_without_a_reader_hung_the_start() {
    let (_directory, path) = pipe();
    check_refused(&path, None, &[], "no such device or address");
}

#[test]
fn the_server_stood_still_while_nobody_read_its_log() {
    let mut program = Program::start(&[]);
    let mut client = Client::connect(program.address);
    // About 600 of them fill the pipe.
    for _ in 0..2000 {
        client.expect("NOOP", "200");
    }
    let reader = thread::spawn(move || {
        program.wait_for("lines lost, since standard error was full: ");
        program
    });
    while !reader.is_finished() {
        client.expect("NOOP", "200");
    }
    let _program = reader.join().unwrap();
}

#[test]
fn anybody_could_read_which_files_went() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    drop(Program::start(&["--xferlog", log.to_str().unwrap()]));
    let mode = log.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn a_stalled_handshake_left_no_word_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("ftpdlib.toml");
    fs::write(&config, "[tls]\nhandshake_timeout = 0.05\n").unwrap();
    let options = [
        "-c",
        config.to_str().unwrap(),
        "-u",
        "alice",
        "-P",
        "sesame",
    ];
    let mut program = Program::start(&options);
    let mut client = TcpStream::connect(program.address).unwrap();
    client.write_all(b"AUTH TLS\r\n").unwrap();
    let line = program.wait_for("the handshake took too long");
    let client = client.local_addr().unwrap();
    assert!(line.contains(&format!("{client}-[] TLS: ")), "{line}");
    program.wait_for("FTP session closed");
    assert_eq!(program.log.matches("took too long").count(), 1);
}
