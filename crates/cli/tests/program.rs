//! The program as scripts and service managers see it: exit codes, and what is printed where.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

fn run(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ftpdlib"))
        .args(options)
        .env_remove("FTPDLIB_PASSWORD")
        .env_remove("RUST_LOG")
        .output()
        .unwrap()
}

#[track_caller]
fn check(options: &[&str], code: i32, stdout: bool, stderr: Option<&str>) {
    let output = run(options);
    assert_eq!(output.status.code(), Some(code), "{options:?}: {output:?}");
    assert_eq!(!output.stdout.is_empty(), stdout, "{options:?}: {output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = stderr.map_or_else(String::new, |line| format!("ftpdlib: {line}\n"));
    assert_eq!(told, expected, "{options:?}");
}

#[test]
fn a_check_is_silent_where_all_is_well() {
    check(&["--check-config"], 0, false, None);
    check(&["--check-config", "-p", "0", "-i", "::"], 0, false, None);
}

#[test]
fn answers_go_to_standard_output() {
    check(&["--help"], 0, true, None);
    check(&["-h"], 0, true, None);
    check(&["--version"], 0, true, None);
}

#[test]
fn what_is_wrong_is_one_line_and_code_2() {
    check(
        &["--port", "x"],
        2,
        false,
        Some("option --port: found \"x\", expected a port from 0 to 65535"),
    );
    check(
        &["--check-config", "--banner"],
        2,
        false,
        Some("option --banner: found no value, expected one"),
    );
    check(
        &["-d", "/no\nsuch"],
        2,
        false,
        Some(
            "option --directory: no such directory: \"/no\\nsuch\", \
             expected an existing directory",
        ),
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_error_does_not_change_the_code() {
    let status = Command::new(env!("CARGO_BIN_EXE_ftpdlib"))
        .args(["--port", "x"])
        .stderr(fs::File::create("/dev/full").unwrap())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
}

#[cfg(target_os = "linux")]
#[test]
fn a_wrong_filter_and_a_full_standard_error_ended_in_a_panic() {
    let check_config = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftpdlib"));
        command.arg("--check-config").env("RUST_LOG", "warn,x=99");
        command
    };
    let full = fs::File::create("/dev/full").unwrap();
    let status = check_config().stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(0));

    let told = String::from_utf8(check_config().output().unwrap().stderr).unwrap();
    assert!(
        told.starts_with("[E ") && told.lines().count() == 1,
        "{told}"
    );
    assert!(told.contains("RUST_LOG") && told.contains("'99'"), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_filter_that_is_not_utf_8_was_dropped_whole_and_silently() {
    let output = Command::new(env!("CARGO_BIN_EXE_ftpdlib"))
        .arg("--check-config")
        .env("RUST_LOG", OsStr::from_bytes(b"warn,x=\xff"))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("[E "), "{told}");
    assert!(told.contains("RUST_LOG"), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_standard_error_at_the_file_size_limit_ended_the_program_by_a_signal() {
    let directory = tempfile::tempdir().unwrap();
    let check = |options: &[&str], code: i32| {
        // Not a single byte is within the limit, whatever unit this shell uses.
        let status = Command::new("sh")
            .args(["-c", "ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(env!("CARGO_BIN_EXE_ftpdlib"))
            .args(options)
            .stderr(fs::File::create(directory.path().join("log")).unwrap())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(code), "{options:?}: {status}");
    };
    check(&["--port", "x"], 2);
    // It warns that workers have no effect without pre-fork.
    check(&["--check-config", "--workers", "3"], 0);
}

#[test]
fn an_empty_banner_is_found_before_the_start() {
    check(
        &["--check-config", "--banner", ""],
        2,
        false,
        Some("option --banner: found \"\", expected a text that is not empty"),
    );
}

#[test]
fn a_check_told_the_fingerprint_of_a_certificate_that_nobody_would_see() {
    check(&["--check-config", "--tls"], 0, false, None);
}

#[test]
fn a_wrong_file_is_told_by_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f.toml");
    fs::write(&path, "[control]\nbaner = \"Hi\"\n").unwrap();
    let path = path.to_str().unwrap();
    let output = run(&["--check-config", "-c", path]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    let start = format!("ftpdlib: {path}:2: control.baner: unknown key `baner`, expected one of ");
    assert!(
        told.starts_with(&start) && told.lines().count() == 1,
        "{told}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_that_could_not_be_had_named_neither_option_nor_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("f.toml");
    fs::write(&path, format!("[server]\nlisten = [\"{address}\"]\n")).unwrap();
    let (path, port) = (path.to_str().unwrap(), address.port().to_string());
    let in_use = format!(
        "cannot listen on {address}: Address already in use (os error 98), expected one that is free"
    );
    let by_option = format!("option --port: {in_use}");
    check(
        &["-i", "127.0.0.1", "-p", &port],
        1,
        false,
        Some(&by_option),
    );
    let by_key = format!("{path}:2: server.listen: {in_use}");
    check(&["-c", path], 1, false, Some(&by_key));
    let foreign = "option --interface: cannot listen on 192.0.2.1:2121: Cannot assign requested \
                   address (os error 99), expected an address of this machine";
    check(&["-i", "192.0.2.1"], 1, false, Some(foreign));
}

/// Every key with its default.
const DEFAULTS: &str = include_str!("data/every_default.toml");

#[test]
fn keys_with_their_defaults_were_refused_beside_others() {
    let directory = tempfile::tempdir().unwrap();
    for home in ["alice/incoming", "pub"] {
        fs::create_dir_all(directory.path().join(home)).unwrap();
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (name, pem) in [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
        (
            "f.toml",
            DEFAULTS.replace("/srv/ftp", directory.path().to_str().unwrap()),
        ),
    ] {
        fs::write(directory.path().join(name), pem).unwrap();
    }
    let path = directory.path().join("f.toml");
    check(
        &["--check-config", "-c", path.to_str().unwrap()],
        0,
        false,
        None,
    );
}
