//! What the settings depend on besides the options and the configuration file.

use std::env;
use std::ffi::OsString;

use crate::text_file::Readable;

/// The variable with the password of `--username`.
pub(crate) const PASSWORD: &str = "FTPDLIB_PASSWORD";

/// The variable that tells a successor whether this process is
/// [configured](Environment::is_configured).
pub(crate) const CONFIGURED: &str = "FTPDLIB_CONFIGURED";

/// The variables of the process, and how far its start has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// The value of [`PASSWORD`].
    pub(crate) password: Option<OsString>,
    /// Which files may be read, including the configuration file.
    pub(crate) readable: Readable,
    /// Whether the running server, in this process or its predecessor, was configured by a file
    /// that was not empty.
    pub(crate) is_configured: bool,
}

impl Environment {
    /// Returns the environment of a process that is starting.
    pub(crate) fn of_process() -> Self {
        Self {
            password: env::var_os(PASSWORD),
            readable: Readable::Anything,
            is_configured: env::var_os(CONFIGURED).is_some_and(|value| value == "true"),
        }
    }

    /// Returns the environment for a loop that supervises processes: it reads files itself and must
    /// not wait for a writer.
    pub(crate) fn of_supervisor(self) -> Self {
        Self {
            readable: Readable::Regular,
            ..self
        }
    }
}
