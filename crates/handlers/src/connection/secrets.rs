//! Keeping passwords out of the log, and from observers.

use std::borrow::Cow;

use ftpdlib_proto::{ArgumentRule, CommandLine};

use crate::CustomCommand;

/// What stands for a password.
const HIDDEN: &[u8] = b"******";

/// Words whose argument is a password, wherever in a line they stand: a client that is confused, or
/// sends several lines as one, does not put them first.
const WORDS: [&[u8]; 5] = [b"PASS", b"ACCT", b"PASSWD", b"PSWD", b"PASSWORD"];

/// `line` without any password.
pub(super) fn hide<'a>(line: &'a [u8], commands: &[CustomCommand]) -> Cow<'a, [u8]> {
    match custom_start(line, commands).or_else(|| secret_start(line)) {
        Some(start) => Cow::Owned([&line[..start], b" ", HIDDEN].concat()),
        None => Cow::Borrowed(line),
    }
}

/// What observers may see of `line`: all that is before a password.
///
/// Of a command on files that is all, whatever they are called: who forbids some of them has to see
/// which they are.
pub(super) fn cut<'a>(line: &'a [u8], commands: &[CustomCommand]) -> &'a [u8] {
    let start = match custom_start(line, commands) {
        None if names_files(line, commands) => None,
        None => secret_start(line),
        start => start,
    };
    &line[..start.unwrap_or(line.len())]
}

/// A reply without what it repeats of a line that holds a password.
pub(super) fn hide_repeated(reply: &[u8]) -> Cow<'_, [u8]> {
    let repeats = reply.starts_with(b"500 Command \"");
    match reply.iter().position(|&byte| byte == b'"') {
        Some(quote) if repeats => match secret_start(&reply[quote + 1..]) {
            Some(start) => Cow::Owned([&reply[..quote + 1 + start], b" ", HIDDEN].concat()),
            None => Cow::Borrowed(reply),
        },
        Some(_) | None => Cow::Borrowed(reply),
    }
}

/// Where a secret may begin: after such a word, or right in it if it is the first of the line.
fn secret_start(line: &[u8]) -> Option<usize> {
    let first = line
        .iter()
        .position(u8::is_ascii_graphic)
        .unwrap_or_default();
    if starts_with(&line[first..], b"PASS") {
        return Some(first + 4);
    }
    let mut start = 0;
    while start < line.len() {
        if line[start].is_ascii_alphanumeric() {
            let rest = &line[start..];
            let length = rest.iter().position(|byte| !byte.is_ascii_alphanumeric());
            let word = &rest[..length.unwrap_or(rest.len())];
            if WORDS.iter().any(|known| word.eq_ignore_ascii_case(known)) {
                return Some(start + word.len());
            }
            start += word.len();
        } else {
            start += 1;
        }
    }
    None
}

/// The same for the commands that say so of themselves.
fn custom_start(line: &[u8], commands: &[CustomCommand]) -> Option<usize> {
    let (command, start) = called(line, commands)?;
    command.secret.then_some(start)
}

/// Whether a line calls a command on files. Those have a permission.
fn names_files(line: &[u8], commands: &[CustomCommand]) -> bool {
    match (called(line, commands), CommandLine::split(line).resolve()) {
        (Some((command, _)), _) => command.registered.perm.is_some(),
        (None, Ok((verb, _))) => {
            let info = verb.info();
            info.perm.is_some() && info.argument != ArgumentRule::Refused
        }
        (None, Err(_)) => false,
    }
}

/// The command that the line calls, and where its argument begins: one of that name, or else one
/// that stands for it under its other name.
fn called<'c>(line: &[u8], commands: &'c [CustomCommand]) -> Option<(&'c CustomCommand, usize)> {
    let mut named = commands.iter().filter_map(|command| {
        let start = after_name(line, command.registered.name.as_bytes())?;
        Some((command, start))
    });
    named.next().or_else(|| {
        let split = CommandLine::split(line.trim_ascii_start());
        let (verb, argument) = split.resolve().ok()?;
        let name = verb.primary().info().name;
        let mut same = commands.iter();
        let command = same.find(|command| command.registered.name == name)?;
        let before = &line[..line.len() - argument.len()];
        Some((command, before.trim_ascii_end().len()))
    })
}

