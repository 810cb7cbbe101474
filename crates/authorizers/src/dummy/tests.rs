use std::net::SocketAddr;

use argon2::password_hash::PasswordHasher;
use argon2::{Argon2, Params};
use tempfile::TempDir;

use super::*;

/// Creates a home with a directory `incoming` and a file `file`.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("incoming")).unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    home
}

/// An argon2id hash that is quick to check.
fn hash(password: &str, passes: u32) -> String {
    Argon2::from(Params::new(64, passes, 1, None).unwrap())
        .hash_password_with_salt(password.as_bytes(), b"salt of tests")
        .unwrap()
        .to_string()
}

fn log_in(
    authorizer: &DummyAuthorizer,
    username: &str,
    password: &str,
) -> Result<Login, AuthenticationFailed> {
    let address = SocketAddr::from(([127, 0, 0, 1], 21));
    authorizer.authenticate(&LoginRequest::new(username, password, address, address))
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::new(text).unwrap()
}

#[test]
fn every_client_of_a_user_named_anonymous_was_refused() {
    let home = home();
    let authorizer = DummyAuthorizer::new();
    for user in [
        User::new("anonymous", "sesame", home.path()),
        User::with_password_hash("anonymous", hash("", 1), home.path()),
    ] {
        let error = authorizer.add_user(user).unwrap_err();
        assert!(matches!(error, AuthorizerError::AnonymousPassword));
    }
    authorizer
        .add_user(User::new("anonymous", "", home.path()))
        .unwrap();
    for password in ["", "mozilla@example.com"] {
        log_in(&authorizer, "anonymous", password).unwrap();
    }
}

#[test]
fn passwords_let_in() {
    let home = home();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("plain", "sesame", home.path()))
        .unwrap();
    authorizer
        .add_user(User::new("empty", "", home.path()))
        .unwrap();
    authorizer
        .add_user(User::with_password_hash(
            "hashed",
            hash("sesame", 1),
            home.path(),
        ))
        .unwrap();
    authorizer
        .add_user(User::with_password_hash(
            "dear",
            hash("sesame", 2),
            home.path(),
        ))
        .unwrap();
    authorizer.add_anonymous(home.path()).unwrap();

    let cases = [
        ("plain", "sesame", true),
        ("plain", "Sesame", false),
        ("plain", "sesame2", false),
        ("plain", "sesam", false),
        ("plain", "", false),
        ("Plain", "sesame", false),
        ("empty", "", true),
        ("empty", "x", false),
        ("hashed", "sesame", true),
        ("hashed", "sesam", false),
        ("hashed", "", false),
        ("hashed", &hash("sesame", 1), false),
        ("dear", "sesame", true),
        ("dear", "sesamo", false),
        ("anonymous", "", true),
        ("anonymous", "mozilla@example.com", true),
        ("Anonymous", "", false),
        ("ftp", "", false),
        ("nobody", "", false),
        ("", "", false),
    ];
    for (username, password, expected) in cases {
        let got = log_in(&authorizer, username, password);
        assert_eq!(got.is_ok(), expected, "{username} {password}");
        if let Ok(login) = got {
            assert_eq!(login.username, username);
            assert_eq!(login.home, home.path().canonicalize().unwrap());
        }
    }
}

#[test]
fn a_login_holds_the_users_settings() {
    let home = home();
    let authorizer = DummyAuthorizer::new();
    let user = User::new("alice", "sesame", home.path())
        .msg_login("Hello.")
        .msg_quit("Bye.")
        .read_limit(1000)
        .write_limit(2000)
        .encoding(ftpdlib_proto::NameEncoding::UTF_8);
    authorizer.add_user(user).unwrap();
    authorizer
        .add_user(User::new("bob", "sesame", home.path()))
        .unwrap();

    let alice = log_in(&authorizer, "alice", "sesame").unwrap();
    assert_eq!((&*alice.msg_login, &*alice.msg_quit), ("Hello.", "Bye."));
    assert_eq!(
        (alice.read_limit, alice.write_limit),
        (Some(1000), Some(2000))
    );
    assert!(alice.encoding.is_some());

    let bob = log_in(&authorizer, "bob", "sesame").unwrap();
    assert_eq!(
        (&*bob.msg_login, &*bob.msg_quit),
        ("Login successful.", "Goodbye.")
    );
    assert_eq!((bob.read_limit, bob.write_limit), (None, None));
    assert!(bob.encoding.is_none());

    assert_eq!(authorizer.msg_login("alice").unwrap(), "Hello.");
    assert_eq!(authorizer.msg_quit("alice").unwrap(), "Bye.");
    assert_eq!(authorizer.user_perms("alice").unwrap(), Perms::READ_ONLY);
}

