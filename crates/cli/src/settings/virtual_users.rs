//! Virtual users, from the file or the options.

use std::iter;
use std::path::{Path, PathBuf};

use ftpdlib::authorizers::{AuthorizerError, DummyAuthorizer, User};
use ftpdlib::proto::Perms;

use super::given;
use super::system_users::OTHER_TO_ACT_AS;
use crate::args::Args;
use crate::config::{self, ConfigFile};
use crate::environment::Environment;
use crate::error::{ConfigError, Place};
use crate::password;

pub(super) const ANONYMOUS: &str = "anonymous";

/// A user, and the directories that the options or the file name for them.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    home: PathBuf,
    overridden: Vec<PathBuf>,
}

impl Named<'_> {
    /// Returns the directories, each with its kind.
    pub(super) fn directories(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let overridden = self.overridden.iter();
        let overridden = overridden.map(|directory| ("overridden directory", &**directory));
        iter::once(("home", &*self.home)).chain(overridden)
    }
}

/// Returns all configured users, including those that the options turn off.
pub(super) fn named<'a>(
    args: &'a Args,
    file: Option<&'a ConfigFile>,
) -> impl Iterator<Item = Named<'a>> {
    let at_directory = |name| Named {
        name,
        home: directory(args),
        overridden: Vec::new(),
    };
    let of_file = file.into_iter().flat_map(|file| {
        let users = file.config().users.iter();
        users.filter_map(|user| {
            let overridden = user.override_perm.iter();
            Some(Named {
                name: &user.name,
                home: file.resolve(user.home.as_ref()?),
                overridden: overridden.map(|it| file.resolve(&it.directory)).collect(),
            })
        })
    });
    let anonymous = Named {
        home: anonymous_home(args, file).unwrap_or_else(|| directory(args)),
        ..at_directory(ANONYMOUS)
    };
    let by_option = args.username.as_deref().map(at_directory);
    by_option.into_iter().chain(of_file).chain([anonymous])
}

/// Builds the authorizer for the users in the options, or else in the file; with neither, for
/// anonymous.
pub(super) fn authorizer(
    args: &Args,
    environment: &Environment,
    file: Option<&ConfigFile>,
) -> Result<DummyAuthorizer, ConfigError> {
    let authorizer = DummyAuthorizer::new();
    if let Some(file) = file {
        check_system_keys(file)?;
        add_users(&authorizer, file)?;
    }
    match (&args.username, file) {
        (Some(username), _) => {
            add_named_user(&authorizer, args, environment, username, file)?;
        }
        (None, Some(file)) => {
            refuse_stray_password(args)?;
            add_anonymous(&authorizer, args, file)?;
        }
        (None, None) => {
            refuse_stray_password(args)?;
            let user = User::anonymous(directory(args)).perm(perms(args));
            add_at_directory(&authorizer, user)?;
        }
    }
    Ok(authorizer)
}

/// Adds the user of `--username`, which turns off the file's anonymous user.
fn add_named_user(
    authorizer: &DummyAuthorizer,
    args: &Args,
    environment: &Environment,
    username: &str,
    file: Option<&ConfigFile>,
) -> Result<(), ConfigError> {
    if let Some(file) = file
        && !file.config().users.is_empty()
    {
        let problem = format!(
            "found beside [[users]] in {}, expected one of the two",
            file.path().display()
        );
        return Err(ConfigError::option("--username", problem));
    }
    if username == ANONYMOUS {
        let problem = "found \"anonymous\", expected another name; \
                       anonymous access is what there is without this option";
        return Err(ConfigError::option("--username", problem));
    }
    let (password, place) = password::find(args, environment)?;
    let user = User::new(username, password, directory(args)).perm(perms(args));
    authorizer.add_user(user).map_err(|error| {
        let place = match subject(&error) {
            Subject::Name => Place::option("--username"),
            Subject::Password => place,
            Subject::Home => Place::option("--directory"),
        };
        place.error(problem(&error))
    })
}

