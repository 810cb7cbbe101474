//! The server at work.

use std::io;

use crate::error::ConfigError;
use crate::settings::Settings;

/// Serves until a signal ends it. `reload` gives the settings as the file says at that time.
///
/// # Errors
///
/// What kept it from binding, or ended it.
pub(crate) fn serve(
    _settings: Settings,
    _reload: impl Fn() -> Result<Settings, ConfigError>,
) -> io::Result<()> {
    // TODO: build the server through the facade once it exists: bind, `notify::ready`, the start
    // lines, signals (`notify::reloading` with `reload`, `notify::stopping`), drain.
    Err(io::Error::other("serving is not built yet"))
}
