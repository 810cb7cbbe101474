//! The user that serving processes run as.

use ftpdlib::servers::Identity;

use super::named::place;
use crate::args::Args;
use crate::config::{AuthorizerKind, Config, ConfigFile};
use crate::error::ConfigError;

/// Returns the user that serving processes become, if any. `config` already includes the options.
pub(super) fn check(
    args: &Args,
    file: Option<&ConfigFile>,
    config: &Config,
) -> Result<Option<Identity>, ConfigError> {
    let (user, group) = (
        config.server.user.as_deref(),
        config.server.group.as_deref(),
    );
    let of_user = || place(args.user.is_some(), "--user", file, "server.user");
    let of_group = || place(args.group.is_some(), "--group", file, "server.group");
    let Some(user) = user else {
        return match group {
            None => Ok(None),
            Some(_) => {
                let problem = "found without a user, expected server.user or --user beside it";
                Err(of_group().error(problem))
            }
        };
    };
    if config.authorizer.kind == AuthorizerKind::Unix {
        let problem = "found beside authorizer.kind = \"unix\", whose sessions need root to become \
                       their users, expected one of the two";
        return Err(of_user().error(problem));
    }
    match Identity::find(user, None) {
        Err(problem) => Err(of_user().error(format!(
            "{problem}, expected the name or number of another user than root"
        ))),
        Ok(_) => {
            let identity = Identity::find(user, group).map_err(|problem| {
                of_group().error(format!("{problem}, expected the name or number of a group"))
            })?;
            match Identity::may_be_assumed() {
                Ok(()) => Ok(Some(identity)),
                Err(what) => {
                    let problem = format!(
                        "found {user:?} in a program that {what}, which cannot become another \
                         user, expected none, or a start by root"
                    );
                    Err(of_user().error(problem))
                }
            }
        }
    }
}
