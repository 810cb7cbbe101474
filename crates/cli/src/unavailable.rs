//! Keys that are documented but not available in this version. Remove a line when you implement it.

use crate::config::{AuthorizerKind, ConfigFile};
use crate::error::ConfigError;

/// Refuses keys that would otherwise have to be ignored.
pub(crate) fn refuse(file: Option<&ConfigFile>) -> Result<(), ConfigError> {
    match file {
        Some(file) if file.config().authorizer.kind == AuthorizerKind::Windows => Err(file.error(
            "authorizer.kind",
            "found \"windows\", which is not available in this version, expected \"dummy\" or \
             \"unix\"",
        )),
        _ => Ok(()),
    }
}
