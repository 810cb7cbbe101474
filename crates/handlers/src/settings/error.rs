//! What is wrong with a setting.

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

    /// Name of the setting, as the method that sets it.
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}
