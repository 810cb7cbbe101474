//! Civil time without a clock.

use std::fmt::{self, Display};

use thiserror::Error;

use crate::digits::{parse_decimal, push_two_digits, push_year};

/// A date and time of day without a zone, in the proleptic Gregorian calendar.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::CivilTime;
/// let time = CivilTime::parse_compact(b"20240229120000.5")?;
/// assert_eq!(time.to_unix(), 1_709_208_000);
/// assert_eq!(CivilTime::from_unix(1_709_208_000), time);
/// assert_eq!(time.to_string(), "2024-02-29 12:00:00");
/// assert_eq!(format!("{time:#}"), "2024-02-29T12:00:00");
/// # Ok::<(), ftpdlib_proto::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct CivilTime {
    /// Year; 0 is the year before 1. Any `i64` is possible.
    pub year: i64,
    /// Month, `1..=12`.
    pub month: u8,
    /// Day of the month, `1..=31`.
    pub day: u8,
    /// Hour, `0..=23`.
    pub hour: u8,
    /// Minute, `0..=59`.
    pub minute: u8,
    /// Second, `0..=59`, or 60 where a leap second was parsed.
    pub second: u8,
}

const SECONDS_PER_DAY: i64 = 86_400;

/// Days in 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;

/// Days from 0000-03-01, the start of era 0, to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

impl CivilTime {
    /// Converts seconds since 1970, which may be negative, to UTC. No instant is out of range.
    pub fn from_unix(seconds: i64) -> Self {
        // Here years begin in March: then the leap day is the last day of a year, and the months
        // before it have 153 days in five months, along a straight line.
        let days = seconds.div_euclid(SECONDS_PER_DAY) + DAYS_TO_1970;
        let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
        let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let (month, new_year) = match month_from_march {
            0..=9 => (month_from_march + 3, 0),
            _ => (month_from_march - 9, 1),
        };
        let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        Self {
            year: era * 400 + year_of_era + new_year,
            month: month as u8,
            day: day as u8,
            hour: (second_of_day / 3_600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
            second: (second_of_day % 60) as u8,
        }
    }

    /// Converts this time, taken as UTC, to seconds since 1970. A leap second is the first second
    /// of the next minute; years that are out of range give the nearest `i64`.
    pub fn to_unix(self) -> i64 {
        let new_year = i128::from(self.month <= 2);
        let year = i128::from(self.year) - new_year;
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month_from_march = i128::from(self.month) - 3 + 12 * new_year;
        let day_of_year = (153 * month_from_march + 2) / 5 + i128::from(self.day) - 1;
        let day_of_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * i128::from(DAYS_PER_ERA) + day_of_era - i128::from(DAYS_TO_1970);
        let second_of_day =
            i128::from(self.hour) * 3_600 + i128::from(self.minute) * 60 + i128::from(self.second);
        let seconds = days * i128::from(SECONDS_PER_DAY) + second_of_day;
        seconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// Parses `YYYYMMDDHHMMSS`, the time value of `MFMT` and of RFC 3659 §2.3.
    ///
    /// A fraction may follow, a point and one or more digits: it is checked and dropped. The day
    /// must exist in its month. Second 60 is accepted on any day.
    ///
    /// # Errors
    ///
    /// [`TimeError`] for anything else.
    pub fn parse_compact(text: &[u8]) -> Result<Self, TimeError> {
        let (digits, fraction) = text.split_at_checked(14).ok_or(TimeError)?;
        let fraction_is_right = match fraction.split_first() {
            None => true,
            Some((point, digits)) => {
                *point == b'.' && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
            }
        };
        if !fraction_is_right {
            return Err(TimeError);
        }
        let two = |at: usize| -> Result<u8, TimeError> {
            let number = parse_decimal(&digits[at..at + 2]).ok_or(TimeError)?;
            Ok(number as u8)
        };
        let time = Self {
            year: i64::from(two(0)?) * 100 + i64::from(two(2)?),
            month: two(4)?,
            day: two(6)?,
            hour: two(8)?,
            minute: two(10)?,
            second: two(12)?,
        };
        let exists = (1..=12).contains(&time.month)
            && (1..=days_in_month(time.year, time.month)).contains(&time.day)
            && time.hour <= 23
            && time.minute <= 59
            && time.second <= 60;
        if exists { Ok(time) } else { Err(TimeError) }
    }

    /// Appends `YYYYMMDDHHMMSS` (RFC 3659 §2.3). The year has four digits: years before 0 are shown
    /// as 0, years after 9999 as 9999.
    pub fn format_compact(self, out: &mut Vec<u8>) {
        push_year(out, self.year);
        for field in [self.month, self.day, self.hour, self.minute, self.second] {
            push_two_digits(out, field);
        }
    }
}

/// Formats as `YYYY-MM-DD hh:mm:ss`; with `{:#}`, there is a `T` between date and time, as in
/// RFC 3339.
impl Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        let between = if f.alternate() { 'T' } else { ' ' };
        write!(f, "{year:04}-{month:02}-{day:02}{between}")?;
        write!(f, "{hour:02}:{minute:02}:{second:02}")
    }
}

/// Error for text that is not a time value, or names a day or time that does not exist.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("invalid time, expected YYYYMMDDHHMMSS")]
pub struct TimeError;

