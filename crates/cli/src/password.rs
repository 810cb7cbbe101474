//! The password of `--username`, from any of its sources.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use crate::args::Args;
use crate::error::{ConfigError, Place};
use crate::text_file::{self, Readable};

const VARIABLE: &str = "FTPDLIB_PASSWORD";

/// Tells the program that takes over whether this one is
/// [configured](Environment::is_configured).
pub(crate) const CONFIGURED: &str = "FTPDLIB_CONFIGURED";

/// What the environment says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `FTPDLIB_PASSWORD`.
    pub(crate) password: Option<OsString>,
    /// What files may be, also the configuration.
    pub(crate) readable: Readable,
    /// The server that runs has its settings from a file that was not empty: this one, or the one
    /// that this program takes over from.
    pub(crate) is_configured: bool,
}

impl Environment {
    /// This process's.
    pub(crate) fn of_process() -> Self {
        Self {
            password: env::var_os(VARIABLE),
            readable: Readable::Anything,
            is_configured: env::var_os(CONFIGURED).is_some_and(|value| value == "true"),
        }
    }
}

/// The password given by the options, or else by the environment, and where it was found.
pub(crate) fn find(args: &Args, environment: &Environment) -> Result<(String, Place), ConfigError> {
    let (place, found) = if let Some(password) = &args.password {
        (Place::option("--password"), not_empty(password))
    } else if let Some(path) = &args.password_file {
        let found = from_file(path, environment.readable);
        (Place::option("--password-file"), found)
    } else if let Some(password) = &environment.password {
        let text = password
            .to_str()
            .ok_or_else(|| "found bytes that are not UTF-8, expected a password".to_owned());
        (Place::variable(VARIABLE), text.and_then(not_empty))
    } else {
        let problem = format!(
            "found no password, expected --password, --password-file or the variable {VARIABLE}"
        );
        return Err(ConfigError::option("--username", problem));
    };
    match found {
        Ok(password) => Ok((password, place)),
        Err(problem) => Err(place.error(problem)),
    }
}

fn from_file(path: &Path, readable: Readable) -> Result<String, String> {
    let text = String::from_utf8(text_file::read(path, readable)?)
        .map_err(|_| format!("found bytes that are not UTF-8 in {path:?}, expected a password"))?;
    // Editors on Windows begin a file with a byte order mark, which nobody types when logging in.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    not_empty(text.lines().next().unwrap_or_default())
}

fn not_empty(password: &str) -> Result<String, String> {
    if password.is_empty() {
        return Err("found an empty password, expected at least one character".to_owned());
    }
    Ok(password.to_owned())
}
