//! The password of `--username`, from any of its sources.

use std::path::Path;

use crate::args::Args;
use crate::environment::{Environment, PASSWORD};
use crate::error::{ConfigError, Place};
use crate::text_file::{self, Readable};

/// Returns the password from the options, or else from the environment, and where it was found.
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
        (Place::variable(PASSWORD), text.and_then(not_empty))
    } else {
        let problem = format!(
            "found no password, expected --password, --password-file or the variable {PASSWORD}"
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
    // Editors on Windows start a file with a byte order mark, which is not part of the password.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    not_empty(text.lines().next().unwrap_or_default())
}

fn not_empty(password: &str) -> Result<String, String> {
    if password.is_empty() {
        return Err("found an empty password, expected at least one character".to_owned());
    }
    Ok(password.to_owned())
}