/// The zone in which times are shown and set (pyftpdlib: `use_gmt_times`).
///
/// The enum is complete: the function can stand for any zone.
#[derive(Clone, Copy, Debug)]
pub enum Zone {
    /// Greenwich mean time.
    Gmt,
    /// Local time. The function maps an instant, in seconds since 1970, to the offset east of UTC,
    /// in seconds.
    Local(fn(i64) -> i32),
}

impl Zone {
    /// Converts an instant, in seconds since 1970, to civil time.
    pub fn civil(self, unix: i64) -> CivilTime {
        CivilTime::from_unix(unix.saturating_add(self.offset(unix)))
    }

    /// Converts a civil time to an instant, in seconds since 1970. A time that a change of the
    /// offset repeats or skips gives an instant within that change.
    pub fn unix(self, civil: CivilTime) -> i64 {
        let as_utc = civil.to_unix();
        // The offset is only known by instant. The first guess is off by at most the change; the
        // offset there is right, unless the civil time is itself ambiguous.
        let guess = as_utc.saturating_sub(self.offset(as_utc));
        as_utc.saturating_sub(self.offset(guess))
    }

    fn offset(self, unix: i64) -> i64 {
        match self {
            Self::Gmt => 0,
            Self::Local(offset_at) => offset_at(unix).into(),
        }
    }
}

fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(time: CivilTime) -> String {
        let mut out = Vec::new();
        time.format_compact(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[track_caller]
    fn check(text: &str, unix: Option<i64>) {
        let got = CivilTime::parse_compact(text.as_bytes())
            .ok()
            .map(CivilTime::to_unix);
        assert_eq!(got, unix, "{text:?}");
    }

    #[test]
    fn times_are_seconds_since_1970() {
        check("19700101000000", Some(0));
        check("19691231235959", Some(-1));
        check("20000229000000", Some(951_782_400));
        check("20380119031408", Some(1 << 31));
        check("00000301000000", Some(-DAYS_TO_1970 * SECONDS_PER_DAY));
        check("99991231235959", Some(253_402_300_799));
        check("20161231235960", Some(1_483_228_800));
        check("20161231235959.999", Some(1_483_228_799));
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        check("20230229000000", None);
        check("19000229000000", None);
        check("20240431000000", None);
        check("20240001000000", None);
        check("20241301000000", None);
        check("20240100000000", None);
        check("20240101240000", None);
        check("20240101006000", None);
        check("20240101000061", None);
    }

    #[test]
    fn the_form_is_strict() {
        for text in [
            "",
            "2024",
            "2024010100000",
            "202401010000000",
            "2024-101000000",
        ] {
            check(text, None);
        }
        for text in [
            "20240101000000.",
            "20240101000000.x",
            "20240101000000,5",
            "+0240101000000",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn far_years_are_clamped_to_four_digits() {
        assert!(compact(CivilTime::from_unix(i64::MIN)).starts_with("0000"));
        assert!(compact(CivilTime::from_unix(i64::MAX)).starts_with("9999"));
    }

    #[test]
    fn extreme_civil_times_are_clamped() {
        let time = |year| CivilTime {
            year,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
        };
        assert_eq!(time(i64::MAX).to_unix(), i64::MAX);
        assert_eq!(time(i64::MIN).to_unix(), i64::MIN);
    }

    /// An offset that moves one hour east during a made-up summer time.
    fn with_summer_time(unix: i64) -> i32 {
        if (1_000_000_000..1_010_000_000).contains(&unix) {
            -14_400
        } else {
            -18_000
        }
    }

    #[test]
    fn local_times_at_a_change_of_the_offset_come_back() {
        let zone = Zone::Local(with_summer_time);
        for change in [1_000_000_000, 1_010_000_000] {
            for distance in [-7_201, -3_601, 0, 1, 3_601, 7_201] {
                let unix = change + distance;
                let back = zone.unix(zone.civil(unix));
                assert_eq!(zone.civil(back), zone.civil(unix), "{unix}");
            }
        }
    }

    proptest! {
        #[test]
        fn instants_round_trip(unix: i64) {
            prop_assert_eq!(CivilTime::from_unix(unix).to_unix(), unix);
        }

        #[test]
        fn days_follow_each_other(day in -1_000_000i64..1_000_000) {
            let today = CivilTime::from_unix(day * SECONDS_PER_DAY);
            let tomorrow = CivilTime::from_unix((day + 1) * SECONDS_PER_DAY);
            let month_ends = today.day == days_in_month(today.year, today.month);
            prop_assert!(today < tomorrow);
            prop_assert_eq!(tomorrow.day, if month_ends { 1 } else { today.day + 1 });
        }

        #[test]
        fn compact_times_round_trip(unix in -62_167_219_200i64..253_402_300_800) {
            let time = CivilTime::from_unix(unix);
            prop_assert_eq!(CivilTime::parse_compact(compact(time).as_bytes()), Ok(time));
        }

        #[test]
        fn no_field_makes_it_panic(
            year: i64,
            fields: [u8; 5],
            offset in prop::sample::select(vec![i32::MIN, 0, i32::MAX]),
        ) {
            let [month, day, hour, minute, second] = fields;
            let time = CivilTime { year, month, day, hour, minute, second };
            let zone = match offset {
                0 => Zone::Gmt,
                i32::MIN => Zone::Local(|_| i32::MIN),
                _ => Zone::Local(|_| i32::MAX),
            };
            let _ = zone.civil(zone.unix(time));
            compact(time);
        }

        #[test]
        fn parsing_never_panics(text: Vec<u8>) {
            let _ = CivilTime::parse_compact(&text);
        }
    }
}