#[test]
fn unusable_users_are_refused() {
    #[track_caller]
    fn check(user: User, expected: &str) {
        let authorizer = DummyAuthorizer::new();
        authorizer.add_anonymous(std::env::temp_dir()).unwrap();
        let error = authorizer.add_user(user).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}, expected {expected}");
    }
    let home = home();
    let home = home.path();
    check(User::anonymous(home), "user \"anonymous\" already exists");
    check(User::new("", "x", home), "user name is empty");
    check(
        User::new("a", "x", home.join("none")),
        "no such directory: ",
    );
    check(User::new("a", "x", home.join("file")), "not a directory: ");
    check(
        User::new("a", "x", home.join("file/x")),
        "cannot use directory ",
    );
    check(
        User::new("a", "x", home).perm("elx"),
        "no such permission 'x'",
    );
    check(
        User::new("a", hash("x", 1), home),
        "password is an argon2 hash",
    );
    check(
        User::with_password_hash("a", "secret", home),
        "unusable password hash: not a PHC string",
    );
}

#[test]
fn unusable_overrides_are_refused() {
    let home = home();
    let outside = tempfile::tempdir().unwrap();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("a", "x", home.path()))
        .unwrap();
    let check = |username: &str, directory: &Path, perm: &str, expected: &str| {
        let error = authorizer
            .override_perm(username, directory, perm, true)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}, expected {expected}");
    };
    let incoming = home.path().join("incoming");
    check("b", &incoming, "elr", "no such user: \"b\"");
    check("a", &incoming, "e l", "no such permission ' '");
    check("a", &home.path().join("none"), "e", "no such directory: ");
    check("a", &home.path().join("file"), "e", "not a directory: ");
    check(
        "a",
        home.path(),
        "e",
        "can't override home directory permissions",
    );
    check(
        "a",
        &incoming.join(".."),
        "e",
        "can't override home directory permissions",
    );
    check(
        "a",
        outside.path(),
        "e",
        "path escapes user home directory: ",
    );
    check(
        "a",
        &incoming.join("../.."),
        "e",
        "path escapes user home directory: ",
    );
}

#[test]
fn overrides_are_seen_by_has_perm() {
    let home = home();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("a", "x", home.path()))
        .unwrap();
    let login = log_in(&authorizer, "a", "x").unwrap();
    assert!(!authorizer.has_overrides(&login));
    assert!(!authorizer.has_perm(&login, Perm::Store, &path("/incoming/f")));

    authorizer
        .override_perm("a", home.path().join("incoming"), "w", true)
        .unwrap();
    assert!(authorizer.has_overrides(&login));
    assert!(authorizer.has_perm(&login, Perm::Store, &path("/incoming/f")));
    assert!(!authorizer.has_perm(&login, Perm::List, &path("/incoming")));
    assert!(authorizer.has_perm(&login, Perm::List, &path("/")));
    assert_eq!(
        authorizer.perms(&login, &path("/incoming/d/f")).to_string(),
        "w"
    );
}

#[test]
fn renaming_a_directory_above_does_not_shed_an_override() {
    let home = home();
    let archive = home.path().join("incoming/archive");
    std::fs::create_dir(&archive).unwrap();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("a", "x", home.path()).perm("elradfmwMT"))
        .unwrap();
    authorizer
        .override_perm("a", &archive, "elr", true)
        .unwrap();
    let login = log_in(&authorizer, "a", "x").unwrap();

    let cases = [
        ("/incoming", "elrmT"),
        ("/incoming/archive", "elr"),
        ("/incoming/archive/d", "elr"),
        ("/incoming/other", "elradfmwMT"),
        ("/incoming2", "elradfmwMT"),
        ("/", "elradfmwT"),
    ];
    for (at, expected) in cases {
        let got = authorizer.perms(&login, &path(at)).to_string();
        assert_eq!(got, expected, "{at}");
    }
}

#[test]
fn a_directory_was_renamed_away_from_its_override() {
    let home = home();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("a", "x", home.path()).perm("elf"))
        .unwrap();
    let incoming = home.path().join("incoming");
    authorizer
        .override_perm("a", incoming, "elradfmwMT", true)
        .unwrap();
    let login = log_in(&authorizer, "a", "x").unwrap();
    // The directory can neither be renamed nor be replaced by a rename.
    let may_rename = |at: &str| authorizer.has_perm(&login, Perm::Rename, &path(at));
    assert!(!may_rename("/incoming"));
    assert!(may_rename("/incoming/f") && may_rename("/other"));
}

