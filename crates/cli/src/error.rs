//! One-line errors about the options or the configuration.

use std::fmt;
use std::path::Path;

use ftpdlib::proto::Escaped;

/// The place of a setting: an option, a variable or a line of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place(String);

impl Place {
    /// An option, named with its dashes.
    pub(crate) fn option(name: &str) -> Self {
        Self(format!("option {name}"))
    }

    /// An environment variable.
    pub(crate) fn variable(name: &str) -> Self {
        Self(format!("variable {name}"))
    }

    /// A line of a file; `key` is empty if there is none.
    pub(crate) fn line(path: &Path, line: usize, key: &str) -> Self {
        let colon = if key.is_empty() { "" } else { ": " };
        Self(format!("{}:{line}{colon}{key}", path.display()))
    }

    /// Returns the error for a problem at this place.
    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            place: Some(self.clone()),
            problem: problem.into(),
        }
    }
}

/// An error about an option or the configuration: its place and the problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ConfigError {
    place: Option<Place>,
    problem: String,
}

impl ConfigError {
    /// Returns an error about a command line as a whole.
    pub(crate) fn usage(problem: impl Into<String>) -> Self {
        Self {
            place: None,
            problem: problem.into(),
        }
    }

    /// Returns an error about one option, named with its dashes.
    pub(crate) fn option(name: &str, problem: impl Into<String>) -> Self {
        Place::option(name).error(problem)
    }

    /// Returns an error about a line of a file; `key` is empty if there is none.
    pub(crate) fn line(path: &Path, line: usize, key: &str, problem: impl Into<String>) -> Self {
        Place::line(path, line, key).error(problem)
    }
}

/// Always one line: disruptive characters in the texts are escaped.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if let Some(Place(place)) = &self.place {
            text.push_str(place);
            text.push_str(": ");
        }
        text.push_str(&self.problem);
        write!(f, "{}", Escaped(text.as_bytes()))
    }
}

impl std::error::Error for ConfigError {}