/// Where the argument begins if the line calls this command.
fn after_name(line: &[u8], name: &[u8]) -> Option<usize> {
    let mut rest = line;
    for part in name.split(|&byte| byte == b' ') {
        // `SITE  X` with more than one blank is the same command.
        rest = rest.trim_ascii_start();
        if !starts_with(rest, part) {
            return None;
        }
        rest = &rest[part.len()..];
    }
    (rest.is_empty() || rest.starts_with(b" ")).then(|| line.len() - rest.len())
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use ftpdlib_proto::{Perm, Reply};

    use super::*;
    use crate::CommandContext;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let own = [CustomCommand::new("SITE LOCK", |_| Reply::new(200, "Done.")).secret(true)];
        let hidden = hide(line.as_bytes(), &own);
        assert_eq!(String::from_utf8_lossy(&hidden), expected, "{line:?}");
    }

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        check("PASS secret", "PASS ******");
        check("PASS  secret ", "PASS ******");
        check(" PASS secret", " PASS ******");
        check("\tpass secret", "\tpass ******");
        check("pass secret", "pass ******");
        check("PaSsecret", "PaSs ******");
        check("PASS\tsecret", "PASS ******");
        check("PASS", "PASS ******");
        check("USER a\rPASS secret", "USER a\rPASS ******");
        check("USER a\nPASS secret", "USER a\nPASS ******");
        check("NOOP PASS secret", "NOOP PASS ******");
        check("\u{fffd}PASS secret", "\u{fffd}PASS ******");
        check("ACCT secret", "ACCT ******");
        check("SITE PSWD old new", "SITE PSWD ******");
        check("site passwd old new", "site passwd ******");
        check("SITE LOCK secret", "SITE LOCK ******");
        check("site lock secret", "site lock ******");
        check("SITE LOCK my pass phrase", "SITE LOCK ******");
    }

    #[track_caller]
    fn check_cut(line: &str, expected: &str) {
        let reply = |_: &mut CommandContext<'_>| Reply::new(200, "Done.");
        let own = [
            CustomCommand::new("SITE LOCK", reply).secret(true),
            CustomCommand::new("SITE SCAN", reply).perm(Perm::List),
            CustomCommand::new("DELE", reply).secret(true),
            CustomCommand::new("MKD", reply).secret(true),
            CustomCommand::new("RMD", reply).secret(true),
            CustomCommand::new("XRMD", reply).perm(Perm::Delete),
        ];
        let seen = cut(line.as_bytes(), &own);
        assert_eq!(String::from_utf8_lossy(seen), expected, "{line:?}");
    }

    #[test]
    fn observers_were_shown_passwords_that_the_log_hid() {
        check_cut("PASS secret", "PASS");
        check_cut("PASSsecret", "PASS");
        check_cut("PASS\tsecret", "PASS");
        check_cut(" PASS secret", " PASS");
        check_cut("NOOP PASS secret", "NOOP PASS");
        check_cut("USER a\rPASS secret", "USER a\rPASS");
        check_cut("ACCT secret", "ACCT");
        check_cut("SITE PSWD old new", "SITE PSWD");
        check_cut("site  lock secret", "site  lock");
        check_cut("DELE secret", "DELE");
        check_cut("XMKD secret", "XMKD");
        check_cut("site  mkdir  secret", "site  mkdir");
    }

    #[test]
    fn observers_see_which_files_commands_are_for() {
        for line in [
            "RETR my password.txt",
            "SITE CHMOD 644 my password.txt",
            "SITE SCAN my password.txt",
            "XRMD my password.txt",
            "NOOP",
            "",
        ] {
            check_cut(line, line);
        }
    }

    #[test]
    fn names_are_not_passwords() {
        for line in ["RETR compass.txt", "CWD passports", "SITE CHMOD 644 a", ""] {
            check(line, line);
        }
    }

    #[test]
    fn replies_repeat_no_password() {
        let hidden = hide_repeated(b"500 Command \"PASS\\TSECRET\" not understood.");
        assert_eq!(&*hidden, b"500 Command \"PASS ******");
        let plain = b"331 Username ok, send password.";
        assert_eq!(&*hide_repeated(plain), plain);
    }
}