fn refuse_stray_password(args: &Args) -> Result<(), ConfigError> {
    let given = [
        ("--password", args.password.is_some()),
        ("--password-file", args.password_file.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(ConfigError::option(
            option,
            "found without a user, expected --username beside it",
        )),
        None => Ok(()),
    }
}

/// Adds a user with the home that the options name.
fn add_at_directory(authorizer: &DummyAuthorizer, user: User) -> Result<(), ConfigError> {
    authorizer
        .add_user(user)
        .map_err(|error| ConfigError::option("--directory", problem(&error)))
}

fn add_users(authorizer: &DummyAuthorizer, file: &ConfigFile) -> Result<(), ConfigError> {
    for (index, user) in file.config().users.iter().enumerate() {
        let key = format!("users[{index}]");
        let added = file_user(user, file, &key)?;
        authorizer.add_user(added).map_err(|error| {
            let name = match subject(&error) {
                Subject::Name => "name",
                Subject::Password if user.password.is_some() => "password",
                Subject::Password => "password_hash",
                Subject::Home => "home",
            };
            file.error(&format!("{key}.{name}"), problem(&error))
        })?;
        add_directories(user, file, &key, |directory, perm, recursive| {
            authorizer.override_perm(&user.name, directory, perm, recursive)
        })?;
    }
    Ok(())
}

/// Passes the directories of a user that have other permissions to `add`, with the permissions and
/// whether they apply to all directories below.
pub(super) fn add_directories(
    user: &config::User,
    file: &ConfigFile,
    key: &str,
    add: impl Fn(PathBuf, Perms, bool) -> Result<(), AuthorizerError>,
) -> Result<(), ConfigError> {
    for (index, over) in user.override_perm.iter().enumerate() {
        let directory = file.resolve(&over.directory);
        add(directory, over.perm, over.recursive).map_err(|error| {
            let (name, expected) = match &error {
                AuthorizerError::Impersonation { .. } => ("name".to_owned(), OTHER_TO_ACT_AS),
                _ => (
                    format!("override_perm[{index}].directory"),
                    "a directory below the home",
                ),
            };
            let problem = format!("{error}, expected {expected}");
            file.error(&format!("{key}.{name}"), problem)
        })?;
    }
    Ok(())
}

fn file_user(user: &config::User, file: &ConfigFile, key: &str) -> Result<User, ConfigError> {
    if user.name == ANONYMOUS {
        let problem = "found \"anonymous\", expected another name; \
                       the section [anonymous] permits anonymous access";
        return Err(file.error(&format!("{key}.name"), problem));
    }
    let Some(home) = &user.home else {
        return Err(file.error(key, "missing key `home`, expected the directory to share"));
    };
    let home = file.resolve(home);
    let added = match (&user.password, &user.password_hash) {
        (Some(password), None) if password.is_empty() => {
            let problem = "found an empty password, expected at least one character";
            return Err(file.error(&format!("{key}.password"), problem));
        }
        (Some(password), None) => User::new(&user.name, password, home),
        (None, Some(hash)) => User::with_password_hash(&user.name, hash, home),
        (None, None) if certificate_key(user).is_some() => User::with_certificate(&user.name, home),
        (Some(_), Some(_)) => {
            let problem = "found beside password, expected one of the two";
            return Err(file.error(&format!("{key}.password_hash"), problem));
        }
        (None, None) => {
            let problem = "missing key `password`, expected it, `password_hash`, \
                           `certificate_subject` or `certificate_name`";
            return Err(file.error(key, problem));
        }
    };
    check_certificate_key(user, file, key)?;
    let added = given(
        added,
        user.certificate_subject.clone(),
        User::certificate_subject,
    );
    let added = given(
        added,
        user.certificate_name.as_deref(),
        User::certificate_name,
    );
    let added = given(added, user.msg_login.as_deref(), User::msg_login);
    let added = given(added, user.msg_quit.as_deref(), User::msg_quit);
    let added = given(added, user.read_limit, User::read_limit);
    let added = given(added, user.write_limit, User::write_limit);
    let added = given(added, user.encoding, User::encoding);
    Ok(added.perm(user.perm.unwrap_or(Perms::READ_ONLY)))
}

/// Refuses a certificate key if clients are not asked for certificates.
pub(super) fn check_certificate_key(
    user: &config::User,
    file: &ConfigFile,
    key: &str,
) -> Result<(), ConfigError> {
    match certificate_key(user) {
        Some(name) if !shows_certificates(file) => {
            let problem =
                "found without tls.client_ca, expected the authority of the certificate there";
            Err(file.error(&format!("{key}.{name}"), problem))
        }
        _ => Ok(()),
    }
}

/// Returns the key for logging in with a certificate, if there is one.
fn certificate_key(user: &config::User) -> Option<&'static str> {
    let subject = user.certificate_subject.as_ref();
    let name = user.certificate_name.as_ref();
    subject
        .map(|_| "certificate_subject")
        .or_else(|| name.map(|_| "certificate_name"))
}

