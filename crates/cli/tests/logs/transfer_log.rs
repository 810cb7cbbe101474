//! The lines of transfer logs, in files and in pipes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::iter;
use std::path::{Path, PathBuf};

use crate::client::Client;
use crate::program::Program;
use crate::{fetch, home, make_pipe, pipe};

/// The lines of a transfer log, once there are `count`.
#[track_caller]
fn log_lines(path: &Path, count: usize) -> Vec<String> {
    let lines: Vec<_> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), count, "{lines:?}");
    lines
}

#[test]
fn transfers_are_written_down_and_files_opened_again() {
    let home = home();
    let logs = tempfile::tempdir().unwrap();
    let (xferlog, json) = (logs.path().join("xferlog"), logs.path().join("json"));
    let mut program = Program::start(&[
        "-d",
        home.path().to_str().unwrap(),
        "--xferlog",
        xferlog.to_str().unwrap(),
        "--json-log",
        json.to_str().unwrap(),
    ]);
    let mut client = Client::login(program.address);
    client.expect("TYPE I", "200");
    fetch(&mut client, "a b");
    // The next reply waits for the observers.
    client.expect("NOOP", "200");
    let line = &log_lines(&xferlog, 1)[0];
    let real = home.path().canonicalize().unwrap();
    let expected = format!(
        " 1 127.0.0.1 5 {}/a_b b _ o a anonymous ftp 0 * c",
        real.display()
    );
    assert!(line.ends_with(&expected), "{line}");
    assert_eq!(
        line.split(' ').filter(|field| !field.is_empty()).count(),
        18
    );
    let line = &log_lines(&json, 1)[0];
    for part in [
        "{\"time\":\"20",
        "\"user\":\"anonymous\"",
        "\"command\":\"RETR\",\"path\":\"/a b\"",
        "\"direction\":\"out\",\"type\":\"image\",\"bytes\":5,",
        "\"end\":\"complete\"}",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let moved = logs.path().join("xferlog.1");
    fs::rename(&xferlog, &moved).unwrap();
    program.signal("HUP");
    program.wait_for("configuration read again");
    let mut stream = client.begin("STOR new");
    stream.write_all(b"four").unwrap();
    drop(stream);
    client.expect_reply("226");
    client.expect("NOOP", "200");
    log_lines(&moved, 1);
    let line = &log_lines(&xferlog, 1)[0];
    assert!(line.ends_with("/new b _ i a anonymous ftp 0 * c"), "{line}");
    log_lines(&json, 2);
}

#[test]
fn a_log_that_is_a_pipe_nobody_reads_hung_its_sessions() {
    let (_directory, path) = pipe();
    // With both ends the pipe opens at once, and can be filled.
    let mut both = File::options().read(true).write(true).open(&path).unwrap();
    both.write_all(&[0; 65_536]).unwrap();
    let home = home();
    let (home, path) = (home.path().to_str().unwrap(), path.to_str().unwrap());
    let mut program = Program::start(&["-d", home, "--xferlog", path]);
    let mut client = Client::login(program.address);
    fetch(&mut client, "a b");
    // The next reply waits for the observers.
    client.expect("NOOP", "200");
    program.wait_for("cannot write to");
    program.signal("HUP");
    program.wait_for("configuration read again");
    client.expect("QUIT", "221");
}

#[test]
fn only_its_session_waits_for_a_log_that_is_a_pipe() {
    let (_directory, path) = pipe();
    let mut both = File::options().read(true).write(true).open(&path).unwrap();
    let mut read = [0; 65_536];
    both.write_all(&read).unwrap();
    let home = home();
    let (home, path) = (home.path().to_str().unwrap(), path.to_str().unwrap());
    let program = Program::start(&["-d", home, "--xferlog", path]);
    let mut other = Client::login(program.address);
    let mut client = Client::login(program.address);
    fetch(&mut client, "a b");
    // Without a reader, the line is lost in two seconds.
    other.expect("NOOP", "200");
    both.read_exact(&mut read).unwrap();
    client.expect("NOOP", "200");
    // There is something to read in any case.
    both.write_all(b"end").unwrap();
    let count = both.read(&mut read).unwrap();
    let line = String::from_utf8_lossy(&read[..count]);
    assert!(line.ends_with(" ftp 0 * c\nend"), "{line}");
}

#[test]
fn a_log_may_become_a_pipe_and_a_file_again() {
    let home = home();
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (home, path) = (home.path().to_str().unwrap(), log.to_str().unwrap());
    let mut program = Program::start(&["-d", home, "--xferlog", path]);
    let mut client = Client::login(program.address);
    let mut add_line = || {
        fetch(&mut client, "a b");
        // The next reply waits for the line.
        client.expect("NOOP", "200");
    };
    add_line();
    log_lines(&log, 1);
    fs::remove_file(&log).unwrap();
    make_pipe(&log);
    let mut both = File::options().read(true).write(true).open(&log).unwrap();
    program.signal("HUP");
    program.wait_for("configuration read again");
    add_line();
    add_line();
    both.write_all(b"end").unwrap();
    let mut read = [0; 4096];
    let count = both.read(&mut read).unwrap();
    let lines = String::from_utf8_lossy(&read[..count]);
    assert_eq!(lines.matches(" ftp 0 * c\n").count(), 2, "{lines}");
    fs::remove_file(&log).unwrap();
    program.signal("HUP");
    program.wait_for("configuration read again");
    add_line();
    log_lines(&log, 1);
}

#[test]
fn a_line_that_a_full_file_cut_is_ended_before_the_next_one() {
    let home = home();
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (home, path) = (home.path().to_str().unwrap(), log.to_str().unwrap());
    let mut program = Program::start_with_room(2, &["-d", home, "--xferlog", path]);
    let mut client = Client::login(program.address);
    let full = loop {
        let before = log.metadata().unwrap().len();
        fetch(&mut client, "a b");
        client.expect("NOOP", "200");
        let text = fs::read_to_string(&log).unwrap();
        if !text.ends_with('\n') || text.len() as u64 == before {
            break text;
        }
    };
    program.wait_for(&format!("cannot write to {path}: File too large"));
    let emptied = File::options().write(true).open(&log).unwrap();
    emptied.set_len(0).unwrap();
    fetch(&mut client, "a b");
    client.expect("NOOP", "200");
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.starts_with('\n'), !full.ends_with('\n'), "{text:?}");
    assert!(text.ends_with(" ftp 0 * c\n"), "{text:?}");
}

