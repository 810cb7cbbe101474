//! Hiding passwords from the log and from observers.

use std::borrow::Cow;

use ftpdlib_proto::{ArgumentRule, CommandLine};
use ftpdlib_session::RegisteredCommand;

use crate::{CustomCommand, Service};

/// Shown in place of a password.
const HIDDEN: &[u8] = b"******";

/// Words whose argument is a password, anywhere in a line: a confused client, or one that sends
/// several lines as one, does not put them first.
const WORDS: [&[u8]; 5] = [b"PASS", b"ACCT", b"PASSWD", b"PSWD", b"PASSWORD"];

/// `line` without any password.
pub(super) fn hide<'a>(line: &'a [u8], service: &Service) -> Cow<'a, [u8]> {
    match custom_start(line, service).or_else(|| secret_start(line)) {
        Some(start) => Cow::Owned([&line[..start], b" ", HIDDEN].concat()),
        None => Cow::Borrowed(line),
    }
}

/// The part of `line` that observers may see: everything before a password.
///
/// For a command on files that is all of it, whatever they are called: an observer that forbids
/// some files has to see which.
pub(super) fn cut<'a>(line: &'a [u8], service: &Service) -> &'a [u8] {
    let start = match custom_start(line, service) {
        None if names_files(line, service) => None,
        None => secret_start(line),
        start => start,
    };
    &line[..start.unwrap_or(line.len())]
}

/// A reply in which a password is hidden if it repeats a line that holds one.
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

/// Where a secret may begin: after one of [`WORDS`], or right after `PASS` at the beginning of the
/// line, even within a word.
fn secret_start(line: &[u8]) -> Option<usize> {
    let first = line
        .iter()
        .position(u8::is_ascii_graphic)
        .unwrap_or_default();
    let word = line.get(first..first + 4);
    if word.is_some_and(|word| word.eq_ignore_ascii_case(b"PASS")) {
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

/// Where the secret of a custom command that declares one begins.
fn custom_start(line: &[u8], service: &Service) -> Option<usize> {
    let (command, start) = called(line, service)?;
    command.secret.then_some(start)
}

/// Whether a line calls a command on files, which all have a permission.
fn names_files(line: &[u8], service: &Service) -> bool {
    match (called(line, service), CommandLine::split(line).resolve()) {
        (Some((command, _)), _) => command.registered.perm.is_some(),
        (None, Ok((verb, _))) => {
            let info = verb.info();
            info.perm.is_some() && info.argument != ArgumentRule::Refused
        }
        (None, Err(_)) => false,
    }
}

/// The command that the line calls, found as the session does, and where its argument begins.
fn called<'s>(line: &[u8], service: &'s Service) -> Option<(&'s CustomCommand, usize)> {
    // A verb behind blanks calls no command, but was meant to.
    let split = CommandLine::split(line.trim_ascii_start());
    let (index, argument) = RegisteredCommand::find(&service.session.commands, &split)?;
    let before = &line[..line.len() - argument.len()];
    Some((&service.commands[index], before.trim_ascii_end().len()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use ftpdlib_authorizers::DummyAuthorizer;
    use ftpdlib_proto::{Perm, Reply};
    use ftpdlib_session::{Action, ControlEvent, Effect, Session};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{local, peer, service};
    use crate::{CommandContext, FtpHandler};

    /// What the connections of a server with these commands share.
    fn with(own: impl IntoIterator<Item = CustomCommand>) -> Arc<Service> {
        let handler = FtpHandler::new(DummyAuthorizer::new());
        service(own.into_iter().fold(handler, FtpHandler::command))
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let lock = CustomCommand::new("SITE LOCK", |_| Reply::new(200, "Done.")).secret(true);
        let hidden = hide(line.as_bytes(), &with([lock])).into_owned();
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
        check(" site  lock  secret", " site  lock ******");
        check("SITE LOCK ", "SITE LOCK ******");
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
        let service = with(own);
        let seen = cut(line.as_bytes(), &service);
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

    /// The command that a session runs for `line`, by its place, and the argument it is given.
    fn runs(line: &[u8], service: &Service) -> Option<(usize, Vec<u8>)> {
        let now = Instant::now();
        let config = Arc::clone(&service.session);
        let mut session = Session::<()>::new(config, peer(), local(), now);
        session.handle_control(ControlEvent::Line(line), now);
        let job = std::iter::from_fn(|| session.poll_effect()).find_map(|effect| match effect {
            Effect::Job(job) => Some(job),
            _ => None,
        });
        let Action::Registered {
            index, argument, ..
        } = job?.action
        else {
            return None;
        };
        Some((index, argument.0))
    }

    #[test]
    fn what_runs_with_a_secret_is_hidden() {
        let names = ["SITE LOCK", "LOCK", "MKD", "SITE RMDIR", "RMD", "XCWD"];
        let service = with(names.map(|name| {
            CustomCommand::new(name, |_| Reply::new(200, "Done."))
                .login_required(false)
                .secret(true)
        }));
        let verbs = "(?i:LOCK|X?MKD|MKDIR|X?RMD|RMDIR|X?CWD)";
        let line = format!("((?i:SITE)[ \t]{{0,2}})?{verbs}[ \t]{{0,2}}[a-z]{{0,3}}[ \t]?");
        proptest!(|(line in line.as_str())| {
            let line = line.as_bytes();
            let start = called(line, &service).map(|(_, start)| start);
            let (shown, argument) = line.split_at(start.unwrap_or(line.len()));
            match runs(line, &service) {
                Some((index, given)) => {
                    let (command, _) = called(line, &service).expect("it runs");
                    prop_assert_eq!(&command.registered.name, names[index]);
                    prop_assert_eq!(argument.strip_prefix(b" ").unwrap_or_default(), given);
                    prop_assert_eq!(cut(line, &service), shown);
                }
                None => prop_assert_eq!(start, None),
            }
        });
    }
}
