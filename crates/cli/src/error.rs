//! Errors in the options or the configuration, in one line each.

use std::fmt;
use std::path::Path;

use ftpdlib::proto::Escaped;

/// The place of a setting: an option, a variable or a line of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place(String);

impl Place {
    /// One option, named with its dashes.
    pub(crate) fn option(name: &str) -> Self {
        Self(format!("option {name}"))
    }

    /// An environment variable.
    pub(crate) fn variable(name: &str) -> Self {
        Self(format!("variable {name}"))
    }

    /// A line of a file; `key` is empty where the line has none.
    pub(crate) fn line(path: &Path, line: usize, key: &str) -> Self {
        let colon = if key.is_empty() { "" } else { ": " };
        Self(format!("{}:{line}{colon}{key}", path.display()))
    }

    /// What is wrong there.
    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            place: Some(self.clone()),
            problem: problem.into(),
        }
    }
}

/// A wrong option or configuration: where it is, and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ConfigError {
    place: Option<Place>,
    problem: String,
}

impl ConfigError {
    /// About a command line as a whole.
    pub(crate) fn usage(problem: impl Into<String>) -> Self {
        Self {
            place: None,
            problem: problem.into(),
        }
    }

    /// About one option, named with its dashes.
    pub(crate) fn option(name: &str, problem: impl Into<String>) -> Self {
        Place::option(name).error(problem)
    }

    /// About a line of a file; `key` is empty where the line has none.
    pub(crate) fn line(path: &Path, line: usize, key: &str, problem: impl Into<String>) -> Self {
        Place::line(path, line, key).error(problem)
    }
}

/// One line whatever the texts hold: disruptive characters are shown escaped.
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
