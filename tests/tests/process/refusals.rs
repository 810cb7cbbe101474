//! What the program cannot have ends its start.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use ftpdlib_tests::clients::executable;
use ftpdlib_tests::skip::skipped;

use super::alone;
use super::programs::{MODELS, is_root};

/// Runs the program as somebody else, or as root, and gives its exit code and what it says.
fn refused(options: &[&str], uid: Option<u32>) -> (Option<i32>, String) {
    let mut command = Command::new(executable());
    command
        .args(options)
        .stdin(Stdio::null())
        .env("RUST_LOG", "error");
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    let output = command.current_dir("/").output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn what_cannot_be_had_ends_the_start_with_one_line() {
    let _alone = alone();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for model in MODELS {
        let options = [&["-i", "127.0.0.1", "-p", &port], model].concat();
        let (code, said) = refused(&options, None);
        assert_eq!(code, Some(1));
        let start = format!(
            "ftpdlib: option --port: cannot listen on 127.0.0.1:{port}: Address already in use"
        );
        assert!(
            said.starts_with(&start) && said.lines().count() == 1,
            "{said}"
        );
    }
    if is_root()
        && Command::new(executable())
            .arg("-V")
            .uid(4_000_000_123)
            .output()
            .is_ok()
    {
        let options = ["-i", "127.0.0.1", "-p", "0", "--user", "4000000124"];
        let problem = "found \"4000000124\" in a program that is not root's, which cannot become \
                       another user, expected none, or a start by root";
        let expected = format!("ftpdlib: option --user: {problem}\n");
        for options in [&options[..], &[&options[..], &["--check-config"]].concat()] {
            let (code, said) = refused(options, Some(4_000_000_123));
            assert_eq!((code, said.as_str()), (Some(2), expected.as_str()));
        }
        let directory = tempfile::tempdir().unwrap();
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), open).unwrap();
        let file = directory.path().join("f.toml");
        let text = "[server]\nlisten = [\"127.0.0.1:0\"]\nuser = \"4000000124\"\n";
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let (code, said) = refused(&["-c", file], Some(4_000_000_123));
        let expected = format!("ftpdlib: {file}:3: server.user: {problem}\n");
        assert_eq!((code, said.as_str()), (Some(2), expected.as_str()));

        let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
        if first.is_ok_and(|first| first.trim().parse() != Ok(0)) {
            let options = ["-i", "127.0.0.1", "-p", "1"];
            let (code, said) = refused(&options, Some(4_000_000_123));
            let expected = "ftpdlib: option --port: cannot listen on 127.0.0.1:1: Permission denied (os error \
                 13), expected a port that this user may have, from 1024 on\n";
            assert_eq!((code, said.as_str()), (Some(1), expected));
        }
    }
}

/// Both started as if all were well, and their workers died for ever.
#[test]
fn root_that_may_not_change_its_user_ends_with_an_error() {
    let _alone = alone();
    if !is_root() {
        return skipped("only root can be kept from it");
    }
    // In front of the program, the code, and what is said: without the capabilities, and with them
    // where the system has no such user.
    let lacking = "found \"4000000124\" in a program that lacks the capabilities CAP_SETGID and \
                   CAP_SETUID, which cannot become another user, expected none, or a start by root";
    for (before, check, code, expected) in [
        (
            &["setpriv", "--bounding-set=-setuid,-setgid"][..],
            &[][..],
            2,
            lacking,
        ),
        (
            &["setpriv", "--bounding-set=-setuid,-setgid"],
            &["--check-config"],
            2,
            lacking,
        ),
        (
            &["unshare", "--user", "--map-root-user"],
            &[],
            2,
            "ftpdlib: option --user: cannot become another user: ",
        ),
        (
            &["unshare", "--user", "--map-root-user"],
            &["--check-config"],
            2,
            "ftpdlib: option --user: cannot become another user: ",
        ),
    ] {
        let mut possible = Command::new(before[0]);
        let possible = possible.args(&before[1..]).arg("true").output();
        if !possible.is_ok_and(|done| done.status.success()) {
            skipped(format_args!("{before:?} is not possible"));
            continue;
        }
        for model in MODELS {
            let output = Command::new(before[0])
                .args(&before[1..])
                .arg(executable())
                .args(["-i", "127.0.0.1", "-p", "0", "--user", "4000000124"])
                .args(check)
                .args(model)
                .stdin(Stdio::null())
                .current_dir("/")
                .output()
                .unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{said}");
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("starting FTP server"), "{said}");
        }
    }
}
