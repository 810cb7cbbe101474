//! wu-ftpd's format, which log analysers understand.

use std::time::SystemTime;

use ftpdlib::handlers::{ObservedSession, ObservedTransfer};
use ftpdlib::proto::{CivilTime, TransferDirection, TransferEnd, TransferType, is_disruptive};

use super::unix;

/// Formats the fourteen fields: time (UTC), seconds, address, bytes, file, type, no special action,
/// direction, access mode, user, service, no authentication method, no authenticated user, whether
/// complete.
pub(super) fn line(
    session: &ObservedSession,
    transfer: &ObservedTransfer,
    ended: SystemTime,
) -> String {
    let user = session.username().unwrap_or("-");
    format!(
        "{} {} {} {} {} {} _ {} {} {} ftp 0 * {}\n",
        ctime(unix(ended).0),
        // A transfer of less than half a second counts as one second, to avoid infinite rates.
        transfer.duration.as_secs_f64().round().max(1.0),
        session.peer().ip(),
        transfer.bytes,
        word(&file(transfer)),
        match transfer.transfer_type {
            TransferType::Ascii => 'a',
            TransferType::Image => 'b',
        },
        match transfer.direction {
            TransferDirection::Download => 'o',
            TransferDirection::Upload => 'i',
        },
        if user == "anonymous" { 'a' } else { 'r' },
        word(user),
        if transfer.end == TransferEnd::Complete {
            'c'
        } else {
            'i'
        },
    )
}

/// Returns the real path if it is known.
fn file(transfer: &ObservedTransfer) -> String {
    match &transfer.file.real_path {
        Some(path) => path.to_string_lossy().into_owned(),
        None => String::from_utf8_lossy(transfer.file.path.as_bytes()).into_owned(),
    }
}

/// Returns text as one field: characters that would end it or change how it is displayed become
/// underscores.
fn word(text: &str) -> String {
    let separates = |character: char| character.is_whitespace() || is_disruptive(character);
    text.replace(separates, "_")
}

/// `Sat Nov 21 10:11:12 2026`.
fn ctime(unix: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let CivilTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = CivilTime::from_unix(unix);
    // 1970 began on a Thursday.
    let week_day = DAYS[unix.div_euclid(86_400).rem_euclid(7) as usize];
    let month = MONTHS[usize::from(month).saturating_sub(1) % 12];
    format!("{week_day} {month} {day:>2} {hour:02}:{minute:02}:{second:02} {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_ctime() {
        #[track_caller]
        fn check(unix: i64, expected: &str) {
            assert_eq!(ctime(unix), expected);
        }
        check(0, "Thu Jan  1 00:00:00 1970");
        check(1_795_255_872, "Sat Nov 21 10:11:12 2026");
        check(951_782_400, "Tue Feb 29 00:00:00 2000");
    }

    #[test]
    fn a_name_is_one_field() {
        assert_eq!(word("/a b\tc\r\nd"), "/a_b_c__d");
        assert_eq!(word("/\u{202e}gpj.exe\u{2028}\u{2066}é"), "/_gpj.exe__é");
    }
}
