//! Name encodings: converts names from wire bytes to disk bytes and back.

use std::borrow::Cow;

use encoding_rs::{
    DecoderResult, EncoderResult, Encoding, ISO_2022_JP, REPLACEMENT, UTF_16BE, UTF_16LE,
    X_USER_DEFINED,
};
use memchr::memchr_iter;
use thiserror::Error;

/// The encoding of path names on the control connection (pyftpdlib: `encoding`).
///
/// Inside the server, names are disk bytes, normally UTF-8. The wire form is decoded before a path
/// is split, because the second byte of a character may be a slash or a backslash; and it is
/// decoded strictly, without a replacement character.
///
/// Parts of a disk name that have no form on the wire are sent as `=xHH` per byte, with two
/// upper-case hexadecimal digits, and accepted in this form: bytes that are not UTF-8, characters
/// that the encoding lacks or does not give back unchanged, CR, LF and NUL. `HH` is only ever 00,
/// 0A, 0D, 3D or 80 to FF, so that no escape spells a slash or a dot; any other `=xHH` stands for
/// itself. A literal one that would be taken for an escape has its `=` escaped: `=x3DxHH`.
/// pyftpdlib sends such bytes raw, and cannot accept a name that contains a CRLF.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::NameEncoding;
/// let mut wire = Vec::new();
/// NameEncoding::for_label("latin1")?.encode_name("né\n✓".as_bytes(), &mut wire);
/// assert_eq!(wire, b"n\xe9=x0A=xE2=x9C=x93");
/// # Ok::<(), ftpdlib_proto::EncodingError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NameEncoding(&'static Encoding);

/// Why a label names no usable encoding.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EncodingError {
    /// The label is unknown.
    #[error("unknown encoding {0:?}")]
    Unknown(String),
    /// The encoding cannot carry names: UTF-16, whose bytes include NULs and line ends,
    /// ISO-2022-JP, which has states, or one in which no names are written (`replacement`,
    /// `x-user-defined`).
    #[error("encoding {0:?} cannot be used for path names")]
    Unsuitable(String),
}

/// Bytes from the wire that are malformed in the connection's encoding.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("name is not valid in the connection's encoding")]
pub struct UndecodableName;

impl NameEncoding {
    /// UTF-8, the default.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);

    /// Looks up an encoding by its label in the WHATWG Encoding Standard, in any case: `utf-8`,
    /// `latin1`, `shift_jis`, …. Python's spellings `utf_8`, `latin-1`, … are accepted, too, for
    /// users of pyftpdlib.
    ///
    /// # Errors
    ///
    /// [`EncodingError::Unknown`] for a label not in the standard, [`EncodingError::Unsuitable`]
    /// for an encoding that cannot carry path names.
    pub fn for_label(label: &str) -> Result<Self, EncodingError> {
        // Python treats hyphens and underscores alike, and has some where the standard has none.
        let encoding = Encoding::for_label(label.as_bytes())
            .or_else(|| Encoding::for_label(label.replace('_', "-").as_bytes()))
            .or_else(|| Encoding::for_label(label.replace(['_', '-'], "").as_bytes()))
            .ok_or_else(|| EncodingError::Unknown(label.to_owned()))?;
        if [UTF_16BE, UTF_16LE, ISO_2022_JP, REPLACEMENT, X_USER_DEFINED].contains(&encoding) {
            return Err(EncodingError::Unsuitable(label.to_owned()));
        }
        Ok(Self(encoding))
    }

    /// Its name in the standard.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Decodes a name from the wire to disk bytes, with escapes resolved. Borrows if nothing
    /// changes.
    ///
    /// # Errors
    ///
    /// [`UndecodableName`] where the bytes are malformed in the encoding.
    pub fn decode_name(self, wire: &[u8]) -> Result<Cow<'_, [u8]>, UndecodableName> {
        let disk = match self.decode_text(wire)? {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Ok(match first_escape(&disk) {
            Some(at) => Cow::Owned(resolve_escapes(&disk, at)),
            None => disk,
        })
    }

