//! As whom processes serve.

use ftpdlib::servers::Identity;

use crate::args::Args;
use crate::config::{AuthorizerKind, Config, ConfigFile};
use crate::error::ConfigError;

/// Whom the serving processes become, if anybody. `config` has the options over the file's keys.
pub(super) fn check(
    args: &Args,
    file: Option<&ConfigFile>,
    config: &Config,
) -> Result<Option<Identity>, ConfigError> {
    let (user, group) = (
        config.server.user.as_deref(),
        config.server.group.as_deref(),
    );
    let place = |in_group: bool, problem: String| match in_group {
        true => error(
            file,
            args.group.is_some(),
            "--group",
            "server.group",
            problem,
        ),
        false => error(file, args.user.is_some(), "--user", "server.user", problem),
    };
    let Some(user) = user else {
        return match group {
            None => Ok(None),
            Some(_) => {
                let problem = "found without a user, expected server.user or --user beside it";
                Err(place(true, problem.into()))
            }
        };
    };
    if config.authorizer.kind == AuthorizerKind::Unix {
        let problem = "found beside authorizer.kind = \"unix\", whose sessions need root to become \
                       their users, expected one of the two";
        return Err(place(false, problem.into()));
    }
    match Identity::find(user, None) {
        Err(problem) => Err(place(
            false,
            format!("{problem}, expected the name or number of another user than root"),
        )),
        Ok(_) => {
            let identity = Identity::find(user, group).map_err(|problem| {
                place(
                    true,
                    format!("{problem}, expected the name or number of a group"),
                )
            })?;
            match Identity::may_be_assumed() {
                Ok(()) => Ok(Some(identity)),
                Err(what) => {
                    let problem = format!(
                        "found {user:?} in a program that {what}, which cannot become another \
                         user, expected none, or a start by root"
                    );
                    Err(place(false, problem))
                }
            }
        }
    }
}

/// About the option, where it was given, or else about the key.
fn error(
    file: Option<&ConfigFile>,
    given: bool,
    option: &str,
    key: &str,
    problem: String,
) -> ConfigError {
    match file {
        Some(file) if !given => file.error(key, problem),
        _ => ConfigError::option(option, problem),
    }
}
