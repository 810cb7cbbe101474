//! Answers to jobs.

use ftpdlib_proto::{FileKind, Metadata, Perms, Reply, VirtualPath};
use ftpdlib_session::{Action, Answer, LoginFacts, Refusal};

use super::Asked;
use super::ledger::{Ledger, Payload};
use super::tape::Tape;

/// The right kind of answer.
pub(crate) fn right(asked: &Asked, ledger: &mut Ledger) -> Answer<Payload> {
    match asked {
        Asked::LogIn(username) => login(username),
        Asked::Job(job) => of_action(&job.action, ledger),
    }
}

/// The right kind of answer to a job.
pub(crate) fn of_action(action: &Action, ledger: &mut Ledger) -> Answer<Payload> {
    match action {
        Action::Stat(_) => Answer::Metadata(metadata(FileKind::File)),
        Action::AvailableSpace(_) => Answer::Space(5),
        Action::Digest { .. } => digest(),
        Action::Combine { parts, .. } => combined(parts.len()),
        Action::FactLine { .. } => Answer::Text(b"type=file; /a".to_vec()),
        Action::Registered { argument, .. } => Answer::Reply(own_reply(&argument.0)),
        Action::OpenRead { path, .. }
        | Action::OpenWrite { path, .. }
        | Action::OpenList { path, .. } => Answer::Opened {
            payload: ledger.payload(),
            size: Some(5),
            path: path.clone(),
        },
        _ => Answer::Done,
    }
}

/// Any answer, right or not.
pub(crate) fn any(tape: &mut Tape<'_>, ledger: &mut Ledger) -> Answer<Payload> {
    match tape.choose(9) {
        0 => Answer::Done,
        1 => login("mallory"),
        2 => Answer::Metadata(metadata(FileKind::Directory)),
        3 => Answer::Text(b"250 text\r\n".to_vec()),
        4 => Answer::Space(5),
        5 => digest(),
        6 => Answer::PasswordNeeded,
        7 => combined(9),
        _ => Answer::Opened {
            payload: ledger.payload(),
            size: None,
            path: VirtualPath::root(),
        },
    }
}

pub(crate) fn refusal() -> Refusal {
    Refusal::new(550, "No.")
}

/// The reply of the server's owner: a 421, which ends the session, if asked to.
pub(crate) fn own_reply(asked: &[u8]) -> Reply {
    match asked {
        b"421" => Reply::new(421, "That was all."),
        _ => Reply::new(550, "Not that."),
    }
}

fn combined(parts: usize) -> Answer<Payload> {
    Answer::Combined {
        removed: (0..parts).collect(),
        refusal: None,
    }
}

fn digest() -> Answer<Payload> {
    Answer::Digest {
        digest: vec![0xab, 0xcd],
        range: 0..5,
    }
}

fn login(username: &str) -> Answer<Payload> {
    Answer::Login(LoginFacts {
        username: username.to_owned(),
        msg_login: "Login successful.".to_owned(),
        msg_quit: "Bye.\nCome again.".to_owned(),
        start_dir: VirtualPath::root(),
        encoding: None,
        perms: Perms::ALL,
    })
}

fn metadata(kind: FileKind) -> Metadata {
    Metadata {
        kind,
        size: 5,
        modified: 0,
        mode: 0o644,
        links: 1,
        uid: 0,
        gid: 0,
        device: 0,
        inode: 0,
        unwritten: false,
    }
}
