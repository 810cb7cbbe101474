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
/// up, or from `debug` up.
pub(crate) fn init(debug: bool) {
    let level = if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    };
    // Without one the process has no descriptor or no memory left, which whatever comes next tells.
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
            // Taken, not borrowed: what is shown in a line might have something to log, too.
            let mut line = LINE.try_with(RefCell::take).unwrap_or_default();
            let written = line.write(out, record.level(), unix_now(), record.args());
            // A thread that ends has no use for it any more.
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

/// The part of a filter that can be read, and what is wrong with the rest. The logger would print
/// that, and panic where standard error takes nothing.
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

/// Writes what a loop tells of ordinary events once for all of a turn, and everything else at once:
/// with many clients that saves a tenth of all that there is to do for a session.
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

    /// Writes what this thread has logged, and all that came before: nobody else's lines wait where
    /// a process forks, since it has one thread then.
    fn flush(&self) {
        if WAITS.replace(false)
            && let Some(lines) = &self.lines
        {
            lines.write_out();
        }
    }
}

thread_local! {
    /// A busy server writes a line for each file: its buffers are kept, and its time for a second.
    static LINE: RefCell<LogLine> = RefCell::default();

    /// Whether a line of this thread may wait to be written.
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
