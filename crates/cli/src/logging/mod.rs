//! Log lines on standard error.

mod gathered;
mod line;
mod standard_error;

use std::cell::{Cell, RefCell};
use std::env;

use env_filter::ParseError;
use env_logger::{Builder, Target};
use ftpdlib::ioloop::{at_turn_end, is_in_turn};
use log::{Level, LevelFilter, Log, Metadata, Record};

use gathered::Gathered;
use line::{LogLine, unix_now};
use standard_error::StandardError;

/// The variable that filters the log.
const RUST_LOG: &str = "RUST_LOG";

/// Sends the log to standard error. `RUST_LOG` filters it; the default is everything from `info`
/// up, or from `debug` up if `debug` is set.
pub(crate) fn init(debug: bool) {
    let level = if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    };
    // If this fails, the process is out of descriptors or memory, which a later step reports.
    let lines = StandardError::open().ok().map(Gathered::new);
    let target = match &lines {
        Some(lines) => Target::Pipe(Box::new(lines.clone())),
        None => Target::Stderr,
    };
    let filters_set = env::var_os(RUST_LOG).unwrap_or_default();
    let (filters, problem) = filters(&filters_set.to_string_lossy());
    let logger = Builder::new()
        .filter_level(level)
        .parse_filters(&filters)
        .target(target)
        .format(|out, record| {
            // Taken rather than borrowed: a value that is formatted for the line may itself log
            // something.
            let mut line = LINE.try_with(RefCell::take).unwrap_or_default();
            let written = line.write(out, record.level(), unix_now(), record.args());
            // A thread that is ending no longer needs the buffer.
            let _ = LINE.try_with(|kept| kept.replace(line));
            written
        })
        .build();
    log::set_max_level(logger.filter());
    let was_first = log::set_boxed_logger(Box::new(GatheringLogger { logger, lines }));
    debug_assert!(was_first.is_ok(), "there is one logger");
    at_turn_end(|| log::logger().flush());
    if let Some(problem) = problem {
        log::error!("the variable {RUST_LOG} is wrong in part, which is ignored: {problem}");
    }
}

/// Returns the part of a filter that can be parsed, and the problem with the rest. The logger would
/// print the problem itself, and panic if standard error accepts nothing.
fn filters(text: &str) -> (String, Option<ParseError>) {
    let check = |text: &str| env_filter::Builder::new().try_parse(text).map(drop);
    let Err(problem) = check(text) else {
        return (text.to_owned(), None);
    };
    let (levels, pattern) = text.split_at(text.find('/').unwrap_or(text.len()));
    let levels = levels.split(',').filter(|one| check(one).is_ok());
    let part = levels.collect::<Vec<_>>().join(",") + pattern;
    let part = Some(part).filter(|part| check(part).is_ok());
    (part.unwrap_or_default(), Some(problem))
}

/// Writes a loop's ordinary events together, once per turn, and everything else at once: with many
/// clients this saves a tenth of the whole work for a session.
struct GatheringLogger {
    logger: env_logger::Logger,
    lines: Option<Gathered<StandardError>>,
}

impl Log for GatheringLogger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.logger.log(record);
        let gathers = record.level() == Level::Info && is_in_turn();
        WAITS.set(true);
        if !gathers {
            self.flush();
        }
    }

    /// Writes the lines of this thread and all earlier ones. Other threads' lines cannot be left
    /// over when a process forks, since it has a single thread then.
    fn flush(&self) {
        if WAITS.replace(false)
            && let Some(lines) = &self.lines
        {
            lines.write_out();
        }
    }
}

thread_local! {
    /// A busy server logs a line per file, so its buffers are kept, and its formatted time for a
    /// second.
    static LINE: RefCell<LogLine> = RefCell::default();

    /// Whether this thread has a line that may wait to be written.
    static WAITS: Cell<bool> = const { Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_a_filter_is_left_out() {
        for (text, expected, is_wrong) in [
            ("", "", false),
            (
                "debug,ftpdlib=warn,x=/words",
                "debug,ftpdlib=warn,x=/words",
                false,
            ),
            ("x=99", "", true),
            ("debug,x=99,a=b=c,y=off/words", "debug,y=off/words", true),
            ("debug/a/b", "", true),
        ] {
            let (part, problem) = filters(text);
            assert_eq!((&*part, problem.is_some()), (expected, is_wrong), "{text}");
        }
    }
}
