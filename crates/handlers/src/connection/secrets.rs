//! Keeping passwords out of the log.

use std::borrow::Cow;

use crate::CustomCommand;

/// What stands for a password.
const HIDDEN: &[u8] = b"******";

/// Words whose argument is a password, wherever in a line they stand: a client that is confused, or
/// sends several lines as one, does not put them first.
const WORDS: [&[u8]; 5] = [b"PASS", b"ACCT", b"PASSWD", b"PSWD", b"PASSWORD"];

/// `line` without any password.
pub(super) fn hide<'a>(line: &'a [u8], commands: &[CustomCommand]) -> Cow<'a, [u8]> {
    match secret_start(line).or_else(|| custom_start(line, commands)) {
        Some(start) => Cow::Owned([&line[..start], b" ", HIDDEN].concat()),
        None => Cow::Borrowed(line),
    }
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
    let secret = commands.iter().filter(|command| command.secret);
    secret
        .filter_map(|command| after_name(line, command.registered.name.as_bytes()))
        .next()
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
    use ftpdlib_proto::Reply;

    use super::*;

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
