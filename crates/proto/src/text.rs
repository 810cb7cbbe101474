//! Bytes and text shown to people: in logs, and by `Debug`.

use std::fmt::{self, Debug, Write};

/// Whether a character has to be escaped where text that a client chose is shown in a line, such as
/// one of a log: it is a control character, or would end the line for some programs, or would have
/// the line shown in another order than it is written.
///
/// # Examples
///
/// ```
/// use ftpdlib_proto::is_disruptive;
///
/// assert!("a\r\nb".contains(is_disruptive));
/// assert!("right-to-left override: \u{202e}".contains(is_disruptive));
/// assert!(!"naïve 文件 ملف".contains(is_disruptive));
/// ```
pub fn is_disruptive(character: char) -> bool {
    // Nearly all there is, in every line of a log.
    if matches!(character, ' '..='~') {
        return false;
    }
    character.is_control()
        || matches!(
            character,
            // The marks of direction; the separators of lines and paragraphs, and what embeds text
            // of another direction, overrides or isolates it.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Bytes as text in quotes, escaped as `str` is by `Debug`, and `\xff` for what is not UTF-8.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\'' => f.write_char('\'')?,
                    character => write!(f, "{}", character.escape_debug())?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_printed_numbers_for_text() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            assert_eq!(format!("{:?}", Quoted(bytes)), expected);
        }
        check(b"", r#""""#);
        check("/pub/é".as_bytes(), r#""/pub/é""#);
        check(b"it's \"a\\b\"\n", r#""it's \"a\\b\"\n""#);
        check(b"caf\xe9\xff.txt", r#""caf\xe9\xff.txt""#);
        check("\u{202e}".as_bytes(), r#""\u{202e}""#);
    }

    #[test]
    fn letters_of_any_script_disrupt_nothing() {
        for character in ['a', ' ', 'é', '文', 'ש', 'م', '\u{200d}', '😀'] {
            assert!(!is_disruptive(character), "{character:?}");
        }
        for character in [
            '\0', '\n', '\u{7f}', '\u{85}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}',
            '\u{2029}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}',
        ] {
            assert!(is_disruptive(character), "{character:?}");
        }
    }
}
