mod costs;
mod shells;

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::{fs, io};

use ftpdlib_sys::{ShadowEntry, can_act_as_others};

use super::*;
use crate::password::Given;

/// Names that every system has, and one that none has.
const ROOT: &str = "root";
const NOBODY: &str = "nobody";
const STRANGER: &str = "nosuchuser-x";

fn given(password: &str) -> Given<'_> {
    Given {
        password,
        client: None,
    }
}

fn settings_for_all() -> GlobalSettings {
    GlobalSettings {
        allowed_users: Default::default(),
        rejected_users: Default::default(),
        rejects_root: false,
        require_valid_shell: false,
        anonymous_user: None,
        msg_login: "Hello.".into(),
        msg_quit: "Bye.".into(),
        rights: Rights::new(Perms::ALL),
        anonymous_rights: Rights::new(Perms::READ_ONLY),
    }
}

/// An authorizer with these settings, even without root's privileges; `None` if the system has no
/// library for passwords.
fn authorizer(global: GlobalSettings) -> Option<UnixAuthorizer> {
    match HashChecker::new([]) {
        Ok(hashes) => Some(UnixAuthorizer::checked(global, hashes)),
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            None
        }
    }
}

/// Makes the login of a user of the system.
fn login_of(authorizer: &UnixAuthorizer, name: &str) -> Login {
    let user = SystemUser::known(name).unwrap();
    authorizer.login(name, &user, None).unwrap()
}

/// Whether this process may become the user [`NOBODY`]: in a user namespace, root may not if the
/// user's id is not mapped.
fn can_act_as_nobody() -> bool {
    can_act_as_others() && SystemUser::known(NOBODY).unwrap().run_as(|| Ok(())).is_ok()
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::new(text).unwrap()
}

#[track_caller]
fn check_refused(builder: UnixAuthorizerBuilder, expected: &str) {
    assert_eq!(builder.build().unwrap_err().to_string(), expected);
}

#[test]
fn settings_that_contradict_are_refused() {
    let builder = UnixAuthorizer::builder;
    check_refused(
        builder().allowed_users([ROOT]).rejected_users([NOBODY]),
        "allowed users and rejected users are mutually exclusive",
    );
    check_refused(
        builder().allowed_users([ROOT, "anonymous"]),
        "invalid user name \"anonymous\"",
    );
    check_refused(
        builder().rejected_users(["anonymous"]),
        "invalid user name \"anonymous\"",
    );
    assert!(builder().global_perm("elx").build().is_err());
}

#[test]
fn settings_that_the_system_does_not_know_are_refused() {
    let builder = UnixAuthorizer::builder;
    if !can_act_as_others() {
        check_refused(builder(), "root privileges are required");
        check_refused(
            builder().allowed_users([STRANGER]),
            "root privileges are required",
        );
        return;
    }
    if authorizer(settings_for_all()).is_none() {
        return;
    }
    let unknown = "no such user: \"nosuchuser-x\"";
    check_refused(builder().allowed_users([ROOT, STRANGER]), unknown);
    check_refused(builder().rejected_users([STRANGER]), unknown);
    check_refused(builder().anonymous_user(STRANGER), unknown);
    check_refused(
        builder().anonymous_user(ROOT),
        "anonymous clients cannot act as user \"root\", who is root",
    );
    assert!(builder().rejected_users([ROOT]).build().is_ok());
}

