//! Parses arguments that set times and other facts.

use super::argument::{parse_mode, split_name};
use super::{Command, CommandError};
use crate::{CivilTime, NameEncoding, TimeError};

/// The facts that `MFF` sets.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FactChange {
    /// `Modify`: the modification time, in the zone of the session.
    pub modify: Option<CivilTime>,
    /// `UNIX.mode`: the permission bits, at most `0o7777`.
    pub unix_mode: Option<u32>,
}

impl FactChange {
    /// Parses `Modify=20240101000000;UNIX.mode=0644;`, in any case and order. Of two values for one
    /// fact, the last counts.
    pub(super) fn parse(facts: &[u8]) -> Result<Self, CommandError> {
        let facts = facts.strip_suffix(b";").ok_or(CommandError::Fact)?;
        let mut change = Self::default();
        for fact in facts.split(|&byte| byte == b';') {
            let equals = fact.iter().position(|&byte| byte == b'=');
            let (name, value) = fact.split_at(equals.ok_or(CommandError::Fact)?);
            let value = &value[1..];
            if name.eq_ignore_ascii_case(b"Modify") {
                change.modify = Some(CivilTime::parse_compact(value)?);
            } else if name.eq_ignore_ascii_case(b"UNIX.mode") {
                change.unix_mode = Some(parse_mode(value).map_err(|_| CommandError::UnixMode)?);
            } else {
                return Err(CommandError::Fact);
            }
        }
        Ok(change)
    }
}

/// Parses the argument of `MDTM`: a name, or a time and a name.
pub(super) fn parse_mdtm(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Command<'_>, CommandError> {
    Ok(match split_time(argument) {
        Some((time, path)) => Command::MdtmSet {
            time,
            path: encoding.decode_name(path)?,
            whole: encoding.decode_name(argument)?,
        },
        None => Command::Mdtm(encoding.decode_name(argument)?),
    })
}

/// Parses the argument of `MFMT`: a time and a name.
pub(super) fn parse_mfmt(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Command<'_>, CommandError> {
    let (time, path) = split_name(argument)?;
    Ok(Command::Mfmt {
        time: CivilTime::parse_compact(time)?,
        path: encoding.decode_name(path)?,
    })
}

/// Parses the argument of `MFF`: facts and a name.
pub(super) fn parse_mff(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Command<'_>, CommandError> {
    let (facts, path) = split_name(argument)?;
    Ok(Command::Mff {
        change: FactChange::parse(facts)?,
        path: encoding.decode_name(path)?,
    })
}

/// Parses the argument of `SITE UTIME`.
pub(super) fn parse_site_utime(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Command<'_>, CommandError> {
    let (time, utc, path) = split_utime(argument)?;
    Ok(Command::SiteUtime {
        time,
        utc,
        path: encoding.decode_name(path)?,
    })
}

/// Splits an argument that begins with a time into the time and the name; returns `None` for any
/// other.
fn split_time(argument: &[u8]) -> Option<(CivilTime, &[u8])> {
    let (time, name) = split_name(argument).ok()?;
    Some((CivilTime::parse_compact(time).ok()?, name))
}

/// Splits the argument of `SITE UTIME`, which clients send in two forms: a time and a name; or a
/// name, the times of access, modification and creation, and `UTC`. Returns the modification time,
/// whether it is in UTC, and the name.
fn split_utime(argument: &[u8]) -> Result<(CivilTime, bool, &[u8]), CommandError> {
    if let Some((time, name)) = split_three_times(argument) {
        return Ok((time, true, name));
    }
    let (time, name) = split_name(argument)?;
    Ok((parse_time(time)?, false, name))
}

fn split_three_times(argument: &[u8]) -> Option<(CivilTime, &[u8])> {
    let (rest, zone) = split_at_last_blank(argument)?;
    let (rest, created) = split_at_last_blank(rest)?;
    let (rest, modified) = split_at_last_blank(rest)?;
    let (name, accessed) = split_at_last_blank(rest)?;
    let is_right = zone.eq_ignore_ascii_case(b"UTC")
        && !name.is_empty()
        && [created, accessed]
            .into_iter()
            .all(|time| parse_time(time).is_ok());
    let time = parse_time(modified).ok()?;
    is_right.then_some((time, name))
}

/// Parses `YYYYMMDDhhmm`, with or without seconds.
fn parse_time(text: &[u8]) -> Result<CivilTime, TimeError> {
    if text.len() == 12 {
        CivilTime::parse_compact(&[text, b"00"].concat())
    } else {
        CivilTime::parse_compact(text)
    }
}

fn split_at_last_blank(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let blank = text.iter().rposition(|&byte| byte == b' ')?;
    Some((&text[..blank], &text[blank + 1..]))
}
