use ftpdlib::authorizers::{AuthorizerError, UnixAuthorizer, UserOverride};

use super::*;

/// The section `[authorizer]` for system users, followed by more lines.
fn unix(lines: &str) -> String {
    format!("[authorizer]\nkind = \"unix\"\n{lines}")
}

#[test]
fn users_of_the_system_are_no_virtual_ones() {
    let beside = |option: &str| {
        format!(
            "option {option}: found beside authorizer.kind = \"unix\" in @/f.toml, whose users are \
             those of the system, expected one of the two"
        )
    };
    for (options, option) in [
        ("-u alice -P x", "--username"),
        ("-P x", "--password"),
        ("--password-file @/secret", "--password-file"),
        ("-d @/home", "--directory"),
        ("-w", "--write"),
    ] {
        refused(
            &format!("-c @/f.toml {options}"),
            &unix(""),
            &beside(option),
        );
    }
    let cases = [
        (
            "[anonymous]\nhome = \"pub\"",
            "@/f.toml:3: anonymous: found beside authorizer.kind = \"unix\", expected \
             authorizer.anonymous_user instead",
        ),
        (
            "anonymous_password = \"x\"",
            "@/f.toml:3: authorizer.anonymous_password: found beside kind = \"unix\", expected with \
             kind \"windows\" only",
        ),
        (
            "[[users]]\nname = \"root\"\npassword = \"x\"",
            "@/f.toml:5: users[0].password: found beside authorizer.kind = \"unix\", whose users \
             have the passwords of the system, expected with kind \"dummy\" only",
        ),
        (
            "[[users]]\nname = \"root\"\npassword_hash = \"x\"",
            "@/f.toml:5: users[0].password_hash: found beside authorizer.kind = \"unix\", whose \
             users have the passwords of the system, expected with kind \"dummy\" only",
        ),
        (
            "[[users]]\nname = \"anonymous\"\nperm = \"el\"",
            "@/f.toml:4: users[0].name: found \"anonymous\", expected authorizer.anonymous_user \
             beside it",
        ),
        (
            "[[users]]\nname = \"root\"\n[[users]]\nname = \"root\"",
            "@/f.toml:6: users[1].name: found \"root\" again, expected each name once",
        ),
        (
            "[[users]]\nname = \"root\"\ncertificate_name = \"root\"",
            "@/f.toml:5: users[0].certificate_name: found without tls.client_ca, expected the \
             authority of the certificate there",
        ),
        (
            "[server]\nuser = \"nobody\"",
            "@/f.toml:4: server.user: found beside authorizer.kind = \"unix\", whose sessions need \
             root to become their users, expected one of the two",
        ),
        (
            "allowed_users = [\"a\"]\nrejected_users = [\"b\"]",
            "@/f.toml:4: authorizer.rejected_users: allowed users and rejected users are mutually \
             exclusive, expected one of the two",
        ),
        (
            "rejected_users = [\"anonymous\"]",
            "@/f.toml:3: authorizer.rejected_users: invalid user name \"anonymous\", expected \
             anonymous_user for anonymous access",
        ),
    ];
    for (lines, expected) in cases {
        refused("-c @/f.toml", &unix(lines), expected);
    }
}

#[test]
fn a_home_was_blamed_for_groups_that_could_not_be_looked_up() {
    let error = AuthorizerError::Impersonation {
        user: "root".to_owned(),
        source: std::io::ErrorKind::TimedOut.into(),
    };
    let (key, _) = super::super::system_users::blamed(&error);
    assert_eq!(key, "name");
    let (key, _) = super::super::system_users::blamed(&AuthorizerError::NotADirectory("/x".into()));
    assert_eq!(key, "home");
}

