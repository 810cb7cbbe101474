//! The format with one JSON object per line.

use std::fmt::Write;
use std::time::SystemTime;

use ftpdlib::handlers::{ObservedSession, ObservedTransfer};
use ftpdlib::proto::{CivilTime, TransferDirection, TransferEnd, TransferType, is_disruptive};

use super::unix;

pub(super) fn line(
    session: &ObservedSession,
    transfer: &ObservedTransfer,
    ended: SystemTime,
) -> String {
    let path = String::from_utf8_lossy(transfer.file.path.as_bytes());
    let real_path = transfer.file.real_path.as_ref();
    let real_path = real_path.map(|path| path.to_string_lossy());
    let direction = match transfer.direction {
        TransferDirection::Download => "out",
        TransferDirection::Upload => "in",
    };
    let transfer_type = match transfer.transfer_type {
        TransferType::Ascii => "ascii",
        TransferType::Image => "image",
    };
    let mut line = format!("{{\"time\":{}", quoted(&rfc3339(ended)));
    for (key, value) in [
        ("session", Some(session.id().to_string())),
        ("peer", Some(quoted(&session.peer().to_string()))),
        ("local", Some(quoted(&session.local().to_string()))),
        ("user", session.username().map(quoted)),
        ("secure", Some(transfer.secure.to_string())),
        ("command", Some(quoted(transfer.verb))),
        ("path", Some(quoted(&path))),
        ("real_path", real_path.as_deref().map(quoted)),
        ("direction", Some(quoted(direction))),
        ("type", Some(quoted(transfer_type))),
        ("bytes", Some(transfer.bytes.to_string())),
        (
            "seconds",
            Some(format!("{:.6}", transfer.duration.as_secs_f64())),
        ),
        ("end", Some(quoted(end(&transfer.end)))),
    ] {
        let value = value.as_deref().unwrap_or("null");
        // Writing to a string does not fail.
        let _ = write!(line, ",\"{key}\":{value}");
    }
    line.push_str("}\n");
    line
}

fn end(end: &TransferEnd) -> &'static str {
    match end {
        TransferEnd::Complete => "complete",
        TransferEnd::Truncated => "truncated",
        TransferEnd::Unsecured => "unsecured",
        TransferEnd::Reset => "reset",
        TransferEnd::Aborted => "aborted",
        TransferEnd::LocalError => "local error",
        TransferEnd::Stalled => "stalled",
        TransferEnd::ControlLost => "control connection lost",
        TransferEnd::Shutdown => "shutdown",
    }
}

/// `2026-11-21T10:11:12.123Z`.
fn rfc3339(time: SystemTime) -> String {
    let (seconds, millis) = unix(time);
    format!("{:#}.{millis:03}Z", CivilTime::from_unix(seconds))
}

/// Formats a string of RFC 8259, in which control characters, and those that change how a line is
/// displayed, are escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            _ if is_disruptive(character) => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let _ = write!(quoted, "\\u{unit:04x}");
                }
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn strings_are_quoted() {
        assert_eq!(quoted("a\"\\é\r\n\u{7f}"), r#""a\"\\é\u000d\u000a\u007f""#);
        assert_eq!(quoted("\u{202e}gpj\u{2028}"), r#""\u202egpj\u2028""#);
    }

    #[test]
    fn a_transfer_that_tls_refused_had_no_word_of_its_own() {
        let ends = [
            TransferEnd::Complete,
            TransferEnd::Truncated,
            TransferEnd::Unsecured,
            TransferEnd::Reset,
            TransferEnd::Aborted,
            TransferEnd::LocalError,
            TransferEnd::Stalled,
            TransferEnd::ControlLost,
            TransferEnd::Shutdown,
        ];
        let words: HashSet<_> = ends.iter().map(end).collect();
        assert_eq!(words.len(), ends.len(), "{words:?}");
    }

    #[test]
    fn times_have_milliseconds() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_255_872_007);
        assert_eq!(rfc3339(time), "2026-11-21T10:11:12.007Z");
    }
}
