//! Warnings in the log. A single test, since the logger belongs to the process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

#[cfg(target_os = "linux")]
use ftpdlib_authorizers::{AuthorizerError, UnixAuthorizer, UserOverride};
use ftpdlib_authorizers::{DummyAuthorizer, User};

static WARNINGS: Warnings = Warnings(Mutex::new(Vec::new()));

struct Warnings(Mutex<Vec<String>>);

impl log::Log for Warnings {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[track_caller]
fn expect(warnings: &[&str]) {
    assert_eq!(WARNINGS.0.lock().unwrap().split_off(0), warnings);
}

#[test]
fn write_permission_without_a_password_for_a_directory_gave_no_warning() {
    log::set_logger(&WARNINGS).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let home = tempfile::tempdir().unwrap();
    let incoming = home.path().join("incoming");
    fs::create_dir(&incoming).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();

    let authorizer = DummyAuthorizer::new();
    let warning = |letters: &str| {
        format!(
            "write permissions \"{letters}\" given to user \"anonymous\", who needs no password"
        )
    };
    let anonymous = User::anonymous(home.path()).perm("elrm");
    authorizer.add_user(anonymous).unwrap();
    expect(&[&warning("m")]);
    for (perm, warnings) in [("elrwd", &[&*warning("dw")][..]), ("elr", &[])] {
        authorizer
            .override_perm("anonymous", &incoming, perm, true)
            .unwrap();
        expect(warnings);
    }
    let known = User::new("a", "secret", home.path()).perm("w");
    authorizer.add_user(known).unwrap();
    authorizer.override_perm("a", &incoming, "w", true).unwrap();
    expect(&[]);

    let builder = UnixAuthorizer::builder().anonymous_user("nobody");
    let Ok(authorizer) = builder.build() else {
        // The process does not run as root.
        return;
    };
    let user = UserOverride::new("anonymous").home(home.path());
    match authorizer.override_user(user.perm("elrm")) {
        // Not possible in this user namespace.
        Err(AuthorizerError::Impersonation { .. }) => return,
        overridden => overridden.unwrap(),
    }
    expect(&["write permissions \"m\" given to anonymous clients"]);
    authorizer
        .override_perm("anonymous", &incoming, "elrw", true)
        .unwrap();
    expect(&["write permissions \"w\" given to anonymous clients"]);
    authorizer
        .override_perm("anonymous", &incoming, "elr", true)
        .unwrap();
    expect(&[]);
}
