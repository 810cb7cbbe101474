//! Log lines on standard error.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use env_logger::Builder;
use ftpdlib::proto::CivilTime;
use log::{Level, LevelFilter};

use crate::error::escape_controls;

/// Sends the log to standard error. `RUST_LOG` filters it; without, everything from `info` up is
/// shown, or from `debug` up.
pub(crate) fn init(debug: bool) {
    let level = if debug {
        LevelFilter::Debug
    } else {
        LevelFilter::Info
    };
    Builder::new()
        .filter_level(level)
        .parse_default_env()
        .format(|out, record| {
            let message = record.args().to_string();
            write_line(out, record.level(), unix_now(), &message)
        })
        .init();
}

/// Writes `[I 2026-11-21 10:11:12] message`, in UTC; one line whatever the message holds.
fn write_line(out: &mut dyn Write, level: Level, unix: i64, message: &str) -> io::Result<()> {
    let letter = match level {
        Level::Error => 'E',
        Level::Warn => 'W',
        Level::Info => 'I',
        Level::Debug => 'D',
        Level::Trace => 'T',
    };
    let CivilTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = CivilTime::from_unix(unix);
    writeln!(
        out,
        "[{letter} {year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}] {}",
        escape_controls(message)
    )
}

fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_with_level_and_time() {
        #[track_caller]
        fn check(level: Level, unix: i64, message: &str, expected: &str) {
            let mut out = Vec::new();
            write_line(&mut out, level, unix, message).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        check(Level::Info, 0, "up", "[I 1970-01-01 00:00:00] up\n");
        check(
            Level::Warn,
            1_795_255_872,
            "a\r\nb\u{1b}[0m é",
            "[W 2026-11-21 10:11:12] a\\r\\nb\\u{1b}[0m é\n",
        );
    }
}
