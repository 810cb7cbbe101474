//! Log lines on standard error.

mod line;
mod standard_error;

use std::cell::RefCell;

use env_logger::{Builder, Target};
use log::LevelFilter;

use line::{LogLine, unix_now};
use standard_error::StandardError;

/// Sends the log to standard error. `RUST_LOG` filters it; the default is everything from `info`
/// up, or from `debug` up.
pub(crate) fn init(debug: bool) {
    let level = if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    };
    let target = match StandardError::open() {
        Ok(standard_error) => Target::Pipe(Box::new(standard_error)),
        // The process has no descriptor left, which whatever comes next tells.
        Err(_) => Target::Stderr,
    };
    Builder::new()
        .filter_level(level)
        .parse_default_env()
        .target(target)
        .format(|out, record| {
            // Taken, not borrowed: what is shown in a line might have something to log, too.
            let mut line = LINE.try_with(RefCell::take).unwrap_or_default();
            let written = line.write(out, record.level(), unix_now(), record.args());
            // A thread that ends has no use for it any more.
            let _ = LINE.try_with(|kept| kept.replace(line));
            written
        })
        .init();
}

thread_local! {
    /// A busy server writes a line for each file: its buffers are kept, and its time for a second.
    static LINE: RefCell<LogLine> = RefCell::default();
}