#[test]
fn an_overridden_directory_could_be_removed_and_a_link_take_its_place() {
    let home = home();
    let archive = home.path().join("incoming/archive");
    std::fs::create_dir(&archive).unwrap();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("a", "x", home.path()).perm("eld"))
        .unwrap();
    authorizer
        .override_perm("a", archive, "elradfmwMT", true)
        .unwrap();
    let login = log_in(&authorizer, "a", "x").unwrap();
    let may_remove = |at: &str| authorizer.has_perm(&login, Perm::Delete, &path(at));
    assert!(!may_remove("/incoming/archive") && !may_remove("/incoming"));
    assert!(may_remove("/incoming/archive/f") && may_remove("/incoming/f") && may_remove("/other"));
}

#[test]
fn a_home_without_rights_hid_an_overridden_directory_from_the_next_start() {
    let home = home();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("a", "x", home.path()).perm("elradfmwMT"))
        .unwrap();
    let login = log_in(&authorizer, "a", "x").unwrap();
    let may_change = |at: &str| authorizer.has_perm(&login, Perm::ChangeMode, &path(at));
    assert!(may_change("/"));
    let incoming = home.path().join("incoming");
    authorizer
        .override_perm("a", incoming, "elradfmwMT", true)
        .unwrap();
    assert!(!may_change("/"));
    assert!(may_change("/incoming") && may_change("/incoming/f") && may_change("/other"));
}

#[cfg(unix)]
#[test]
fn an_override_through_a_link_holds_for_the_links_target() {
    let home = home();
    let link = home.path().join("link");
    std::os::unix::fs::symlink("incoming", &link).unwrap();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("a", "x", home.path()))
        .unwrap();
    authorizer.override_perm("a", &link, "lw", true).unwrap();
    let login = log_in(&authorizer, "a", "x").unwrap();
    for (at, expected) in [("/incoming", "l"), ("/incoming/f", "lw")] {
        let got = authorizer.perms(&login, &path(at)).to_string();
        assert_eq!(got, expected, "{at}");
    }
}

#[cfg(unix)]
#[test]
fn a_user_removed_the_link_that_named_a_directory_and_shed_the_override() {
    use std::os::unix::fs::symlink;

    let (home, outside) = (home(), home());
    for directory in ["links/more", "links/detour"] {
        std::fs::create_dir_all(home.path().join(directory)).unwrap();
    }
    for (target, link) in [
        ("more/up/", "links/first"),
        ("../../last", "links/more/up"),
        ("links/detour/../../incoming", "last"),
        ("incoming", "unused"),
        ("links", "incoming/back"),
    ] {
        symlink(target, home.path().join(link)).unwrap();
    }
    symlink(home.path(), outside.path().join("in")).unwrap();
    for way in [
        "links/first",
        "links//./first/",
        "links/first/../links/first/.",
    ] {
        let authorizer = DummyAuthorizer::new();
        let user = User::new("a", "x", home.path());
        authorizer.add_user(user.perm("elradfmwMT")).unwrap();
        let directory = outside.path().join("in").join(way);
        authorizer
            .override_perm("a", directory, "elr", true)
            .unwrap();
        let login = log_in(&authorizer, "a", "x").unwrap();
        for (at, expected) in [
            ("/", "elradfmwT"),
            ("/incoming", "elr"),
            ("/incoming/f", "elr"),
            ("/links", "elrmT"),
            ("/links/first", "elrmT"),
            ("/links/first/f", "elradfmwMT"),
            ("/links/more", "elrmT"),
            ("/links/more/up", "elrmT"),
            ("/links/detour", "elrmT"),
            ("/last", "elrmT"),
            ("/unused", "elradfmwMT"),
            ("/in", "elradfmwMT"),
        ] {
            let got = authorizer.perms(&login, &path(at)).to_string();
            assert_eq!(got, expected, "{at} by {way}");
        }
        assert_eq!(authorizer.perms_anywhere(&login), Perms::ALL);
        assert!(authorizer.has_overrides(&login));
    }
}

#[test]
fn something_else_could_take_the_place_of_an_overridden_directory_that_was_gone() {
    let home = home();
    let archive = home.path().join("incoming/archive");
    std::fs::create_dir(&archive).unwrap();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("a", "x", home.path()).perm("elamw"))
        .unwrap();
    authorizer
        .override_perm("a", archive, "elamw", true)
        .unwrap();
    let login = log_in(&authorizer, "a", "x").unwrap();
    for (at, expected) in [
        ("/incoming", "elm"),
        ("/incoming/archive", "elm"),
        ("/incoming/archive/f", "elamw"),
        ("/incoming/f", "elamw"),
        ("/other", "elamw"),
    ] {
        let got = authorizer.perms(&login, &path(at)).to_string();
        assert_eq!(got, expected, "{at}");
    }
}

