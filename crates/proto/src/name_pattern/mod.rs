//! Patterns of file names: `*`, `?` and `[…]`, as in shells and FTP servers.

/// A pattern for one name, the last part of the argument of LIST, NLST or STAT.
///
/// `*` matches any text, `?` any one character, `[a-z_]` any one of these characters, `[!a-z]` or
/// `[^a-z]` any character but these. A backslash makes the special character after it an ordinary
/// one. A bracket that is not closed stands for itself. A character is a UTF-8 character, or a
/// single byte where a name is not UTF-8. A name that begins with a dot is matched only by a
/// pattern that does, too.
///
/// # Examples
///
/// ```
/// use ftpdlib_proto::NamePattern;
///
/// let pattern = NamePattern::new(b"*.[ch]").unwrap();
/// assert!(pattern.matches(b"main.c"));
/// assert!(!pattern.matches(b"main.rs"));
/// assert_eq!(NamePattern::new(b"main.c"), None);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamePattern {
    parts: Vec<Part>,
    /// The number of parts that stand for one character each: no name with fewer bytes matches.
    characters: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    /// `*`
    Anything,
    /// `?`
    Any,
    Character(u32),
    /// `[…]`: ranges with both ends included, in order, with a gap between any two, so that many
    /// members are searched as quickly as few.
    Class {
        negated: bool,
        ranges: Vec<(u32, u32)>,
    },
}

/// The characters that make a name a pattern.
const WILDCARDS: &[u8] = b"*?[";

impl NamePattern {
    /// Parses `name`, in disk bytes; returns `None` if it contains no wildcard.
    pub fn new(name: &[u8]) -> Option<Self> {
        if !name.iter().any(|byte| WILDCARDS.contains(byte)) {
            return None;
        }
        let (mut rest, mut parts) = (name, Vec::new());
        // After one failed search, no later bracket is closed either, so a thousand open brackets
        // do not cause a thousand searches.
        let mut may_close = true;
        while let Some((character, after)) = first(rest) {
            rest = after;
            let part = match u8::try_from(character) {
                Ok(b'*') if parts.last() == Some(&Part::Anything) => continue,
                Ok(b'*') => Part::Anything,
                Ok(b'?') => Part::Any,
                Ok(b'[') if may_close => match class(after) {
                    Some((class, after)) => {
                        rest = after;
                        class
                    }
                    None => {
                        may_close = false;
                        Part::Character(character)
                    }
                },
                Ok(b'\\') => match first(after) {
                    Some((escaped, after)) if is_special(escaped) => {
                        rest = after;
                        Part::Character(escaped)
                    }
                    _ => Part::Character(character),
                },
                _ => Part::Character(character),
            };
            parts.push(part);
        }
        let characters = parts.iter().filter(|&part| *part != Part::Anything).count();
        Some(Self { parts, characters })
    }

    /// Whether the pattern matches `name`.
    ///
    /// The time grows with the length of the name, at worst with its square, and hardly with the
    /// length of the pattern.
    pub fn matches(&self, name: &[u8]) -> bool {
        let dot = Part::Character(u32::from(b'.'));
        if self.characters > name.len() {
            return false;
        }
        if name.first() == Some(&b'.') && self.parts.first() != Some(&dot) {
            return false;
        }
        let (mut parts, mut rest) = (self.parts.as_slice(), name);
        // Only the last `*` ever has to match more: for those before it, a later match is no better
        // than the first one.
        let mut retry = None;
        loop {
            match (parts.split_first(), first(rest)) {
                (Some((Part::Anything, after)), _) => {
                    parts = after;
                    retry = Some((after, rest));
                    continue;
                }
                (Some((part, after)), Some((character, left))) if part.is(character) => {
                    (parts, rest) = (after, left);
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((after, from)) = retry else {
                return false;
            };
            let Some((_, from)) = first(from) else {
                return false;
            };
            retry = Some((after, from));
            (parts, rest) = (after, from);
        }
    }
}

impl Part {
    /// Whether this part matches the character.
    fn is(&self, character: u32) -> bool {
        match self {
            Self::Anything => false,
            Self::Any => true,
            Self::Character(own) => *own == character,
            Self::Class { negated, ranges } => {
                let at = ranges.partition_point(|&(_, high)| high < character);
                ranges.get(at).is_some_and(|&(low, _)| low <= character) != *negated
            }
        }
    }
}

/// Parses the class whose bracket was just opened. Returns it with the text after it, or `None` if
/// nothing closes it.
fn class(text: &[u8]) -> Option<(Part, &[u8])> {
    let inner = text.strip_prefix(b"!").or_else(|| text.strip_prefix(b"^"));
    let negated = inner.is_some();
    let mut rest = inner.unwrap_or(text);
    let mut ranges = Vec::new();
    loop {
        let (low, after) = first(rest)?;
        if low == u32::from(b']') && !ranges.is_empty() {
            let ranges = merged(ranges);
            return Some((Part::Class { negated, ranges }, after));
        }
        let (low, after) = member(low, after);
        rest = after;
        let mut high = low;
        if let Some((end, after)) = rest.strip_prefix(b"-").and_then(first)
            && end != u32::from(b']')
        {
            (high, rest) = member(end, after);
        }
        ranges.push((low, high));
    }
}

/// Sorts the ranges, merges those that overlap or touch, and drops those that end before they
/// begin.
fn merged(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.retain(|&(low, high)| low <= high);
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let is_one = next.0 <= last.1.saturating_add(1);
        if is_one {
            last.1 = last.1.max(next.1);
        }
        is_one
    });
    ranges
}

/// Parses a member of a class, which may be escaped by a backslash.
fn member(character: u32, after: &[u8]) -> (u32, &[u8]) {
    match first(after) {
        Some((escaped, after)) if character == u32::from(b'\\') && is_special(escaped) => {
            (escaped, after)
        }
        _ => (character, after),
    }
}

fn is_special(character: u32) -> bool {
    u8::try_from(character).is_ok_and(|byte| b"*?[]\\!^-".contains(&byte))
}

/// Splits off the first character. A byte that is not UTF-8 counts as a character of its own,
/// beyond all others.
fn first(text: &[u8]) -> Option<(u32, &[u8])> {
    /// Longest character, in bytes.
    const LONGEST: usize = 4;
    let byte = *text.first()?;
    if byte.is_ascii() {
        return Some((u32::from(byte), &text[1..]));
    }
    let chunk = text[..text.len().min(LONGEST)].utf8_chunks().next()?;
    Some(match chunk.valid().chars().next() {
        Some(character) => (u32::from(character), &text[character.len_utf8()..]),
        None => (u32::from(char::MAX) + 1 + u32::from(byte), &text[1..]),
    })
}

#[cfg(test)]
mod tests;
