//! A configuration file and its path.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::shape::{self, Misplaced};
use super::{Config, locate};
use crate::error::{ConfigError, Place};
use crate::text_file::{self, Readable};

/// A parsed file, with its text for error positions.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    text: String,
    config: Config,
    is_empty: bool,
}

impl ConfigFile {
    /// Reads the file that `--config` names.
    ///
    /// # Errors
    ///
    /// The first error: the file cannot be read, is not TOML, or contains an unknown key, a wrong
    /// type or a wrong value. Checks that involve several keys come later.
    pub(crate) fn read(path: &Path, readable: Readable) -> Result<Self, ConfigError> {
        let bytes = text_file::read(path, readable)
            .map_err(|problem| ConfigError::option("--config", problem))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..valid]
                .iter()
                .filter(|&&b| b == b'\n')
                .count();
            ConfigError::line(
                path,
                line,
                "",
                "found bytes that are not UTF-8, expected TOML",
            )
        })?;
        Self::parse(path, text)
    }

    /// Parses `text` as the file at `path`, which need not exist.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), except for reading the file.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let document = DeTable::parse(&text).ok();
        // If the text is no document, the parser reports the error below.
        let is_empty = document
            .as_ref()
            .is_some_and(|document| document.get_ref().is_empty());
        if let Some(Misplaced {
            key,
            found,
            expected,
        }) = document.and_then(|document| shape::misplaced(document.get_ref()))
        {
            let line = locate::line_of(&text, &key);
            let problem = format!("found {found}, expected {expected}");
            return Err(ConfigError::line(path, line, &key, problem));
        }
        let config = toml::from_str(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let line = locate::line_at(&text, offset);
            let mut key = locate::key_at(&text, offset);
            if key.is_empty() && is_about_key(error.message()) {
                key = locate::header_at(&text, offset);
            }
            let problem = if is_secret(&key) && !is_about_key(error.message()) {
                "expected a string in quotes".to_owned()
            } else {
                words(error.message())
            };
            ConfigError::line(path, line, &key, problem)
        })?;
        Ok(Self {
            path: path.to_owned(),
            text,
            config,
            is_empty,
        })
    }

    /// The parsed configuration.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the file has no key and no table, at most comments.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The file's path, as given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Resolves a path from the file: relative paths start from the file's directory.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.path
            .parent()
            .map_or_else(|| path.to_owned(), |directory| directory.join(path))
    }

    /// The error for a file that is empty but must not be.
    pub(crate) fn empty_error(&self) -> ConfigError {
        let problem = match self.text.trim() {
            "" => "found an empty file, expected the configuration",
            _ => "found only comments, expected the configuration",
        };
        ConfigError::line(&self.path, 1, "", problem)
    }

    /// The error for a key, such as `users[0].home`.
    pub(crate) fn error(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        self.place(key).error(problem)
    }

    /// The position of a key.
    pub(crate) fn place(&self, key: &str) -> Place {
        Place::line(&self.path, locate::line_of(&self.text, key), key)
    }
}

/// Whether the value of this key must not be shown.
fn is_secret(key: &str) -> bool {
    key.ends_with("password") || key.ends_with("password_hash")
}

/// Whether the parser's message is about the key, and so does not show its value.
fn is_about_key(message: &str) -> bool {
    message.starts_with("duplicate key") || message.starts_with("unknown field ")
}

/// Rewrites the parser's message in the words of a configuration file, on one line.
fn words(message: &str) -> String {
    if message.starts_with("duplicate key") || message.starts_with("cannot extend value") {
        return "found again, expected each key once".to_owned();
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("missing key {key}, expected it in this table");
    }
    const WORDS: [(&str, &str); 16] = [
        ("unknown field ", "unknown key "),
        ("invalid type: ", "found "),
        ("invalid value: ", "found "),
        ("unknown variant ", "found "),
        ("found sequence", "found a list"),
        ("found map", "found a table"),
        ("expected a sequence", "expected a list"),
        ("expected a map", "expected a table"),
        ("expected a boolean", "expected true or false"),
        ("expected path string", "expected a string"),
        ("expected i64", "expected a whole number"),
        ("expected literal string", "expected a string in quotes"),
        ("` as i128", "`"),
        ("` as u128", "`"),
        ("\n", ", "),
        (", expected nothing", ""),
    ];
    let mut words = message.to_owned();
    for (theirs, ours) in WORDS {
        words = words.replace(theirs, ours);
    }
    if !words.contains(", expected ") {
        words += match is_about_number(message) {
            true => ", expected a number",
            false => ", expected TOML",
        };
    }
    words
}

/// Whether the parser complains of how a number is written.
fn is_about_number(message: &str) -> bool {
    const WORDS: [&str; 6] = ["number", "float", "digits", "zero", "sign", "radix"];
    WORDS.iter().any(|word| message.contains(word))
}

#[cfg(test)]
mod tests;
