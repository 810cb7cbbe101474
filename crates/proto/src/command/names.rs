//! Parses arguments of several names, and of names followed by numbers.

use std::borrow::Cow;

use super::argument::parse_number;
use super::line::split_at_blank;
use super::{Command, CommandError};
use crate::digits::parse_decimal;
use crate::{ByteRange, HashAlgorithm, NameEncoding};

/// The argument of `XCRC` and its relatives: a file, in quotes or not, and a range of its bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DigestArgument<'a> {
    /// The file, without the numbers that were taken for a range.
    pub path: Cow<'a, [u8]>,
    /// The range, whose second number is the offset after the last byte. `None` if the range would
    /// end before it begins: then only `whole` can be meant.
    pub range: Option<ByteRange>,
    /// The whole argument, if numbers after an unquoted name were taken for a range. If a file has
    /// this name, it is meant, and all of it.
    pub whole: Option<Cow<'a, [u8]>>,
}

/// Parses the argument of `XCRC` and its relatives.
pub(super) fn parse_digest<'a>(
    algorithm: HashAlgorithm,
    argument: &'a [u8],
    encoding: NameEncoding,
) -> Result<Command<'a>, CommandError> {
    let argument = if argument.starts_with(b"\"") {
        let (path, rest) = split_quoted(argument, encoding)?;
        let rest = rest.trim_ascii();
        let (start, end) = split_at_blank(rest);
        let end = end.trim_ascii_start();
        let number_if_any = |text: &[u8]| match text {
            b"" => Ok(None),
            text => parse_number(text).map(Some),
        };
        let range = range(number_if_any(start)?, number_if_any(end)?);
        DigestArgument {
            path,
            range: Some(range.ok_or(CommandError::Range)?),
            whole: None,
        }
    } else {
        let (path, last) = split_number(argument);
        let (path, first) = match last {
            Some(_) => split_number(path),
            None => (path, None),
        };
        let (start, end) = match first {
            Some(_) => (first, last),
            None => (last, None),
        };
        let whole = last.map(|_| encoding.decode_name(argument)).transpose()?;
        DigestArgument {
            path: encoding.decode_name(path)?,
            range: range(start, end),
            whole,
        }
    };
    Ok(Command::Digest {
        algorithm,
        argument,
    })
}

/// Parses the argument of `COMB`: the target and the parts.
pub(super) fn parse_comb(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Command<'_>, CommandError> {
    let mut names = parse_names(argument, encoding)?;
    if names.len() < 2 {
        return Err(CommandError::Names);
    }
    Ok(Command::Comb {
        target: names.remove(0),
        parts: names,
    })
}

/// Parses the argument of `SITE SYMLINK`.
pub(super) fn parse_site_symlink(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Command<'_>, CommandError> {
    let [target, link] = parse_pair(argument, encoding)?;
    Ok(Command::SiteSymlink { target, link })
}

/// Parses the argument of `SITE COPY`.
pub(super) fn parse_site_copy(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Command<'_>, CommandError> {
    let [from, to] = parse_pair(argument, encoding)?;
    Ok(Command::SiteCopy { from, to })
}

/// Parses two names.
fn parse_pair(argument: &[u8], encoding: NameEncoding) -> Result<[Cow<'_, [u8]>; 2], CommandError> {
    let names = parse_names(argument, encoding)?;
    names.try_into().map_err(|_| CommandError::Names)
}

/// Parses a list of names, separated by blanks. A name may stand in quotes, in which it may contain
/// blanks, and a quote in it is doubled.
fn parse_names(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Vec<Cow<'_, [u8]>>, CommandError> {
    let mut names = Vec::new();
    let mut rest = argument.trim_ascii_start();
    while !rest.is_empty() {
        let (name, after) = if rest.starts_with(b"\"") {
            split_quoted(rest, encoding)?
        } else {
            let (name, after) = split_at_blank(rest);
            (encoding.decode_name(name)?, after)
        };
        names.push(name);
        rest = after.trim_ascii_start();
    }
    Ok(names)
}

/// Splits off the quoted name that `text` begins with.
fn split_quoted(
    text: &[u8],
    encoding: NameEncoding,
) -> Result<(Cow<'_, [u8]>, &[u8]), CommandError> {
    let inner = text.strip_prefix(b"\"").ok_or(CommandError::Names)?;
    let (mut end, mut doubled) = (0, false);
    loop {
        match &inner[end..] {
            [b'"', b'"', ..] => (end, doubled) = (end + 2, true),
            [b'"'] | [b'"', b' ', ..] if end > 0 => break,
            [] | [b'"', ..] => return Err(CommandError::Names),
            [_, ..] => end += 1,
        }
    }
    let (name, rest) = (&inner[..end], &inner[end + 1..]);
    let name = if doubled {
        Cow::Owned(encoding.decode_name(&undouble(name))?.into_owned())
    } else {
        encoding.decode_name(name)?
    };
    Ok((name, rest))
}

fn undouble(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(byte);
        if byte == b'"' {
            bytes.next();
        }
    }
    plain
}

/// Splits a number off the end of `text`, if there is something else before it.
fn split_number(text: &[u8]) -> (&[u8], Option<u64>) {
    let split = text.iter().rposition(|&byte| byte == b' ').map(|blank| {
        let number = parse_decimal(&text[blank + 1..]);
        (&text[..blank], number)
    });
    match split {
        Some((before, Some(number))) if !before.trim_ascii().is_empty() => (before, Some(number)),
        _ => (text, None),
    }
}

fn range(start: Option<u64>, end: Option<u64>) -> Option<ByteRange> {
    ByteRange::new(start.unwrap_or(0), end)
}