#[test]
fn a_removed_user_may_do_nothing() {
    let home = home();
    let authorizer = DummyAuthorizer::new();
    authorizer.add_anonymous(home.path()).unwrap();
    let login = log_in(&authorizer, "anonymous", "").unwrap();
    authorizer.remove_user("anonymous").unwrap();

    assert!(!authorizer.has_user("anonymous"));
    assert!(log_in(&authorizer, "anonymous", "").is_err());
    assert_eq!(authorizer.perms(&login, &VirtualPath::root()), Perms::NONE);
    assert!(matches!(
        authorizer.remove_user("anonymous"),
        Err(AuthorizerError::NoSuchUser(_))
    ));
}

#[test]
fn a_session_was_given_the_permissions_of_a_new_user_in_the_old_users_home() {
    let (shared, own) = (home(), home());
    let authorizer = DummyAuthorizer::new();
    let add = |home: &TempDir, perm: &str| {
        let user = User::new("bob", "x", home.path()).perm(perm);
        authorizer.add_user(user).unwrap();
    };
    let in_own_home = |login: &Login| authorizer.perms(login, &VirtualPath::root()).to_string();
    add(&shared, "elr");
    let mut login = log_in(&authorizer, "bob", "x").unwrap();
    // A wrapper of the authorizer may give the session another home.
    login.home = "/elsewhere".into();
    authorizer.remove_user("bob").unwrap();
    add(&own, "elradfmw");
    let incoming = own.path().join("incoming");
    authorizer
        .override_perm("bob", incoming, "elr", true)
        .unwrap();
    assert_eq!(in_own_home(&login), "");
    assert_eq!(authorizer.perms_anywhere(&login), Perms::NONE);
    assert!(!authorizer.has_overrides(&login));
    let made_elsewhere = Login::new("bob", shared.path());
    let by_another = DummyAuthorizer::new();
    by_another
        .add_user(User::new("bob", "x", shared.path()))
        .unwrap();
    let by_another = log_in(&by_another, "bob", "x").unwrap();
    for login in [
        log_in(&authorizer, "bob", "x").unwrap(),
        made_elsewhere,
        by_another,
    ] {
        assert_eq!(in_own_home(&login), "elradfmw");
    }
    // A user who is merely changed, which takes two calls.
    authorizer.remove_user("bob").unwrap();
    add(&shared, "el");
    assert_eq!(in_own_home(&login), "el");
}

#[test]
fn a_wrapper_got_no_permissions_of_another_user_with_another_home() {
    let (own, others) = (home(), home());
    let authorizer = DummyAuthorizer::new();
    let add = |name: &str, home: &TempDir, perm: &str| {
        let user = User::new(name, "x", home.path()).perm(perm);
        authorizer.add_user(user).unwrap();
    };
    add("bob", &own, "elr");
    add("role", &others, "elw");
    let mut login = log_in(&authorizer, "bob", "x").unwrap();
    login.username = "role".into();
    let perms = |login: &Login| authorizer.perms(login, &VirtualPath::root()).to_string();
    assert_eq!(perms(&login), "elw");
    login.username = "bob".into();
    assert_eq!(perms(&login), "elr");
    authorizer.remove_user("bob").unwrap();
    add("bob", &others, "elr");
    assert_eq!(perms(&login), "");
}

#[test]
fn one_hash_makes_every_login_wait() {
    let home = home();
    let authorizer = DummyAuthorizer::new();
    authorizer
        .add_user(User::new("plain", "x", home.path()))
        .unwrap();
    assert!(authorizer.is_immediate("plain"));
    for name in ["one", "two"] {
        authorizer
            .add_user(User::with_password_hash(name, hash("x", 1), home.path()))
            .unwrap();
    }
    for remaining in ["one", "two"] {
        assert!(!authorizer.is_immediate("plain"));
        assert!(!authorizer.is_immediate("unknown"));
        authorizer.remove_user(remaining).unwrap();
    }
    assert!(authorizer.is_immediate("plain"));
}

#[test]
fn debug_hides_passwords() {
    let user = User::new("alice", "sesame", "/");
    assert!(!format!("{user:?}").contains("sesame"));
    let authorizer = DummyAuthorizer::new();
    authorizer.add_user(user).unwrap();
    let shown = format!("{authorizer:?}");
    assert!(
        shown.contains("alice") && !shown.contains("sesame"),
        "{shown}"
    );
}
