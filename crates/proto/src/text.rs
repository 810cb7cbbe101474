//! Shows bytes and text to people, in logs and by `Debug`.

use std::fmt::{self, Debug, Display, Write};

/// Whether a character has to be escaped when text chosen by a client is shown within a line, such
/// as a log's: it is a control character, ends the line for some programs, or changes the order in
/// which the line is displayed.
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
    // Nearly all characters of a log are these.
    if matches!(character, ' '..='~') {
        return false;
    }
    character.is_control()
        || matches!(
            character,
            // Direction marks; separators of lines and paragraphs; embeddings, overrides and
            // isolates of text of another direction.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Displays bytes as text that may stand in a line, such as a log's: [disruptive](is_disruptive)
/// characters are escaped as in Rust, and bytes that are not UTF-8 become U+FFFD.
///
/// # Examples
///
/// ```
/// use ftpdlib_proto::Escaped;
///
/// assert_eq!(Escaped(b"al\nice").to_string(), "al\\nice");
/// assert_eq!(Escaped(b"caf\xe9").to_string(), "caf\u{fffd}");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let text = chunk.valid();
            if text.contains(is_disruptive) {
                for character in text.chars() {
                    if is_disruptive(character) {
                        write!(f, "{}", character.escape_default())?;
                    } else {
                        f.write_char(character)?;
                    }
                }
            } else {
                f.write_str(text)?;
            }
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// Formats bytes as text in quotes, escaped as in the `Debug` output of `str`, with `\xff` for
/// bytes that are not UTF-8.
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
    fn what_a_client_chose_stays_in_its_line() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            assert_eq!(Escaped(bytes).to_string(), expected);
        }
        check(b"", "");
        check("/pub/é".as_bytes(), "/pub/é");
        check("é\r\né".as_bytes(), "é\\r\\né");
        check(b"caf\xe9\xff\n.txt", "caf\u{fffd}\u{fffd}\\n.txt");
        check("\u{202e}x".as_bytes(), "\\u{202e}x");
    }

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
