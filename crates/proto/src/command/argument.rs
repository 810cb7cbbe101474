//! Arguments that are more than a name.

use std::borrow::Cow;

use super::error::printable;
use super::line::split_at_blank;
use super::{Command, CommandError};
use crate::digits::parse_decimal;
use crate::{ByteRange, FactSet, HashAlgorithm, NameEncoding, TransferType, UndecodableName};

/// The argument of `LIST`, `NLST` and `STAT`, in which many clients send switches of `ls` before
/// the path.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListArgument<'a> {
    /// The path after the switches; `None` for the working directory.
    pub path: Option<Cow<'a, [u8]>>,
    /// The whole argument if switches were removed, as a file may have that name.
    pub whole: Option<Cow<'a, [u8]>>,
}

impl<'a> ListArgument<'a> {
    /// Removes the words at the beginning that are switches, up to and including `--`. Any other
    /// word that begins with a hyphen is a name. One blank follows a switch; more belong to the
    /// path.
    pub(super) fn parse(
        argument: &'a [u8],
        encoding: NameEncoding,
    ) -> Result<Self, UndecodableName> {
        let mut path = argument;
        loop {
            let (word, rest) = split_at_blank(path);
            if word == b"--" {
                path = rest;
                break;
            }
            if !is_switches(word) {
                break;
            }
            path = rest;
        }
        let any_switch = path.len() < argument.len();
        let decode_if = |wanted: bool, name| wanted.then(|| encoding.decode_name(name)).transpose();
        Ok(Self {
            path: decode_if(!path.trim_ascii().is_empty(), path)?,
            whole: decode_if(any_switch, argument)?,
        })
    }
}

/// The switches of `ls` that clients send.
const SWITCHES: &[u8] = b"1ACFLRSTadghilnorstu";

/// Whether a word can only be switches: all are known, and none occurs twice. If a name were taken
/// for switches, the whole directory would be listed, and a client that asks for the names that it
/// is to delete would delete them all.
fn is_switches(word: &[u8]) -> bool {
    let Some(letters) = word.strip_prefix(b"-").filter(|rest| !rest.is_empty()) else {
        return false;
    };
    let is_new = |(at, letter)| SWITCHES.contains(letter) && !letters[..at].contains(letter);
    letters.iter().enumerate().all(is_new)
}

/// The argument of `EPSV` (RFC 2428 §3).
///
/// The enum is complete: RFC 2428 has no other that this server supports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EpsvArgument {
    /// No argument: the protocol of the control connection.
    Default,
    /// `1`
    Ipv4,
    /// `2`
    Ipv6,
    /// `ALL`: from now on, no other command may set up a data connection.
    All,
}

impl EpsvArgument {
    pub(super) fn parse(argument: &[u8]) -> Result<Self, CommandError> {
        match parse_decimal(argument) {
            Some(1) => Ok(Self::Ipv4),
            Some(2) => Ok(Self::Ipv6),
            Some(_) => Err(CommandError::EpsvProtocol),
            None if argument.is_empty() => Ok(Self::Default),
            None if argument.eq_ignore_ascii_case(b"ALL") => Ok(Self::All),
            None => Err(CommandError::Epsv),
        }
    }
}

/// Parses the argument of `TYPE`: a type letter, and a format or byte size, with or without a blank
/// before it.
pub(super) fn parse_type(argument: &[u8]) -> Result<TransferType, CommandError> {
    let unsupported = || CommandError::Type {
        given: printable(argument),
    };
    let (letter, detail) = argument.split_first().ok_or_else(unsupported)?;
    match (letter.to_ascii_uppercase(), detail.trim_ascii_start()) {
        (b'A', b"" | b"N" | b"n" | b"T" | b"t") | (b'L', b"7") => Ok(TransferType::Ascii),
        (b'I', b"" | b"N" | b"n") | (b'L', b"8") => Ok(TransferType::Image),
        _ => Err(unsupported()),
    }
}

/// Parses a number of decimal digits and nothing else.
pub(super) fn parse_number(argument: &[u8]) -> Result<u64, CommandError> {
    parse_decimal(argument).ok_or(CommandError::Number)
}

/// Parses the argument of `RANG`: the offsets of the first byte and the last; `1 0` for all bytes.
pub(super) fn parse_rang(argument: &[u8]) -> Result<ByteRange, CommandError> {
    let (first, last) = split_at_blank(argument);
    let (first, last) = (parse_number(first)?, parse_number(last.trim_ascii_start())?);
    if (first, last) == (1, 0) {
        return Ok(ByteRange::default());
    }
    let end = last.checked_add(1).ok_or(CommandError::Number)?;
    ByteRange::new(first, Some(end))
        .filter(|_| first <= last)
        .ok_or(CommandError::Range)
}