#[test]
fn a_shell_that_lets_nobody_log_in_names_the_key() {
    let Ok(users) = UnixAuthorizer::new() else {
        return eprintln!("not tested: this process may not become others");
    };
    let refusal = users.override_user(UserOverride::new("nobody").perm("elr"));
    let Err(problem @ AuthorizerError::InvalidShell { .. }) = refusal else {
        return eprintln!("not tested: nobody has a valid shell");
    };
    let cases = [
        (
            "allowed_users = [\"root\", \"nobody\"]",
            "3: authorizer.allowed_users",
            "another shell, or require_valid_shell = false",
        ),
        (
            "[[users]]\nname = \"nobody\"\nperm = \"elr\"",
            "4: users[0].name",
            "another shell, or authorizer.require_valid_shell = false",
        ),
    ];
    for (lines, key, remedy) in cases {
        let expected = format!("@/f.toml:{key}: {problem}, expected {remedy}");
        refused("-c @/f.toml", &unix(lines), &expected);
    }
}

#[test]
fn what_the_system_says_of_its_users_names_the_key() {
    let not_root = match UnixAuthorizer::new() {
        Ok(_) => false,
        Err(AuthorizerError::NotRoot) => true,
        Err(error) => return eprintln!("not tested: {error}"),
    };
    let cases = [
        (
            "allowed_users = [\"root\", \"nosuchuser-x\"]",
            "3: authorizer.allowed_users: no such user: \"nosuchuser-x\", expected a user of the \
             system",
        ),
        (
            "rejected_users = [\"nosuchuser-x\"]",
            "3: authorizer.rejected_users: no such user: \"nosuchuser-x\", expected a user of the \
             system",
        ),
        (
            "anonymous_user = \"nosuchuser-x\"",
            "3: authorizer.anonymous_user: no such user: \"nosuchuser-x\", expected a user of the \
             system",
        ),
        (
            "anonymous_user = \"root\"",
            "3: authorizer.anonymous_user: anonymous clients cannot act as user \"root\", who is \
             root, expected another user",
        ),
        (
            "[[users]]\nname = \"root\"",
            "4: users[0].name: nothing is overridden for user \"root\", expected another key beside \
             it",
        ),
        (
            "[[users]]\nname = \"nosuchuser-x\"\nperm = \"e\"",
            "4: users[0].name: no such user: \"nosuchuser-x\", expected a user of the system",
        ),
        (
            "rejected_users = [\"root\"]\n[[users]]\nname = \"root\"\nperm = \"e\"",
            "5: users[0].name: user \"root\" is not an allowed user, expected a user who may log in",
        ),
        (
            "[[users]]\nname = \"root\"\nhome = \"none\"",
            "5: users[0].home: no such directory: \"@/none\", expected an existing directory that \
             the user can enter",
        ),
        (
            "[[users]]\nname = \"root\"\nhome = \"home\"\n[[users.override_perm]]\n\
             directory = \"pub\"\nperm = \"e\"",
            "7: users[0].override_perm[0].directory: path escapes user home directory: \"@/pub\", \
             expected a directory below the home",
        ),
    ];
    for (lines, expected) in cases {
        let expected = match not_root {
            true if ftpdlib::servers::process::is_root() => {
                "2: authorizer.kind: root privileges are required, expected a root who may become \
                 others (CAP_SETUID and CAP_SETGID), as not in every container"
            }
            true => {
                "2: authorizer.kind: root privileges are required, expected a program that root \
                     has started"
            }
            false => expected,
        };
        refused("-c @/f.toml", &unix(lines), &format!("@/f.toml:{expected}"));
    }
    if not_root {
        return;
    }
    let toml = unix(
        "rejected_users = []\nanonymous_user = \"\"\nanonymous_password = \"\"\n\
         [[users]]\nname = \"root\"\nhome = \"home\"\nperm = \"elr\"\nencoding = \"latin1\"\n\
         [[users.override_perm]]\ndirectory = \"home/in\"\nperm = \"elw\"\n",
    );
    let settings = loaded("-c @/f.toml", &toml);
    assert!(matches!(settings.access, Access::System(_)));
}
