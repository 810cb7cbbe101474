//! Replies to the client.
use crate::NameEncoding;
use std::borrow::Cow;

/// A three-digit reply code (RFC 959 §4.2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReplyCode(u16);
impl ReplyCode {
    /// Checked constructor, 100..=599.
    pub const fn new(code: u16) -> Self {
        assert!(code >= 100 && code < 600, "reply codes have three digits");
        Self(code)
    }
    /// The number.
    pub const fn value(self) -> u16 {
        self.0
    }
    /// 1yz: another reply follows.
    pub const fn is_preliminary(self) -> bool {
        self.0 < 200
    }
}

/// A reply: a code and one or more lines of text in disk bytes (UTF-8 for our own words).
///
/// Inner lines of a multi-line reply get one leading blank, so that a line starting with digits
/// cannot be taken for its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    code: ReplyCode,
    text: Cow<'static, [u8]>,
    // None for a single line: (inner lines, last line)
    more: Option<Box<(Vec<Cow<'static, [u8]>>, Cow<'static, [u8]>)>>,
}
impl Reply {
    /// Single line `code text`, code as a number, e.g. `Reply::new(200, "OK.")`.
    pub fn new(_code: u16, _text: impl Into<Cow<'static, str>>) -> Self {
        todo!()
    }
    /// Single line whose text holds disk bytes.
    pub fn bytes(_code: u16, _text: impl Into<Cow<'static, [u8]>>) -> Self {
        todo!()
    }
    /// Multi-line: `code-first`, then each inner line after a blank, then `code last`.
    pub fn multi<I>(_code: u16, _first: &'static str, _inner: I, _last: &'static str) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, [u8]>>,
    {
        todo!()
    }
    /// `code "path" suffix` with inner quotes doubled (RFC 959 appendix II); suffix has no quote.
    pub fn quoted(_code: u16, _path: &[u8], _suffix: &str) -> Self {
        todo!()
    }
    /// Text with line breaks in it (banner, login message): several lines become a multi-line
    /// reply, lines longer than 75 are wrapped at blanks as pyftpdlib does.
    pub fn paragraph(_code: u16, _text: &str) -> Self {
        todo!()
    }
    /// The code.
    pub fn code(&self) -> ReplyCode {
        self.code
    }
    /// Appends the wire form, in `encoding`, byte 255 doubled (Telnet), CR, LF and NUL inside
    /// lines escaped.
    pub fn encode(&self, _encoding: NameEncoding, _out: &mut Vec<u8>) {
        todo!()
    }
}