/// Parses the argument of `HOST`: a name or an address, in brackets if it is IPv6 (RFC 7151 §3.1).
pub(super) fn parse_host(argument: &[u8]) -> Result<String, CommandError> {
    let bracketed = argument
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    let is_right = |byte: &u8| match byte {
        b':' => bracketed.is_some(),
        b'.' | b'-' | b'_' => true,
        byte => byte.is_ascii_alphanumeric(),
    };
    match str::from_utf8(bracketed.unwrap_or(argument)) {
        Ok(name) if !name.is_empty() && name.bytes().all(|byte| is_right(&byte)) => {
            Ok(name.to_ascii_lowercase())
        }
        _ => Err(CommandError::HostName),
    }
}

/// Whether the argument of `LANG` is empty, which means the default, or the tag of a kind of
/// English.
pub(super) fn is_english(argument: &[u8]) -> bool {
    let primary = argument.split(|&byte| byte == b'-').next();
    argument.is_empty() || primary.is_some_and(|tag| tag.eq_ignore_ascii_case(b"EN"))
}

/// Splits an argument that consists of a word, one blank and a name.
pub(super) fn split_name(argument: &[u8]) -> Result<(&[u8], &[u8]), CommandError> {
    let (word, name) = split_at_blank(argument);
    if name.is_empty() {
        Err(CommandError::MissingSecondArgument)
    } else {
        Ok((word, name))
    }
}

/// Parses the argument of `SITE CHMOD`: a mode and a name.
pub(super) fn parse_site_chmod(
    argument: &[u8],
    encoding: NameEncoding,
) -> Result<Command<'_>, CommandError> {
    let (mode, path) = split_name(argument)?;
    Ok(Command::SiteChmod {
        mode: parse_mode(mode)?,
        path: encoding.decode_name(path)?,
    })
}

/// Parses a file mode: three or four octal digits, optionally after a leading zero.
pub(super) fn parse_mode(text: &[u8]) -> Result<u32, CommandError> {
    let digits = match text {
        [b'0', digits @ ..] if digits.len() == 4 => digits,
        digits => digits,
    };
    let is_octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    if !is_octal || !(3..=4).contains(&digits.len()) {
        return Err(CommandError::FileMode);
    }
    Ok(digits
        .iter()
        .fold(0, |mode, digit| mode << 3 | u32::from(digit - b'0')))
}

/// Parses the argument of `OPTS`: the command whose options it sets, and the options.
pub(super) fn parse_opts<'a>(argument: &[u8]) -> Result<Command<'a>, CommandError> {
    let (name, options) = split_at_blank(argument);
    let options = options.trim_ascii_start();
    if name.eq_ignore_ascii_case(b"MLST") {
        return Ok(Command::OptsMlst(FactSet::parse(options)));
    }
    if name.eq_ignore_ascii_case(b"HASH") {
        return match HashAlgorithm::parse(options) {
            _ if options.is_empty() => Ok(Command::OptsHash(None)),
            None => Err(CommandError::HashAlgorithm),
            algorithm => Ok(Command::OptsHash(algorithm)),
        };
    }
    let is_on = options.is_empty() || options.eq_ignore_ascii_case(b"ON");
    let is_off = options.eq_ignore_ascii_case(b"OFF");
    let is_utf8 = name.eq_ignore_ascii_case(b"UTF8") || name.eq_ignore_ascii_case(b"UTF-8");
    if is_utf8 && (is_on || is_off) {
        return Ok(Command::OptsUtf8(is_on));
    }
    Err(CommandError::UnknownOption)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(argument: &str, path: Option<&str>) {
        let given = argument.as_bytes();
        let parsed = ListArgument::parse(given, NameEncoding::UTF_8).unwrap();
        let path = path.map(str::as_bytes);
        assert_eq!(parsed.path.as_deref(), path, "{argument}");
        let whole = (path != Some(given)).then_some(given);
        assert_eq!(parsed.whole.as_deref(), whole, "{argument}");
    }

    #[test]
    fn names_that_begin_with_a_hyphen_were_taken_for_switches() {
        for name in ["-draft.txt", "-x*", "-l*", "-a?", "-dir/x", "-a_b", "---"] {
            check(name, Some(name));
        }
        for name in ["-notes", "-all", "--all", "-\u{e9}", "-x -a", "-a.txt -l"] {
            check(name, Some(name));
        }
        check("-a -l.txt", Some("-l.txt"));
        check("-la -- -a", Some("-a"));
        check("--", None);
        check("-1", None);
    }
}