/// Whether clients are asked for certificates.
fn shows_certificates(file: &ConfigFile) -> bool {
    let tls = file.config().tls.as_ref();
    tls.is_some_and(|tls| tls.authority().is_some())
}

/// Adds the file's anonymous user, as modified by `--directory` and `--write`.
fn add_anonymous(
    authorizer: &DummyAuthorizer,
    args: &Args,
    file: &ConfigFile,
) -> Result<(), ConfigError> {
    let Some(anonymous) = &file.config().anonymous else {
        return refuse_stray_access(args, file);
    };
    let home = anonymous_home(args, Some(file)).ok_or_else(|| {
        let problem = "missing key `home`, expected the directory to share";
        file.error("anonymous", problem)
    })?;
    let perm = if args.write {
        Perms::ALL
    } else {
        anonymous.perm
    };
    let user = User::anonymous(home).perm(perm);
    let user = given(user, anonymous.msg_login.as_deref(), User::msg_login);
    let user = given(user, anonymous.msg_quit.as_deref(), User::msg_quit);
    if args.directory.is_some() {
        return add_at_directory(authorizer, user);
    }
    authorizer
        .add_user(user)
        .map_err(|error| file.error("anonymous.home", problem(&error)))
}

/// Returns the home of anonymous from the options, or else from the file.
fn anonymous_home(args: &Args, file: Option<&ConfigFile>) -> Option<PathBuf> {
    let of_file = || {
        let file = file?;
        let home = file.config().anonymous.as_ref()?.home.as_ref()?;
        Some(file.resolve(home))
    };
    args.directory.clone().or_else(of_file)
}

/// Refuses `--directory` and `--write` if there is no user to apply them to.
fn refuse_stray_access(args: &Args, file: &ConfigFile) -> Result<(), ConfigError> {
    let given = [
        ("--directory", args.directory.is_some()),
        ("--write", args.write),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => {
            let problem = format!(
                "found without a user to apply to, \
                 expected --username beside it or [anonymous] in {}",
                file.path().display()
            );
            Err(ConfigError::option(option, problem))
        }
        None => Ok(()),
    }
}

fn check_system_keys(file: &ConfigFile) -> Result<(), ConfigError> {
    match file.config().authorizer.system_only_key() {
        Some(key) => Err(file.error(
            key,
            "found beside kind = \"dummy\", expected with kind \"unix\" or \"windows\" only",
        )),
        None => Ok(()),
    }
}

fn directory(args: &Args) -> PathBuf {
    args.directory
        .clone()
        .unwrap_or_else(|| Path::new(".").to_owned())
}

fn perms(args: &Args) -> Perms {
    if args.write {
        Perms::ALL
    } else {
        Perms::READ_ONLY
    }
}

/// The part of a user that was refused.
enum Subject {
    Name,
    Password,
    Home,
}

fn subject(error: &AuthorizerError) -> Subject {
    match error {
        AuthorizerError::PasswordHash(_) | AuthorizerError::HashAsPassword => Subject::Password,
        AuthorizerError::UserExists(_) | AuthorizerError::EmptyUsername => Subject::Name,
        _ => Subject::Home,
    }
}

fn problem(error: &AuthorizerError) -> String {
    let accepted = match error {
        AuthorizerError::PasswordHash(_) => {
            "an argon2id hash such as $argon2id$v=19$m=19456,t=2,p=1$SALT$HASH"
        }
        AuthorizerError::HashAsPassword => "a plain one, or password_hash in a file",
        AuthorizerError::UserExists(_) => "each name once",
        AuthorizerError::EmptyUsername => "at least one character",
        _ => "an existing directory",
    };
    format!("{error}, expected {accepted}")
}
