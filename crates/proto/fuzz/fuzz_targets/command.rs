//! Whatever the line, there is a command or one reply of one line. The line is also taken as the
//! argument of every verb.
#![no_main]

use ftpdlib_proto::{Command, CommandError, CommandLine, NameEncoding, Verb, verbs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match CommandLine::split(line).resolve() {
        Ok((verb, argument)) => check(verb, argument),
        Err(error) => check_reply(&error),
    }
    for info in verbs() {
        check(info.verb, line);
    }
});

fn check(verb: Verb, argument: &[u8]) {
    if let Err(error) = Command::parse(verb, argument, NameEncoding::UTF_8) {
        check_reply(&error);
    }
}

fn check_reply(error: &CommandError) {
    let mut wire = Vec::new();
    error.reply().encode(NameEncoding::UTF_8, &mut wire);
    let text = wire.strip_suffix(b"\r\n").expect("a reply ends with CRLF");
    assert!(text.starts_with(b"5") && !text.contains(&b'\n') && text.is_ascii());
}