#[test]
fn a_line_that_another_process_cut_had_the_next_glued_to_it() {
    let (_directory, path) = pipe();
    let mut both = File::options().read(true).write(true).open(&path).unwrap();
    let home = home();
    // The line for this file is longer than what a pipe takes as a whole.
    let long = "d".repeat(250);
    let deep: PathBuf = iter::repeat_n(&long, 9).collect();
    fs::create_dir_all(home.path().join(&deep)).unwrap();
    fs::write(home.path().join(&deep).join("f"), "hello").unwrap();
    let (home, path) = (home.path().to_str().unwrap(), path.to_str().unwrap());
    let options = [
        "-d",
        home,
        "--json-log",
        path,
        "--concurrency",
        "multi-proc",
    ];
    let mut program = Program::start(&options);
    let mut other = Client::login(program.address);
    let mut client = Client::login(program.address);
    for _ in 0..9 {
        client.expect(&format!("CWD {long}"), "250");
    }
    let mut read = vec![b'x'; 65_536];
    both.write_all(&read[4096..]).unwrap();
    fetch(&mut client, "f");
    program.wait_for("cannot write to");
    both.read_exact(&mut read).unwrap();
    fetch(&mut other, "a b");
    // The next reply waits for the observers.
    other.expect("NOOP", "200");
    let count = both.read(&mut read).unwrap();
    let text = String::from_utf8_lossy(&read[..count]);
    assert!(text.starts_with("\n{") && text.ends_with("}\n"), "{text}");
}

#[test]
fn the_first_line_was_glued_to_one_that_was_cut_before_the_start() {
    let home = home();
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    for (before, between) in [("{\"time", "\n"), ("{}\n", ""), ("", "")] {
        fs::write(&log, before).unwrap();
        let (home, path) = (home.path().to_str().unwrap(), log.to_str().unwrap());
        let program = Program::start(&["-d", home, "--json-log", path]);
        let mut client = Client::login(program.address);
        fetch(&mut client, "a b");
        client.expect("NOOP", "200");
        let text = fs::read_to_string(&log).unwrap();
        let added = text.strip_prefix(before).unwrap();
        assert!(added.starts_with(&format!("{between}{{")), "{text}");
    }
}
