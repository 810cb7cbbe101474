//! The error for a setting that cannot be used.

use thiserror::Error;

/// A setting that cannot be used.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{setting} {reason}")]
pub struct SettingsError {
    setting: &'static str,
    reason: String,
}

impl SettingsError {
    pub(crate) fn new(setting: &'static str, reason: impl Into<String>) -> Self {
        Self {
            setting,
            reason: reason.into(),
        }
    }

    /// The name of the setting, which is that of the method that sets it.
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}
