//! The format of a log line.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use ftpdlib::proto::{CivilTime, Escaped};
use log::Level;

/// Formats lines such as `[I 2026-11-21 10:11:12] message`, in UTC.
#[derive(Default)]
pub(super) struct LogLine {
    message: String,
    time: String,
    /// The time that `time` shows, in seconds since 1970.
    unix: Option<i64>,
}

impl LogLine {
    /// Writes exactly one line, whatever the message contains.
    pub(super) fn write(
        &mut self,
        out: &mut dyn Write,
        level: Level,
        unix: i64,
        message: &fmt::Arguments<'_>,
    ) -> io::Result<()> {
        if self.unix != Some(unix) {
            (self.unix, self.time) = (Some(unix), CivilTime::from_unix(unix).to_string());
        }
        self.message.clear();
        self.message.write_fmt(*message).map_err(io::Error::other)?;
        let (letter, time) = (letter(level), &self.time);
        let message = Escaped(self.message.as_bytes());
        writeln!(out, "[{letter} {time}] {message}")
    }
}

fn letter(level: Level) -> char {
    match level {
        Level::Error => 'E',
        Level::Warn => 'W',
        Level::Info => 'I',
        Level::Debug => 'D',
        Level::Trace => 'T',
    }
}

pub(super) fn unix_now() -> i64 {
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
            let mut line = LogLine::default();
            for _ in 0..2 {
                out.clear();
                line.write(&mut out, level, unix, &format_args!("{message}"))
                    .unwrap();
            }
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

    #[test]
    fn a_name_had_a_line_shown_backwards() {
        let mut out = Vec::new();
        let message = format_args!("DELE {} 250", "/\u{202e}gpj.exe\u{2028}[I");
        let mut line = LogLine::default();
        line.write(&mut out, Level::Info, 0, &message).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "[I 1970-01-01 00:00:00] DELE /\\u{202e}gpj.exe\\u{2028}[I 250\n"
        );
    }
}
