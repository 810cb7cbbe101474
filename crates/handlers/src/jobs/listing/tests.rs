use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::Path;

use ftpdlib_authorizers::{Authorizer, DummyAuthorizer, LoginRequest, User};
use ftpdlib_ioloop::Pool;
use ftpdlib_proto::FactSet;

use super::*;
use crate::jobs::enter;
use crate::{FtpHandler, Limits, Service};

fn account(home: &Path) -> Arc<Account> {
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("user", "12345", home))
        .unwrap();
    enter_as_user(authorizer)
}

fn enter_as_user(authorizer: DummyAuthorizer) -> Arc<Account> {
    let local = (Ipv4Addr::LOCALHOST, 2).into();
    let request = LoginRequest::new("user", "12345", local, local);
    let login = authorizer.authenticate(&request).unwrap();
    let handler = FtpHandler::new(authorizer);
    let service = Service::new(handler, Arc::new(Limits::new(0, 0)), Pool::new()).unwrap();
    enter(&service, login).unwrap().0
}

/// Lists `path` in turns whose time is over whenever that is asked, and counts the turns.
fn turns(account: &Arc<Account>, path: &str, format: ListFormat) -> (usize, String) {
    let path = VirtualPath::new(path).unwrap();
    let encoding = NameEncoding::UTF_8;
    let mut listing = ListingStream::open(account, &path, Vec::new(), format, encoding).unwrap();
    let (mut turns, mut out) = (1, Vec::new());
    while listing.fill(128, &|| true, &mut out).unwrap() {
        turns += 1;
    }
    (turns, String::from_utf8(out).unwrap())
}

#[test]
fn a_hundred_entries_that_each_took_long_were_one_turn() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    for number in 0..10 {
        fs::write(home.path().join(format!("f{number}")), "").unwrap();
        symlink(format!("f{number}"), home.path().join(format!("l{number}"))).unwrap();
    }
    let facts = ListFormat::Facts(FactSet::default());
    // The format, what is listed, the lines, and the turns it takes at least.
    for (format, path, lines, least) in [
        (facts, "/", 20, 10),
        (ListFormat::Long, "/", 20, 10),
        (ListFormat::Names, "/", 20, 2),
        (ListFormat::Names, "/*5", 2, 20),
        (ListFormat::Names, "/x*", 0, 20),
    ] {
        let (turns, out) = turns(&account, path, format);
        assert_eq!(out.lines().count(), lines, "{format:?} {path}");
        assert!(turns >= least, "{format:?} {path}: {turns}");
    }
}

#[test]
fn entries_that_were_judged_one_by_one_were_one_turn() {
    let home = tempfile::tempdir().unwrap();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("user", "12345", home.path()))
        .unwrap();
    let guarded = home.path().join("guarded");
    fs::create_dir(&guarded).unwrap();
    authorizer
        .override_perm("user", &guarded, "", true)
        .unwrap();
    let account = enter_as_user(authorizer);
    for number in 0..20 {
        fs::write(home.path().join(format!("f{number}")), "").unwrap();
    }
    let (turns, out) = turns(&account, "/", ListFormat::Facts(FactSet::default()));
    assert_eq!(out.lines().count(), 21);
    assert!(turns > 20, "{turns}");
}

#[test]
fn names_that_a_pattern_left_out_were_not_counted() {
    let home = tempfile::tempdir().unwrap();
    let account = account(home.path());
    for number in 0..=SORTED_IN_PLACE {
        fs::write(home.path().join(number.to_string()), "").unwrap();
    }
    let path = VirtualPath::new("/x*").unwrap();
    let (format, encoding) = (ListFormat::Names, NameEncoding::UTF_8);
    let mut listing = ListingStream::open(&account, &path, Vec::new(), format, encoding).unwrap();
    assert!(!listing.is_long());
    let mut out = Vec::new();
    assert!(
        listing
            .fill(SORTED_IN_PLACE + 1, &|| false, &mut out)
            .unwrap()
    );
    assert!(listing.is_long());
    listing.sort(&|| false).unwrap();
    while listing.fill(128, &|| false, &mut out).unwrap() {}
    assert_eq!(out, b"");
}