#[test]
fn overrides_of_nobody_or_nothing_are_refused() {
    let settings = GlobalSettings {
        rejected_users: [ROOT.to_owned()].into(),
        ..settings_for_all()
    };
    let Some(rejecting) = authorizer(settings) else {
        return;
    };
    let settings = GlobalSettings {
        allowed_users: [ROOT.to_owned()].into(),
        anonymous_user: Some(NOBODY.into()),
        ..settings_for_all()
    };
    let Some(allowing) = authorizer(settings) else {
        return;
    };
    let read = |name: &str| UserOverride::new(name).perm("elr");
    let cases = [
        (
            &rejecting,
            UserOverride::new(NOBODY),
            "nothing is overridden for user \"nobody\"",
        ),
        (
            &rejecting,
            UserOverride::new(NOBODY).password(""),
            "nothing is overridden for user \"nobody\"",
        ),
        (&rejecting, read(STRANGER), "no such user: \"nosuchuser-x\""),
        (
            &rejecting,
            read(ROOT),
            "user \"root\" is not an allowed user",
        ),
        (&rejecting, read("anonymous"), "no such user: \"anonymous\""),
        (&rejecting, read(""), "no such user: \"\""),
        (
            &allowing,
            read(NOBODY),
            "user \"nobody\" is not an allowed user",
        ),
        (
            &allowing,
            read("anonymous").password("x"),
            "can't assign password to anonymous user",
        ),
        (
            &allowing,
            UserOverride::new(ROOT).password_hash("$6$salt$hash"),
            "unusable password hash: not a PHC string",
        ),
    ];
    for (authorizer, user, expected) in cases {
        let shown = format!("{user:?}");
        let error = authorizer.override_user(user).unwrap_err();
        assert_eq!(error.to_string(), expected, "{shown}");
    }
    let bad = allowing.override_user(UserOverride::new(ROOT).perm("elx"));
    assert!(matches!(bad, Err(AuthorizerError::Permission(_))));
    allowing.override_user(read("anonymous")).unwrap();
    rejecting.override_user(read(NOBODY)).unwrap();
}

#[track_caller]
fn check_perms(authorizer: &UnixAuthorizer, name: &str, at: &str, expected: &str) {
    let login = Login::new(name, "/");
    let perms = authorizer.perms(&login, &path(at));
    assert_eq!(perms.to_string(), expected, "{name} at {at}");
    for perm in Perm::ALL {
        let may = authorizer.has_perm(&login, perm, &path(at));
        assert_eq!(may, perms.contains(perm), "{name} {perm:?}");
    }
}

#[test]
fn permissions_are_global_or_the_users_own() {
    let settings = GlobalSettings {
        anonymous_user: Some(NOBODY.into()),
        ..settings_for_all()
    };
    let Some(authorizer) = authorizer(settings) else {
        return;
    };
    check_perms(&authorizer, NOBODY, "/a", "elradfmwMT");
    check_perms(&authorizer, "anonymous", "/a", "elr");

    let nobody = UserOverride::new(NOBODY).perm("elw");
    authorizer.override_user(nobody).unwrap();
    check_perms(&authorizer, NOBODY, "/a", "elw");
    check_perms(&authorizer, ROOT, "/a", "elradfmwMT");
    // A second override does not keep the settings of the first one.
    let nobody = UserOverride::new(NOBODY).msg_login("x");
    authorizer.override_user(nobody).unwrap();
    check_perms(&authorizer, NOBODY, "/a", "elradfmwMT");
    let guests = UserOverride::new("anonymous").perm("elrw");
    authorizer.override_user(guests).unwrap();
    check_perms(&authorizer, "anonymous", "/a", "elrw");
    assert!(!authorizer.has_overrides(&Login::new(NOBODY, "/")));
}

#[test]
fn a_login_needs_a_password() {
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    let address = SocketAddr::from(([127, 0, 0, 1], 21));
    for name in [NOBODY, STRANGER, "anonymous", "", "no\0body", "0", "Root"] {
        for password in ["", "*", "!", "x", "a\0b"] {
            let request = LoginRequest::new(name, password, address, address);
            let login = authorizer.authenticate(&request);
            assert!(login.is_err(), "{name:?} {password:?}");
            assert!(authorizer.authenticate_by_certificate(&request).is_err());
        }
    }
}

#[test]
fn a_password_of_ones_own_takes_the_place_of_the_systems() {
    if ShadowEntry::find(NOBODY).is_err() {
        eprintln!("skipped: the shadow file cannot be read");
        return;
    }
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    let user = UserOverride::new(NOBODY)
        .password("sesame")
        .msg_quit("Ciao.")
        .read_limit(1000);
    authorizer.override_user(user).unwrap();
    let login = authorizer.find(NOBODY, given("sesame")).unwrap();
    assert_eq!((&*login.msg_login, &*login.msg_quit), ("Hello.", "Ciao."));
    assert_eq!((login.read_limit, login.write_limit), (Some(1000), None));
    for password in ["", "Sesame", "sesame2", "*"] {
        assert!(
            authorizer.find(NOBODY, given(password)).is_none(),
            "{password}"
        );
    }
}

