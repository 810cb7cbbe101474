//! What the settings depend on besides the options and the configuration file.

use std::env;
use std::ffi::OsString;

use crate::text_file::Readable;

/// The password of `--username`.
pub(crate) const PASSWORD: &str = "FTPDLIB_PASSWORD";

/// Tells the program that takes over whether this one is
/// [configured](Environment::is_configured).
pub(crate) const CONFIGURED: &str = "FTPDLIB_CONFIGURED";

/// The variables of the process, and how far its start has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// [`PASSWORD`].
    pub(crate) password: Option<OsString>,
    /// Which files may be read, the configuration included.
    pub(crate) readable: Readable,
    /// The server that runs has its settings from a file that was not empty: this one, or the one
    /// that this program takes over from.
    pub(crate) is_configured: bool,
}

impl Environment {
    /// That of a process that starts.
    pub(crate) fn of_process() -> Self {
        Self {
            password: env::var_os(PASSWORD),
            readable: Readable::Anything,
            is_configured: env::var_os(CONFIGURED).is_some_and(|value| value == "true"),
        }
    }

    /// The same where the loop that supervises processes reads files itself, and must not wait for
    /// a writer.
    pub(crate) fn of_supervisor(self) -> Self {
        Self {
            readable: Readable::Regular,
            ..self
        }
    }
}
