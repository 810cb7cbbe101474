//! The checks of source files.

use super::Finding;
use super::source::{Source, has_word};

/// Files longer than this say why.
const LONG: usize = 600;

/// No file is longer than this.
const TOO_LONG: usize = 1000;

/// No comment is wider than this.
const COLUMNS: usize = 100;

/// Crates that do no input or output at all.
const SANS_IO: &[&str] = &["proto", "session"];

/// Modules of the standard library that touch the world.
const WORLDLY_MODULES: &[&str] = &["env", "fs", "io", "os", "path", "process", "thread"];

/// Names that touch the world wherever they come from.
const WORLDLY_NAMES: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixListener",
    "UnixStream",
    "elapsed",
];

/// Methods of `Filesystem`, `Listing` and `Authorizer` whose names say so; plain ones such as
/// `remove` are methods of too many other types.
const BLOCKING_METHODS: &[&str] = &[
    "authenticate",
    "authenticate_by_certificate",
    "available_space",
    "canonical",
    "change_dir",
    "has_perm",
    "impersonate",
    "lstat",
    "mkdir",
    "next_batch",
    "open_read",
    "open_write",
    "perms_anywhere",
    "readlink",
    "recall",
    "rmdir",
    "set_mode",
    "set_modified",
    "without_links",
];

/// Crates that sit between the reactor and the jobs.
const LOOP_SIDE: &[&str] = &["handlers", "servers", "session"];

/// Crates that keep sockets of clients. `servers` hands each to a connection, and itself writes to
/// none but those it turns away before the loop knows them.
const SOCKET_SIDE: &[&str] = &["handlers", "tls"];

/// A line, counted from 1, and what is wrong there.
type Note = (usize, String);

