//! The user that serving processes run as.

use std::fs;

use ftpdlib::servers::process::{Identity, lowest_port};

use super::exposure::Share;
use super::named::place;
use crate::args::Args;
use crate::config::{AuthorizerKind, Config, ConfigFile};
use crate::error::{ConfigError, Place};

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
    let of_user = || place_of_user(args, file);
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

/// Returns the warning if serving processes cannot listen on some of the ports for data
/// connections.
pub(super) fn closed_ports(
    args: &Args,
    file: Option<&ConfigFile>,
    config: &Config,
    run_as: Option<&Identity>,
) -> Option<String> {
    let ports = config.control.passive_ports.as_deref()?;
    let (first, lowest) = (ports.iter().min()?, lowest_port(run_as));
    (*first < lowest).then(|| {
        let place = place(args.range.is_some(), "--range", file, "control.passive_ports");
        let problem = format!(
            "found {first}, on which the server's user may not listen, expected ports from {lowest} \
             on"
        );
        place.error(problem).to_string()
    })
}

/// Returns the warning if serving processes cannot enter the homes of some users.
pub(super) fn closed_homes(
    args: &Args,
    file: Option<&ConfigFile>,
    run_as: &Identity,
    shares: &[Share<'_>],
) -> Option<String> {
    let _acting = run_as.assume_in_thread().ok()?;
    let logins = shares.iter().map(Share::login);
    let mut closed = logins.filter_map(|login| {
        // Looking up the dot requires the right to enter the directory.
        let error = fs::metadata(login.home.join(".")).err()?;
        Some((login, error))
    });
    let (login, error) = closed.next()?;
    let others = match closed.count() {
        0 => String::new(),
        others => format!(", nor those of {others} more"),
    };
    let problem = format!(
        "found a user who cannot enter {:?}, the home of {:?} ({error}){others}, expected one who \
         can",
        login.home, login.username
    );
    Some(place_of_user(args, file).error(problem).to_string())
}

pub(super) fn place_of_user(args: &Args, file: Option<&ConfigFile>) -> Place {
    place(args.user.is_some(), "--user", file, "server.user")
}
