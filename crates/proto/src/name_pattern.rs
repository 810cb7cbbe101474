//! Patterns of file names: `*`, `?` and `[…]`, as shells and FTP servers have them.

/// A pattern for one name: the last part of the argument of LIST, NLST or STAT.
///
/// `*` is any text, `?` any one character, `[a-z_]` one of these, `[!a-z]` or `[^a-z]` any but
/// these; a backslash takes the meaning of one of them away. A bracket that is not closed is
/// itself. A character is one of UTF-8, and a byte where a name is not UTF-8. A name that begins
/// with a dot is matched only by a pattern that does.
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
    /// How many of them are a character: no shorter name matches.
    characters: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    /// `*`
    Anything,
    /// `?`
    Any,
    Character(u32),
    /// `[…]`; the ends of a range belong to it. In order, and with a gap between any two, so that
    /// many members are as quickly searched as few.
    Class {
        negated: bool,
        ranges: Vec<(u32, u32)>,
    },
}

/// Characters that make a name a pattern.
const WILDCARDS: &[u8] = b"*?[";

impl NamePattern {
    /// The pattern of `name`, in disk bytes; `None` if nothing in it could be one.
    pub fn new(name: &[u8]) -> Option<Self> {
        if !name.iter().any(|byte| WILDCARDS.contains(byte)) {
            return None;
        }
        let (mut rest, mut parts) = (name, Vec::new());
        // Looked for once only: a thousand open brackets are not a thousand searches.
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

    /// Whether `name` is one of those meant. The time it takes grows with the length of the name,
    /// at worst with its square, and hardly with that of the pattern.
    pub fn matches(&self, name: &[u8]) -> bool {
        let dot = Part::Character(u32::from(b'.'));
        if self.characters > name.len() {
            return false;
        }
        if name.first() == Some(&b'.') && self.parts.first() != Some(&dot) {
            return false;
        }
        let (mut parts, mut rest) = (self.parts.as_slice(), name);
        // Only the last `*` ever has to take more: what was found for those before it is as good as
        // anything found later.
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
    /// Whether it is, or may be, this one character.
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

/// The class whose bracket was just opened, and what follows it; `None` if nothing closes it.
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

/// The same ranges in order, those that overlap or touch as one, and without those that end before
/// they begin.
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

/// A member of a class, or what a backslash before it protected.
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

/// The first character and the rest. A byte that is not UTF-8 is a character of its own, beyond
/// all others.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let compiled = NamePattern::new(pattern.as_bytes()).unwrap();
        for name in matching {
            assert!(compiled.matches(name.as_bytes()), "{pattern} and {name}");
        }
        for name in other {
            assert!(!compiled.matches(name.as_bytes()), "{pattern} and {name}");
        }
    }

    #[test]
    fn wildcards() {
        check("*", &["a", "a.b", "ü"], &[".", ".a"]);
        check(
            "f*.txt",
            &["f.txt", "f1.txt", "f.txt.txt"],
            &["f.txt2", "gf.txt", "F.txt"],
        );
        check("?", &["a", "ü", "☃"], &["", "ab", "."]);
        check("a?c", &["abc", "a*c"], &["ac", "abbc"]);
        check("**a**b**", &["ab", "xaxbx"], &["ba"]);
        check("*a*b", &["ab", "axxb", "abab"], &["aba"]);
    }

    #[test]
    fn classes() {
        check("[abc]", &["a", "b", "c"], &["d", "ab", "["]);
        check("[a-c]x", &["ax", "bx", "cx"], &["dx", "-x"]);
        check("[!a-c]", &["d", "-", "ü"], &["a", "b", "."]);
        check("[^a]", &["b", "^"], &["a"]);
        check("[]x]", &["]", "x"], &["a"]);
        check("[!]x]", &["a"], &["]", "x"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("[--0]", &["-", "/", "0"], &["1"]);
        check("[c-a]", &[], &["a", "b", "c"]);
        check("[!c-a]", &["a", "b", "c"], &[""]);
        check("[x-za-cb-dm]", &["a", "d", "m", "y"], &["e", "l", "n", "w"]);
        check("[ü-☃]", &["ü", "☃", "€"], &["u"]);
        check("*.[ch]", &["a.c", "a.h"], &["a.o", ".c"]);
    }

    #[test]
    fn open_brackets_are_themselves() {
        check("[", &["["], &["a"]);
        check("[]", &["[]"], &["]"]);
        check("a[b*", &["a[b", "a[bc"], &["ab"]);
        check("[[[[a?", &["[[[[ab"], &["[ab"]);
        check("[[]*", &["[", "[x"], &["]"]);
    }

    #[test]
    fn a_backslash_takes_the_meaning_away() {
        check("\\**", &["*", "*a"], &["a", "\\a"]);
        check("\\[a]*", &["[a]b"], &["ab"]);
        check("[\\]]", &["]"], &["\\"]);
        check("a\\b*", &["a\\bc"], &["abc"]);
        check("*\\", &["a\\"], &["a"]);
    }

    #[test]
    fn hidden_names_are_asked_for_by_their_dot() {
        check(".*", &[".a", "."], &["a"]);
        check("[.]*", &[], &[".a", "a"]);
        check("?a", &["xa"], &[".a"]);
    }

    #[test]
    fn names_need_not_be_utf8() {
        let pattern = NamePattern::new(b"\xff?*").unwrap();
        assert!(pattern.matches(b"\xff\xfe"));
        assert!(pattern.matches(b"\xff\xc3\xbcx"));
        assert!(!pattern.matches(b"\xff"));
        assert!(!NamePattern::new(b"?").unwrap().matches(b"\xff\xfe"));
        assert!(NamePattern::new(b"?").unwrap().matches(b"\xff"));
    }

    #[test]
    fn names_without_wildcards_are_no_patterns() {
        for name in ["", "a", "a.b", "a]b", "back\\slash", "ü"] {
            assert_eq!(NamePattern::new(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn many_stars_are_no_burden() {
        // By trying every way out, this would take longer than the machine will last.
        let pattern = "*a".repeat(500) + "*b";
        let pattern = NamePattern::new(pattern.as_bytes()).unwrap();
        assert!(!pattern.matches(&[b'a'; 4000]));
        assert!(NamePattern::new(&[b'['; 4000]).is_some());
    }

    #[test]
    fn every_member_of_a_class_was_compared_with_every_character() {
        #[track_caller]
        fn check(pattern: &str, expected: &[(char, char)]) {
            let pattern = NamePattern::new(pattern.as_bytes()).unwrap();
            let [Part::Class { ranges, .. }] = pattern.parts.as_slice() else {
                panic!("{pattern:?}");
            };
            let expected = expected
                .iter()
                .map(|&(low, high)| (low.into(), high.into()));
            assert_eq!(ranges, &expected.collect::<Vec<(u32, u32)>>());
        }
        check("[zzzz]", &[('z', 'z')]);
        check("[!cab]", &[('a', 'c')]);
        check("[x-za-cb-dm]", &[('a', 'd'), ('m', 'm'), ('x', 'z')]);
        check("[c-ae]", &[('e', 'e')]);
        check("[c-a]", &[]);
        check("[!c-a]", &[]);
    }

    #[test]
    fn names_shorter_than_a_pattern_were_compared_with_it() {
        let parts = |pattern: &str| NamePattern::new(pattern.as_bytes()).unwrap().characters;
        assert_eq!(parts("*a?[bc]*ü"), 4);
        check("a*?", &["ab", "aü"], &["a"]);
        check("*ü*", &["ü"], &["u"]);
        check(&"?".repeat(300), &[&"ü".repeat(300)], &[&"ü".repeat(299)]);
    }

    /// What matches, by the definition: every way is tried.
    fn model(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), None) => model(rest, name),
            (Some((b'*', rest)), Some((_, left))) => model(rest, name) || model(pattern, left),
            (Some((b'?', rest)), Some((_, left))) => model(rest, left),
            (Some((own, rest)), Some((byte, left))) => own == byte && model(rest, left),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn finds_what_the_definition_finds(pattern in "[ab*?]{0,10}", name in "[ab]{0,10}") {
            let expected = model(pattern.as_bytes(), name.as_bytes());
            let got = NamePattern::new(pattern.as_bytes())
                .map_or(pattern == name, |pattern| pattern.matches(name.as_bytes()));
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn a_protected_name_matches_itself_only(name: Vec<u8>, other: Vec<u8>) {
            let mut pattern = Vec::new();
            for &byte in &name {
                if b"*?[\\".contains(&byte) {
                    pattern.push(b'\\');
                }
                pattern.push(byte);
            }
            if let Some(pattern) = NamePattern::new(&pattern) {
                prop_assert!(pattern.matches(&name));
                prop_assert_eq!(pattern.matches(&other), name == other);
            }
        }

        #[test]
        fn never_panics(pattern: Vec<u8>, name: Vec<u8>) {
            if let Some(pattern) = NamePattern::new(&pattern) {
                let _ = pattern.matches(&name);
            }
        }
    }
}