/// One check of one file.
type Check = fn(&Source<'_>) -> Vec<Note>;

/// Runs every check on one file.
pub(super) fn check(source: &Source<'_>) -> Vec<Finding> {
    const CHECKS: &[Check] = &[
        sans_io,
        reactor_knows_no_ftp,
        unsafe_in_sys_only,
        unsafe_is_forbidden,
        blocking_calls_are_jobs,
        no_shared_state,
        sockets_belong_to_the_reactor,
        examples_name_their_package,
        comments_are_narrow,
        size,
    ];
    let finding = |(line, message)| Finding {
        path: source.path.to_owned(),
        line,
        message,
    };
    CHECKS
        .iter()
        .flat_map(|check| check(source))
        .map(finding)
        .collect()
}

/// `proto` and `session` name no socket, file, thread, process or clock.
fn sans_io(source: &Source<'_>) -> Vec<Note> {
    if !SANS_IO.contains(&source.crate_name()) {
        return Vec::new();
    }
    let worldly = |path: &str| {
        WORLDLY_MODULES.iter().any(|module| {
            path.strip_prefix("std::")
                .and_then(|rest| rest.strip_prefix(module))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    };
    let message = |what: &str| {
        format!("{what} in a crate without IO: take the value as a parameter, or give an effect")
    };
    let mut found: Vec<Note> = source
        .uses_outside_tests()
        .into_iter()
        .filter(|(_, path)| worldly(path))
        .map(|(line, path)| (line, message(&path)))
        .collect();
    for (number, line) in source.code_outside_tests() {
        if line.trim_start().starts_with("use ") {
            continue;
        }
        let inline = WORLDLY_MODULES
            .iter()
            .map(|module| format!("std::{module}"))
            .chain(WORLDLY_NAMES.iter().map(|name| (*name).to_owned()))
            .filter(|name| has_word(line, name));
        found.extend(inline.map(|name| (number, message(&name))));
    }
    found
}

/// `ioloop` contains no word of FTP, in comments neither.
fn reactor_knows_no_ftp(source: &Source<'_>) -> Vec<Note> {
    if source.crate_name() != "ioloop" {
        return Vec::new();
    }
    let is_ftp = |word: &str| {
        let word = word.to_ascii_lowercase();
        word.contains("ftp") && word != "ftpdlib"
    };
    source
        .text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let word = line
                .split(|c: char| !c.is_alphanumeric())
                .find(|word| is_ftp(word))?;
            let message = format!("{word} in the reactor: say it without FTP, or move it up");
            Some((index + 1, message))
        })
        .collect()
}

/// `unsafe` occurs in `sys` only.
fn unsafe_in_sys_only(source: &Source<'_>) -> Vec<Note> {
    if source.crate_name() == "sys" {
        return Vec::new();
    }
    source
        .code()
        .filter(|(_, line)| has_word(line, "unsafe"))
        .map(|(number, _)| {
            (
                number,
                "unsafe outside `sys`: give it a safe function there".into(),
            )
        })
        .collect()
}

/// The root of every other crate forbids it.
fn unsafe_is_forbidden(source: &Source<'_>) -> Vec<Note> {
    let is_root = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
    let forbids = source
        .code()
        .any(|(_, line)| line.starts_with("#![forbid(unsafe_code)]"));
    if source.crate_name() == "sys" || !is_root || forbids {
        return Vec::new();
    }
    vec![(
        1,
        "a crate without `#![forbid(unsafe_code)]`: add it under the crate's docs".into(),
    )]
}

/// `Filesystem` and `Authorizer` are called from the jobs of `handlers` only.
fn blocking_calls_are_jobs(source: &Source<'_>) -> Vec<Note> {
    let in_jobs = source.path.starts_with("crates/handlers/src/jobs");
    if in_jobs || !LOOP_SIDE.contains(&source.crate_name()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in source.code_outside_tests() {
        for method in BLOCKING_METHODS {
            if line.contains(&format!(".{method}(")) {
                let message = format!("{method} blocks: make it a job (crates/handlers/src/jobs)");
                found.push((number, message));
            }
        }
    }
    found
}

/// No handler is shared, and nothing global changes.
fn no_shared_state(source: &Source<'_>) -> Vec<Note> {
    let mut found = Vec::new();
    for (number, line) in source.code_outside_tests() {
        if line.contains("Rc<RefCell") {
            found.push((number, "Rc<RefCell: give the state one owner".to_owned()));
        }
        if has_word(line, "static mut") {
            found.push((number, "static mut: give the state an owner".to_owned()));
        }
    }
    found
}

/// Sockets are read and written through the reactor's bookkeeping.
///
/// Seen as: a file that names `TcpStream` and brings `Read` or `Write` into scope could read or
/// write one behind the reactor's back.
fn sockets_belong_to_the_reactor(source: &Source<'_>) -> Vec<Note> {
    let names_socket = || {
        source
            .code_outside_tests()
            .any(|(_, line)| has_word(line, "TcpStream"))
    };
    if !SOCKET_SIDE.contains(&source.crate_name()) || !names_socket() {
        return Vec::new();
    }
    source
        .uses_outside_tests()
        .into_iter()
        .filter(|(_, path)| matches!(path.as_str(), "std::io::Read" | "std::io::Write"))
        .map(|(line, path)| {
            (
                line,
                format!("{path} beside a TcpStream: read and write through the reactor's `try_io`"),
            )
        })
        .collect()
}

/// What is shown to run an example works in the workspace's directory, where cargo looks for one in
/// the program's package unless it is told another.
fn examples_name_their_package(source: &Source<'_>) -> Vec<Note> {
    if !source.path.starts_with("crates/") {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| line.contains("cargo run") && line.contains("--example"))
        .filter(|(_, line)| !line.contains(" -p "))
        .map(|(index, _)| {
            let message = "no package: say `cargo run -p PACKAGE --example …`";
            (index + 1, message.to_owned())
        })
        .collect()
}

/// Comments have lines of 100 columns, as rustfmt sees to for code. Tables, examples and addresses
/// cannot be broken.
fn comments_are_narrow(source: &Source<'_>) -> Vec<Note> {
    let mut found = Vec::new();
    let mut in_example = false;
    for (index, line) in source.text.lines().enumerate() {
        let Some(slashes) = line.trim_start().strip_prefix("//") else {
            in_example = false;
            continue;
        };
        let text = slashes.trim_start_matches(['/', '!']).trim_start();
        in_example ^= text.starts_with("```");
        let columns = line.chars().count();
        let may_be_wide = in_example || text.starts_with('|') || text.contains("://");
        if columns > COLUMNS && !may_be_wide {
            let message = format!("a comment of {columns} columns: break it ({COLUMNS} at most)");
            found.push((index + 1, message));
        }
    }
    found
}

/// Files stay short enough to read.
fn size(source: &Source<'_>) -> Vec<Note> {
    let lines = source.text.lines().count();
    let says_why = || {
        source.text.lines().take(20).any(|line| {
            line.trim_start_matches(['/', '!', ' '])
                .starts_with("Long because")
        })
    };
    if lines > TOO_LONG {
        vec![(
            TOO_LONG,
            format!("{lines} lines: split the file ({TOO_LONG} at most)"),
        )]
    } else if lines > LONG && !says_why() {
        vec![(
            1,
            format!("{lines} lines: split the file, or say `// Long because …` at its top"),
        )]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines with findings of one check.
    #[track_caller]
    fn check_lines(check: Check, path: &str, text: &str, expected: &[usize]) {
        let found = check(&Source::new(path, text));
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, expected, "{path}\n{text}\n{found:?}");
    }

    #[test]
    fn sans_io_crates_touch_nothing() {
        let proto = "crates/proto/src/line.rs";
        check_lines(sans_io, proto, "use std::net::{IpAddr, SocketAddr};", &[]);
        check_lines(sans_io, proto, "use std::{fmt, io};", &[1]);
        check_lines(
            sans_io,
            proto,
            "\nuse std::net::TcpStream;\nlet a: TcpStream;",
            &[3],
        );
        check_lines(sans_io, proto, "let a = std::fs::read(b);", &[1]);
        check_lines(
            sans_io,
            "crates/session/src/a.rs",
            "let now = Instant::now();",
            &[1],
        );
        check_lines(
            sans_io,
            proto,
            "fn a(now: Instant) {} // Instant::now()",
            &[],
        );
        check_lines(
            sans_io,
            proto,
            "#[cfg(test)]\nmod tests {\n    use std::fs;\n}",
            &[],
        );
        check_lines(sans_io, "crates/sys/src/lib.rs", "use std::fs;", &[]);
    }

    #[test]
    fn the_reactor_knows_no_ftp() {
        let ioloop = "crates/ioloop/src/lib.rs";
        check_lines(
            reactor_knows_no_ftp,
            ioloop,
            "use ftpdlib_ioloop::IoLoop;",
            &[],
        );
        check_lines(reactor_knows_no_ftp, ioloop, "a();\n// as FTP wants", &[2]);
        check_lines(reactor_knows_no_ftp, ioloop, "struct FtpHandler;", &[1]);
        check_lines(
            reactor_knows_no_ftp,
            "crates/proto/src/lib.rs",
            "// FTP",
            &[],
        );
    }

    #[test]
    fn unsafe_stays_in_sys() {
        let handlers = "crates/handlers/src/pump.rs";
        check_lines(
            unsafe_in_sys_only,
            handlers,
            "let a = unsafe { b() };",
            &[1],
        );
        check_lines(
            unsafe_in_sys_only,
            handlers,
            "// unsafe\n#![forbid(unsafe_code)]",
            &[],
        );
        check_lines(
            unsafe_in_sys_only,
            "crates/sys/src/lib.rs",
            "unsafe { b() }",
            &[],
        );
        let root = "crates/handlers/src/lib.rs";
        check_lines(
            unsafe_is_forbidden,
            root,
            "//! Docs.\n#![forbid(unsafe_code)]\n",
            &[],
        );
        check_lines(unsafe_is_forbidden, root, "//! Docs.\n", &[1]);
        check_lines(unsafe_is_forbidden, handlers, "//! Docs.\n", &[]);
        check_lines(
            unsafe_is_forbidden,
            "crates/sys/src/lib.rs",
            "//! Docs.\n",
            &[],
        );
    }

    #[test]
    fn blocking_calls_stay_in_jobs() {
        let call = "let file = filesystem.open_read(&path, 0)?;";
        check_lines(
            blocking_calls_are_jobs,
            "crates/handlers/src/pump.rs",
            call,
            &[1],
        );
        check_lines(
            blocking_calls_are_jobs,
            "crates/servers/src/server.rs",
            call,
            &[1],
        );
        check_lines(
            blocking_calls_are_jobs,
            "crates/handlers/src/jobs.rs",
            call,
            &[],
        );
        check_lines(
            blocking_calls_are_jobs,
            "crates/handlers/src/jobs/file.rs",
            call,
            &[],
        );
        check_lines(
            blocking_calls_are_jobs,
            "crates/filesystems/src/jail.rs",
            call,
            &[],
        );
    }

    #[test]
    fn state_has_one_owner() {
        let path = "crates/handlers/src/a.rs";
        check_lines(
            no_shared_state,
            path,
            "a: Rc<RefCell<B>>,\nstatic mut C: u8 = 0;",
            &[1, 2],
        );
        check_lines(
            no_shared_state,
            path,
            "static C: u8 = 0; // not Rc<RefCell<_>>",
            &[],
        );
    }

    #[test]
    fn sockets_are_left_to_the_reactor() {
        let text = "use std::io::{self, Read};\nuse mio::net::TcpStream;\n";
        let check = sockets_belong_to_the_reactor;
        check_lines(check, "crates/handlers/src/a.rs", text, &[1]);
        check_lines(check, "crates/ioloop/src/a.rs", text, &[]);
        check_lines(check, "crates/handlers/src/a.rs", "use std::io::Read;", &[]);
    }

    #[test]
    fn examples_are_run_by_commands_that_find_them() {
        let path = "crates/ftpdlib/examples/a.rs";
        for (text, expected) in [
            ("//! `cargo run --example a`", &[1][..]),
            ("//! `cargo run -p ftpdlib --example a`", &[]),
            (
                "//! Run it:\n//! cargo run --release --example a -- b",
                &[2],
            ),
            ("//! cargo run", &[]),
        ] {
            check_lines(examples_name_their_package, path, text, expected);
        }
    }

    #[test]
    fn comments_are_as_narrow_as_code() {
        let path = "crates/proto/src/a.rs";
        let long = "word ".repeat(20);
        let check = |text: String, expected| {
            check_lines(comments_are_narrow, path, &text, expected);
        };
        check(format!("a();\n    // {long}"), &[2]);
        check(format!("//! {long}"), &[1]);
        check(format!("/// {}", "ä".repeat(96)), &[]);
        check(format!("/// | {long} |"), &[]);
        check(format!("/// See <https://example.org/{long}>"), &[]);
        check(format!("/// ```\n/// {long}\n/// ```\n/// {long}"), &[4]);
        check(format!("let a = b; // {long}"), &[]);
    }

    #[test]
    fn long_files_say_why() {
        let path = "crates/proto/src/a.rs";
        check_lines(size, path, &"\n".repeat(600), &[]);
        check_lines(size, path, &"\n".repeat(601), &[1]);
        check_lines(
            size,
            path,
            &format!("//! A.\n// Long because b.{}", "\n".repeat(700)),
            &[],
        );
        check_lines(
            size,
            path,
            &format!("// Long because b.{}", "\n".repeat(1001)),
            &[1000],
        );
    }
}
