//! The system users who may log in.

use std::collections::HashSet;

use ftpdlib::authorizers::{AuthorizerError, UnixAuthorizer, UnixAuthorizerBuilder, UserOverride};
use ftpdlib::servers::process::is_root;

use super::given;
use super::virtual_users::{ANONYMOUS, add_directories, check_certificate_key};
use crate::args::Args;
use crate::config::{self, ConfigFile};
use crate::error::ConfigError;

/// Builds the authorizer for system users, with the file's restrictions and overrides.
pub(super) fn authorizer(args: &Args, file: &ConfigFile) -> Result<UnixAuthorizer, ConfigError> {
    refuse_virtual_users(args, file)?;
    let mut names = HashSet::new();
    for (index, user) in file.config().users.iter().enumerate() {
        let key = format!("users[{index}]");
        if !names.insert(&user.name) {
            let problem = format!("found {:?} again, expected each name once", user.name);
            return Err(file.error(&format!("{key}.name"), problem));
        }
        check_user(user, file, &key)?;
    }
    let authorizer = build(file)?;
    for (index, user) in file.config().users.iter().enumerate() {
        override_user(&authorizer, user, file, &format!("users[{index}]"))?;
    }
    Ok(authorizer)
}

/// Refuses settings that apply to virtual users only.
fn refuse_virtual_users(args: &Args, file: &ConfigFile) -> Result<(), ConfigError> {
    let options = [
        ("--username", args.username.is_some()),
        ("--password", args.password.is_some()),
        ("--password-file", args.password_file.is_some()),
        ("--directory", args.directory.is_some()),
        ("--write", args.write),
    ];
    if let Some((option, _)) = options.into_iter().find(|(_, given)| *given) {
        let problem = format!(
            "found beside authorizer.kind = \"unix\" in {}, whose users are those of the system, \
             expected one of the two",
            file.path().display()
        );
        return Err(ConfigError::option(option, problem));
    }
    if file.config().anonymous.is_some() {
        let problem = "found beside authorizer.kind = \"unix\", \
                       expected authorizer.anonymous_user instead";
        return Err(file.error("anonymous", problem));
    }
    if file.config().authorizer.anonymous_password.is_some() {
        let problem = "found beside kind = \"unix\", expected with kind \"windows\" only";
        return Err(file.error("authorizer.anonymous_password", problem));
    }
    Ok(())
}

/// Builds the authorizer from the section `[authorizer]`.
fn build(file: &ConfigFile) -> Result<UnixAuthorizer, ConfigError> {
    let section = &file.config().authorizer;
    let (allowed, rejected) = (&section.allowed_users, &section.rejected_users);
    let builder = UnixAuthorizer::builder()
        .global_perm(section.global_perm)
        .allowed_users(allowed)
        .rejected_users(rejected)
        .require_valid_shell(section.require_valid_shell)
        .msg_login(&section.msg_login)
        .msg_quit(&section.msg_quit);
    let anonymous = section.anonymous_user.as_deref();
    let builder = given(builder, anonymous, UnixAuthorizerBuilder::anonymous_user);
    builder.build().map_err(|error| {
        let listing = |name: &str| {
            if allowed.iter().any(|listed| listed == name) {
                "allowed_users"
            } else if rejected.iter().any(|listed| listed == name) {
                "rejected_users"
            } else {
                "anonymous_user"
            }
        };
        let (key, expected) = match &error {
            AuthorizerError::NotRoot if is_root() => (
                "kind",
                "a root who may become others (CAP_SETUID and CAP_SETGID), as not in every container",
            ),
            AuthorizerError::NotRoot => ("kind", "a program that root has started"),
            AuthorizerError::PasswordLibrary(_) => ("kind", "the package of libcrypt"),
            AuthorizerError::AllowedAndRejected => ("rejected_users", "one of the two"),
            AuthorizerError::AnonymousListed => {
                (listing(ANONYMOUS), "anonymous_user for anonymous access")
            }
            AuthorizerError::NoSuchUser(name)
            | AuthorizerError::UserDatabase { user: name, .. } => {
                (listing(name), "a user of the system")
            }
            AuthorizerError::InvalidShell { user, .. } => {
                (listing(user), "another shell, or require_valid_shell = false")
            }
            AuthorizerError::AnonymousIsRoot(_) => ("anonymous_user", "another user"),
            AuthorizerError::Impersonation { .. } => ("anonymous_user", OTHER_TO_ACT_AS),
            AuthorizerError::NoSuchDirectory(_)
            | AuthorizerError::NotADirectory(_)
            | AuthorizerError::Directory { .. } => (
                "anonymous_user",
                "a user with a home directory that this user can enter",
            ),
            _ => ("kind", "a system that can be asked for its users"),
        };
        file.error(
            &format!("authorizer.{key}"),
            format!("{error}, expected {expected}"),
        )
    })
}