#[test]
fn a_certificate_lets_in_whom_the_account_lets_in() {
    if ShadowEntry::find(NOBODY).is_err() {
        eprintln!("skipped: the shadow file cannot be read");
        return;
    }
    let rejecting = |name: &str| GlobalSettings {
        rejected_users: [name.to_owned()].into(),
        ..settings_for_all()
    };
    let Some(authorizer) = authorizer(rejecting(ROOT)) else {
        return;
    };
    let user = UserOverride::new(NOBODY).certificate_name("alice@example.org");
    authorizer.override_user(user).unwrap();
    let certificate = crate::certificate::tests::alice();
    let is_let_in = |authorizer: &UnixAuthorizer, name: &str| {
        let login = authorizer.find_by_certificate(name, &certificate);
        login.is_some_and(|login| login.username == name)
    };
    assert!(is_let_in(&authorizer, NOBODY));
    for name in [ROOT, STRANGER, "anonymous"] {
        assert!(!is_let_in(&authorizer, name), "{name}");
    }
    // Nor does a certificate help a user whom the settings reject.
    let authorizer = UnixAuthorizer {
        global: rejecting(NOBODY),
        ..authorizer
    };
    assert!(!is_let_in(&authorizer, NOBODY));
}

#[test]
fn an_override_for_a_directory_is_looked_up_below_the_home() {
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    if !can_act_as_nobody() {
        let refused = authorizer.override_perm(NOBODY, "/tmp", "elr", true);
        assert!(matches!(
            refused,
            Err(AuthorizerError::Impersonation { .. })
        ));
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let incoming = home.path().join("incoming");
    let hidden = home.path().join("hidden");
    fs::create_dir_all(hidden.join("below")).unwrap();
    fs::create_dir(&incoming).unwrap();
    for (path, mode) in [(home.path(), 0o755), (&*hidden, 0o700)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let user = UserOverride::new(NOBODY).home(home.path()).perm("elr");
    authorizer.override_user(user).unwrap();
    authorizer
        .override_perm(NOBODY, &incoming, "elw", true)
        .unwrap();
    check_perms(&authorizer, NOBODY, "/", "elr");
    check_perms(&authorizer, NOBODY, "/incoming/a/b", "elw");
    let login = Login::new(NOBODY, home.path());
    assert!(authorizer.has_overrides(&login));
    assert_eq!(authorizer.perms_anywhere(&login).to_string(), "elrw");

    let outside = authorizer.override_perm(NOBODY, "/", "elw", true);
    assert!(matches!(outside, Err(AuthorizerError::EscapesHome(_))));
    let itself = authorizer.override_perm(NOBODY, home.path(), "elw", true);
    assert!(matches!(itself, Err(AuthorizerError::OverridesHome)));
    // Root could see this directory.
    let unseen = authorizer.override_perm(NOBODY, hidden.join("below"), "elw", true);
    assert!(matches!(unseen, Err(AuthorizerError::Directory { .. })));
    // The user could see that the first one exists, but not enter it.
    for home in [hidden.clone(), hidden.join("below")] {
        let refused = authorizer.override_user(UserOverride::new(NOBODY).home(home));
        assert!(matches!(refused, Err(AuthorizerError::Directory { .. })));
    }
}

#[test]
fn a_session_was_given_the_permissions_for_another_home() {
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    let before = login_of(&authorizer, NOBODY);
    let user = || UserOverride::new(NOBODY).perm("el");
    authorizer.override_user(user()).unwrap();
    assert_eq!(authorizer.perms(&before, &path("/")).to_string(), "el");
    if !can_act_as_nobody() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    authorizer.override_user(user().home(home.path())).unwrap();
    assert_eq!(authorizer.perms(&before, &path("/")), Perms::NONE);
    assert_eq!(authorizer.perms_anywhere(&before), Perms::NONE);
    let own = authorizer.table.read().get(NOBODY).cloned();
    let system_user = SystemUser::known(NOBODY).unwrap();
    let after = authorizer.login(NOBODY, &system_user, own.as_deref());
    check_perms(&authorizer, NOBODY, "/", "el");
    let after = after.unwrap();
    assert_eq!(authorizer.perms(&after, &path("/")).to_string(), "el");
    authorizer.override_user(user()).unwrap();
    assert_eq!(authorizer.perms(&after, &path("/")), Perms::NONE);
    assert_eq!(authorizer.perms(&before, &path("/")).to_string(), "el");
}

#[test]
fn the_systems_home_was_taken_for_another_one_when_an_override_named_it() {
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    let root = SystemUser::known(ROOT).unwrap();
    if !can_act_as_others() || !root.home().is_dir() {
        return;
    }
    let perms = |login: &Login| authorizer.perms(login, &path("/")).to_string();
    let before = login_of(&authorizer, ROOT);
    let user = || UserOverride::new(ROOT).perm("el");
    // The system's home, by another path.
    let home = Path::new("/..").join(root.home().strip_prefix("/").unwrap());
    authorizer.override_user(user().home(home)).unwrap();
    assert_eq!(perms(&before), "el");
    let own = authorizer.table.read().get(ROOT).cloned();
    // A home that is set explicitly stays the user's home even if the system's changes.
    let moved = root.at_home(Path::new("/elsewhere"));
    let during = authorizer.login(ROOT, &moved, own.as_deref()).unwrap();
    assert_ne!(during.home, moved.home());
    authorizer.override_user(user().perm("elr")).unwrap();
    assert_eq!(perms(&before), "elr");
    assert_eq!(perms(&during), "elr");
}

#[test]
fn what_is_done_as_a_user_is_the_users() {
    let settings = GlobalSettings {
        anonymous_user: Some(NOBODY.into()),
        ..settings_for_all()
    };
    let Some(authorizer) = authorizer(settings) else {
        return;
    };
    let login = |name: &str| login_of(&authorizer, name);
    if !can_act_as_nobody() {
        let refused = authorizer.impersonate(&login(NOBODY)).unwrap_err();
        assert!(
            matches!(refused, AuthorizerError::Impersonation { .. }),
            "{refused}"
        );
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let nobody = ftpdlib_sys::UserRecord::find(NOBODY).unwrap().unwrap();
    let anonymous = authorizer.find("anonymous", given("guest@")).unwrap();
    for (name, login) in [("a", login(NOBODY)), ("b", anonymous)] {
        let guard = authorizer.impersonate(&login).unwrap();
        fs::write(place.path().join(name), "").unwrap();
        drop(guard);
        let made = fs::metadata(place.path().join(name)).unwrap();
        assert_eq!((made.uid(), made.gid()), (nobody.uid, nobody.gid));
    }
    fs::write(place.path().join("c"), "").unwrap();
    assert_eq!(fs::metadata(place.path().join("c")).unwrap().uid(), 0);
}

/// Such users were looked up in the user database, on the loop.
#[test]
fn a_login_that_others_made_is_refused_instead_of_looked_up() {
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    for name in [NOBODY, STRANGER, "anonymous"] {
        let refused = authorizer.impersonate(&Login::new(name, "/"));
        assert!(
            matches!(&refused, Err(AuthorizerError::NoCredentials(of)) if of == name),
            "{refused:?}"
        );
    }
}

/// A wrapper that implements only the required methods.
struct Wrapped(UnixAuthorizer);

impl Authorizer for Wrapped {
    fn authenticate(&self, request: &LoginRequest<'_>) -> Result<Login, AuthenticationFailed> {
        self.0.authenticate(request)
    }

    fn has_perm(&self, login: &Login, perm: Perm, path: &VirtualPath) -> bool {
        self.0.has_perm(login, perm, path)
    }
}

/// Every session of such a wrapper acted as root.
#[test]
fn a_wrapper_without_impersonate_acts_as_the_user_too() {
    let settings = GlobalSettings {
        anonymous_user: Some(NOBODY.into()),
        ..settings_for_all()
    };
    let Some(authorizer) = authorizer(settings) else {
        return;
    };
    let wrapped = Wrapped(authorizer);
    let address = SocketAddr::from(([127, 0, 0, 1], 21));
    let request = LoginRequest::new("anonymous", "guest@", address, address);
    let login = wrapped.authenticate(&request).unwrap();
    if !can_act_as_nobody() {
        // The access is refused rather than made as the user of this process.
        let refused = wrapped.impersonate(&login);
        assert!(matches!(
            refused,
            Err(AuthorizerError::Impersonation { .. })
        ));
        return;
    }
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let guard = wrapped.impersonate(&login).unwrap();
    fs::write(place.path().join("a"), "").unwrap();
    drop(guard);
    let made = fs::metadata(place.path().join("a")).unwrap();
    let nobody = ftpdlib_sys::UserRecord::find(NOBODY).unwrap().unwrap();
    assert_eq!((made.uid(), made.gid()), (nobody.uid, nobody.gid));
    // A virtual user acts as the server's own user.
    let _guard = wrapped.impersonate(&Login::new("x", "/")).unwrap();
    fs::write(place.path().join("b"), "").unwrap();
    assert_eq!(fs::metadata(place.path().join("b")).unwrap().uid(), 0);
}

/// It was examined on the threads that check all logins, so homes on a dead disk blocked all
/// logins.
#[test]
fn the_home_is_not_looked_at_before_the_login() {
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let link = place.path().join("link");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let user = SystemUser::known(NOBODY).unwrap().at_home(&link);
    let login = authorizer.login(NOBODY, &user, None).unwrap();
    assert_eq!(login.home, link);
}

/// An error of the shadow database was treated like a missing entry, and nothing was checked.
#[test]
fn logins_are_refused_while_the_shadow_database_cannot_be_read() {
    let Some(authorizer) = authorizer(settings_for_all()) else {
        return;
    };
    let user = SystemUser::known(NOBODY).unwrap();
    let admit = |shadow| authorizer.admit(NOBODY, &user, &shadow, false, None);
    assert!(admit(Err(io::ErrorKind::TimedOut.into())).is_none());
    assert!(admit(Ok(None)).is_some());
}

/// An authorizer and the shadow entry of [`NOBODY`]; `None` if the entry cannot be read.
fn with_shadow() -> Option<(UnixAuthorizer, ShadowEntry)> {
    let found = authorizer(settings_for_all()).zip(ShadowEntry::find(NOBODY).ok().flatten());
    if found.is_none() {
        eprintln!("skipped: the shadow file cannot be read");
    }
    found
}

/// A locked user could still log in with a certificate or with the override's password.
#[test]
fn a_locked_account_is_refused_with_any_credentials() {
    let Some((authorizer, mut shadow)) = with_shadow() else {
        return;
    };
    let user = SystemUser::known(NOBODY).unwrap();
    let mut refusal_reason = |hash: &str| {
        shadow.hash = hash.to_owned();
        authorizer.refusal_reason(NOBODY, &user, Some(&shadow), false)
    };
    assert_eq!(
        refusal_reason("!$6$salt$hash"),
        Some("the account is locked")
    );
    for usable in ["$6$salt$hash", "*", "!"] {
        assert_eq!(refusal_reason(usable), None, "{usable}");
    }
}

/// A user whose account had expired along with the password could log in with a certificate or with
/// the override's password.
#[test]
fn an_account_that_expired_with_its_password_is_refused() {
    let Some((authorizer, mut shadow)) = with_shadow() else {
        return;
    };
    let user = SystemUser::known(NOBODY).unwrap();
    shadow.hash = "*".to_owned();
    shadow.changed = Some(expiry::today() - 200);
    shadow.most_days = Some(90);
    let mut refusal_reason = |inactive_days| {
        shadow.inactive_days = inactive_days;
        authorizer.refusal_reason(NOBODY, &user, Some(&shadow), false)
    };
    let expired = Some("the account has expired with its password");
    assert_eq!(refusal_reason(Some(30)), expired);
    assert_eq!(refusal_reason(Some(300)), None);
    assert_eq!(refusal_reason(None), None);
}

/// Only the user name was compared.
#[test]
fn a_second_account_of_root_is_rejected_along_with_root() {
    let settings = |rejects_root| GlobalSettings {
        rejects_root,
        ..settings_for_all()
    };
    let Some(authorizer) = authorizer(settings(true)) else {
        return;
    };
    let refusal_reason = |authorizer: &UnixAuthorizer, name: &str| {
        let user = SystemUser::known(name).unwrap();
        authorizer.refusal_reason("toor", &user, None, false)
    };
    assert_eq!(
        refusal_reason(&authorizer, ROOT),
        Some("not an allowed user")
    );
    assert_eq!(refusal_reason(&authorizer, NOBODY), None);
    let authorizer = UnixAuthorizer {
        global: settings(false),
        ..authorizer
    };
    assert_eq!(refusal_reason(&authorizer, ROOT), None);
}
