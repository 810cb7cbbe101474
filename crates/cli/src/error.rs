//! What is wrong with the options or the configuration, in one line.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// A wrong option or configuration: where it is, and what is wrong with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ConfigError {
    place: Option<String>,
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
        Self {
            place: Some(format!("option {name}")),
            problem: problem.into(),
        }
    }

    /// About an environment variable.
    pub(crate) fn variable(name: &str, problem: impl Into<String>) -> Self {
        Self {
            place: Some(format!("variable {name}")),
            problem: problem.into(),
        }
    }

    /// About a line of a file; `key` is empty where the line has none.
    pub(crate) fn line(path: &Path, line: usize, key: &str, problem: impl Into<String>) -> Self {
        let colon = if key.is_empty() { "" } else { ": " };
        Self {
            place: Some(format!("{}:{line}{colon}{key}", path.display())),
            problem: problem.into(),
        }
    }
}

/// One line whatever the texts hold: control characters are shown escaped.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if let Some(place) = &self.place {
            text.push_str(place);
            text.push_str(": ");
        }
        text.push_str(&self.problem);
        f.write_str(&escape_controls(&text))
    }
}

impl std::error::Error for ConfigError {}

/// `text` with its control characters escaped, so that it stays one line.
pub(crate) fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}