/// Checks a table of `[[users]]`, apart from what the system knows about the user.
fn check_user(user: &config::User, file: &ConfigFile, key: &str) -> Result<(), ConfigError> {
    let passwords = [
        ("password", user.password.is_some()),
        ("password_hash", user.password_hash.is_some()),
    ];
    if let Some((name, _)) = passwords.into_iter().find(|(_, found)| *found) {
        let problem = "found beside authorizer.kind = \"unix\", whose users have the passwords of \
                       the system, expected with kind \"dummy\" only";
        return Err(file.error(&format!("{key}.{name}"), problem));
    }
    if user.name == ANONYMOUS && file.config().authorizer.anonymous_user.is_none() {
        let problem = "found \"anonymous\", expected authorizer.anonymous_user beside it";
        return Err(file.error(&format!("{key}.name"), problem));
    }
    check_certificate_key(user, file, key)
}

/// What is expected if a user's groups cannot be looked up, or the system refuses them.
pub(super) const OTHER_TO_ACT_AS: &str = "a user as whom the program can act";

/// Applies a table of `[[users]]`.
fn override_user(
    authorizer: &UnixAuthorizer,
    user: &config::User,
    file: &ConfigFile,
    key: &str,
) -> Result<(), ConfigError> {
    match authorizer.override_user(overridden(user, file)) {
        // The table is only about directories.
        Err(AuthorizerError::NothingOverridden(_)) if !user.override_perm.is_empty() => {}
        Err(error) => {
            let (name, expected) = blamed(&error);
            return Err(file.error(
                &format!("{key}.{name}"),
                format!("{error}, expected {expected}"),
            ));
        }
        Ok(()) => {}
    }
    add_directories(user, file, key, |directory, perm, recursive| {
        authorizer.override_perm(&user.name, directory, perm, recursive)
    })
}

/// Returns the key of a `[[users]]` table that an error is about, and what it accepts.
pub(super) fn blamed(error: &AuthorizerError) -> (&'static str, &'static str) {
    match error {
        AuthorizerError::NothingOverridden(_) => ("name", "another key beside it"),
        AuthorizerError::NoSuchUser(_) | AuthorizerError::UserDatabase { .. } => {
            ("name", "a user of the system")
        }
        AuthorizerError::UserNotAllowed(_) => ("name", "a user who may log in"),
        AuthorizerError::InvalidShell { .. } => (
            "name",
            "another shell, or authorizer.require_valid_shell = false",
        ),
        AuthorizerError::Impersonation { .. } => ("name", OTHER_TO_ACT_AS),
        AuthorizerError::NoSuchDirectory(_)
        | AuthorizerError::NotADirectory(_)
        | AuthorizerError::Directory { .. } => {
            ("home", "an existing directory that the user can enter")
        }
        _ => ("name", "a user of whom that can be said"),
    }
}

fn overridden(user: &config::User, file: &ConfigFile) -> UserOverride {
    let home = user.home.as_deref().map(|home| file.resolve(home));
    let subject = user.certificate_subject.clone();
    let own = UserOverride::new(&user.name);
    let own = given(own, home, UserOverride::home);
    let own = given(own, user.perm, UserOverride::perm);
    let own = given(own, subject, UserOverride::certificate_subject);
    let own = given(
        own,
        user.certificate_name.as_deref(),
        UserOverride::certificate_name,
    );
    let own = given(own, user.msg_login.as_deref(), UserOverride::msg_login);
    let own = given(own, user.msg_quit.as_deref(), UserOverride::msg_quit);
    let own = given(own, user.read_limit, UserOverride::read_limit);
    let own = given(own, user.write_limit, UserOverride::write_limit);
    given(own, user.encoding, UserOverride::encoding)
}