    /// Decodes text from the wire that is no name, such as a user name or a password: it has no
    /// escapes.
    ///
    /// # Errors
    ///
    /// [`UndecodableName`] where the bytes are malformed in the encoding.
    pub fn decode_text(self, wire: &[u8]) -> Result<Cow<'_, str>, UndecodableName> {
        self.0
            .decode_without_bom_handling_and_without_replacement(wire)
            .ok_or(UndecodableName)
    }

    /// Appends the wire form of a disk name. [`decode_name`](Self::decode_name) gives any bytes
    /// back unchanged, and the wire form never contains CR, LF or NUL.
    pub fn encode_name(self, disk: &[u8], out: &mut Vec<u8>) {
        let is_plain = !has_special(disk)
            && if self == Self::UTF_8 {
                str::from_utf8(disk).is_ok()
            } else {
                disk.is_ascii()
            };
        if is_plain {
            out.extend_from_slice(disk);
            return;
        }
        for chunk in disk.utf8_chunks() {
            self.encode_text(chunk.valid(), out);
            push_escaped(chunk.invalid(), out);
        }
    }

    fn encode_text(self, text: &str, out: &mut Vec<u8>) {
        for (at, character) in text.char_indices() {
            match character {
                '\0' | '\r' | '\n' => push_escaped(&[character as u8], out),
                '=' if parse_escape(&text.as_bytes()[at..]).is_some() => push_escaped(b"=", out),
                '\0'..='\x7f' => out.push(character as u8),
                _ => self.encode_character(character, out),
            }
        }
    }

    /// Appends a character beyond ASCII. It is escaped unless it survives a round trip: some
    /// encodings have two spellings for a character, or one for two.
    fn encode_character(self, character: char, out: &mut Vec<u8>) {
        // The longest form of a character is four bytes; encoding_rs asks for room for more.
        let (mut utf8, mut wire, mut back) = ([0; 4], [0; 16], [0; 32]);
        let utf8 = character.encode_utf8(&mut utf8);
        let (encoded, _, wire_len) = self
            .0
            .new_encoder()
            .encode_from_utf8_without_replacement(utf8, &mut wire, true);
        let wire = &wire[..wire_len];
        let (decoded, _, back_len) = self
            .0
            .new_decoder_without_bom_handling()
            .decode_to_utf8_without_replacement(wire, &mut back, true);
        let comes_back = encoded == EncoderResult::InputEmpty
            && decoded == DecoderResult::InputEmpty
            && back[..back_len] == *utf8.as_bytes();
        if comes_back {
            out.extend_from_slice(wire);
        } else {
            push_escaped(utf8.as_bytes(), out);
        }
    }
}

/// Whether `text` holds a byte that is escaped, or may have to be. It looks at every byte, which is
/// quicker for names than stopping early: the compiler vectorises it.
fn has_special(text: &[u8]) -> bool {
    text.iter().fold(false, |found, byte| {
        found | matches!(byte, b'\0' | b'\r' | b'\n' | b'=')
    })
}

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";

fn push_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        let [high, low] = [byte >> 4, byte & 15].map(|digit| UPPER_HEX[usize::from(digit)]);
        out.extend_from_slice(&[b'=', b'x', high, low]);
    }
}

/// Returns the byte that an escape at the beginning of `text` stands for.
fn parse_escape(text: &[u8]) -> Option<u8> {
    let &[b'=', b'x', high, low, ..] = text else {
        return None;
    };
    let digit = |letter| UPPER_HEX.iter().position(|&known| known == letter);
    let byte = (digit(high)? << 4 | digit(low)?) as u8;
    matches!(byte, b'\0' | b'\n' | b'\r' | b'=' | 0x80..).then_some(byte)
}

/// Returns where the first escape in `text` begins.
fn first_escape(text: &[u8]) -> Option<usize> {
    memchr_iter(b'=', text).find(|&at| parse_escape(&text[at..]).is_some())
}

/// Returns `text` with its escapes resolved; the first one begins at `first`.
fn resolve_escapes(text: &[u8], first: usize) -> Vec<u8> {
    let mut disk = text[..first].to_vec();
    let mut rest = &text[first..];
    while let Some((&byte, after)) = rest.split_first() {
        match parse_escape(rest) {
            Some(escaped) => {
                disk.push(escaped);
                rest = &rest[4..];
            }
            None => {
                disk.push(byte);
                rest = after;
            }
        }
    }
    disk
}

#[cfg(test)]
mod tests;
