//! Civil time without a clock.

/// A date and time of day without a zone.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct CivilTime {
    /// Year, 1970-based proleptic Gregorian, may be before 1970.
    pub year: i64,
    /// 1..=12
    pub month: u8,
    /// 1..=31
    pub day: u8,
    /// 0..=23
    pub hour: u8,
    /// 0..=59
    pub minute: u8,
    /// 0..=60 when parsed
    pub second: u8,
}
impl CivilTime {
    /// From seconds since 1970.
    pub fn from_unix(_seconds: i64) -> Self {
        todo!()
    }
    /// To seconds since 1970.
    pub fn to_unix(self) -> i64 {
        todo!()
    }
    /// Parses `YYYYMMDDHHMMSS[.fraction]` (RFC 3659 §2.3); the fraction is checked and dropped.
    pub fn parse_compact(_text: &[u8]) -> Result<Self, TimeError> {
        todo!()
    }
    /// Appends `YYYYMMDDHHMMSS`.
    pub fn format_compact(self, _out: &mut Vec<u8>) {
        todo!()
    }
}

/// Not a valid time value.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("invalid time, expected YYYYMMDDHHMMSS")]
pub struct TimeError;

/// The zone times are shown in (`use_gmt_times`).
#[derive(Clone, Copy, Debug)]
pub enum Zone {
    /// Greenwich mean time.
    Gmt,
    /// Local time; the function gives the offset east of UTC, in seconds, at a UTC instant.
    Local(fn(i64) -> i32),
}
impl Zone {
    /// The civil time of an instant.
    pub fn civil(self, _unix: i64) -> CivilTime {
        todo!()
    }
    /// The instant of a civil time.
    pub fn unix(self, _civil: CivilTime) -> i64 {
        todo!()
    }
}
