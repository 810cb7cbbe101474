//! Replies to the client.

use std::borrow::Cow;
use std::fmt::{self, Display};

use memchr::{memchr, memchr_iter};

use crate::NameEncoding;
use crate::text::Quoted;

/// A three-digit reply code (RFC 959 §4.2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// Creates a code from its number.
    ///
    /// # Panics
    ///
    /// If the number is not in `100..=599`.
    pub const fn new(code: u16) -> Self {
        assert!(
            100 <= code && code <= 599,
            "reply codes are from 100 to 599"
        );
        Self(code)
    }

    /// The number.
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Whether it is 1yz: the command was accepted, and another reply follows.
    pub const fn is_preliminary(self) -> bool {
        self.0 < 200
    }

    /// Whether it is 2yz: the command is done.
    pub const fn is_completion(self) -> bool {
        self.0 / 100 == 2
    }

    /// Whether it is 3yz: another command must follow.
    pub const fn is_intermediate(self) -> bool {
        self.0 / 100 == 3
    }

    /// Whether it is 4yz: refused, but may succeed later.
    pub const fn is_transient(self) -> bool {
        self.0 / 100 == 4
    }

    /// Whether it is 5yz: refused, and will be refused again.
    pub const fn is_permanent(self) -> bool {
        self.0 / 100 == 5
    }
}

impl Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A reply: a code and one or more lines of text.
///
/// The text is disk bytes, which means UTF-8 for the server's own words; [`encode`](Self::encode)
/// converts it to the wire form. A reply of one line with static text does not allocate.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::{NameEncoding, Reply};
/// let mut wire = Vec::new();
/// Reply::new(200, "Noop.").encode(NameEncoding::UTF_8, &mut wire);
/// let features = Reply::multi(211, "Features:", [b"UTF8", b"TVFS"], "End.");
/// features.encode(NameEncoding::UTF_8, &mut wire);
/// assert_eq!(wire, b"200 Noop.\r\n211-Features:\r\n UTF8\r\n TVFS\r\n211 End.\r\n");
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Reply {
    code: ReplyCode,
    first: Text,
    /// The lines after the first of a multi-line reply.
    more: Option<Box<More>>,
}

type Text = Cow<'static, [u8]>;

#[derive(Clone, Eq, PartialEq)]
struct More {
    inner: Vec<Text>,
    /// The last line; `None` leaves the reply open.
    last: Option<Text>,
}

/// Length of the longest text that is sent without a final line of its own, in characters
/// (pyftpdlib).
const PARAGRAPH_WIDTH: usize = 75;

/// Telnet's "interpret as command" (RFC 854): written twice if it is data.
const IAC: u8 = 255;

impl Reply {
    /// Creates a reply of a single line, `code text`.
    ///
    /// # Panics
    ///
    /// If `code` is not in `100..=599`, like every constructor.
    pub fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self::bytes(code, into_bytes(text.into()))
    }

    /// Creates a reply of a single line whose text contains disk bytes, such as a name.
    pub fn bytes(code: u16, text: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            code: ReplyCode::new(code),
            first: text.into(),
            more: None,
        }
    }

    /// Creates a reply of several lines: `code-first`, each inner line after one blank,
    /// `code last`.
    ///
    /// The blank keeps clients from taking an inner line that begins with digits for the last one;
    /// `FEAT` and `MLST` need it anyway (RFC 2389 §3.2, RFC 3659 §7.2).
    pub fn multi<I>(
        code: u16,
        first: impl Into<Cow<'static, str>>,
        inner: I,
        last: impl Into<Cow<'static, str>>,
    ) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Cow<'static, [u8]>>,
    {
        let inner = inner.into_iter().map(Into::into).collect();
        let last = Some(into_bytes(last.into()));
        Self {
            more: Some(Box::new(More { inner, last })),
            ..Self::new(code, first)
        }
    }

    /// Creates the first line of a multi-line reply, `code-text`. The caller sends the lines that
    /// follow, each after one blank, and then a single-line reply with the same code.
    ///
    /// This serves a listing in a reply (`STAT` with a path), which is too long to be held in
    /// memory.
    pub fn opening(code: u16, text: impl Into<Cow<'static, [u8]>>) -> Self {
        let more = More {
            inner: Vec::new(),
            last: None,
        };
        Self {
            more: Some(Box::new(more)),
            ..Self::bytes(code, text)
        }
    }

    /// Creates a reply `code "path" suffix`, with quotes in the path doubled (RFC 959 appendix II).
    ///
    /// `suffix` must not contain a quote: some clients look for the last one.
    pub fn quoted(code: u16, path: &[u8], suffix: &str) -> Self {
        let mut text = Vec::with_capacity(path.len() + suffix.len() + 3);
        text.push(b'"');
        push_doubled(&mut text, path, b'"');
        text.push(b'"');
        if !suffix.is_empty() {
            text.push(b' ');
            text.extend_from_slice(suffix.as_bytes());
        }
        Self::bytes(code, text)
    }

    /// Creates a reply from a text of any length with line breaks, such as a banner or a login
    /// message.
    ///
    /// Several lines become a multi-line reply, without the empty ones at the end. As in pyftpdlib,
    /// a text longer than 75 characters is followed by a final line with nothing but the code. The
    /// lines of the text are not changed, except that the last line of the reply loses the blanks
    /// at its start, because of which some clients would not take it for the last.
    pub fn paragraph(code: u16, text: &str) -> Self {
        let text = text.trim_end();
        let is_long = text.chars().nth(PARAGRAPH_WIDTH).is_some();
        let mut lines: Vec<_> = text.lines().map(str::trim_end).collect();
        if is_long {
            lines.push("");
        }
        if let Some(last) = lines.last_mut() {
            *last = last.trim_start();
        }
        let owned = |line: &str| Cow::Owned(line.as_bytes().to_vec());
        let mut lines = lines.into_iter().map(owned);
        let first = lines.next().unwrap_or_default();
        let more = lines.next_back().map(|last| {
            Box::new(More {
                inner: lines.collect(),
                last: Some(last),
            })
        });
        Self {
            code: ReplyCode::new(code),
            first,
            more,
        }
    }

    /// The code.
    pub fn code(&self) -> ReplyCode {
        self.code
    }

    /// Whether more lines of the same reply follow, as after [`opening`](Self::opening).
    pub fn is_opening(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.last.is_none())
    }

    /// Appends the wire form, with CRLF, in `encoding`.
    ///
    /// CR, LF and NUL in a line, and characters that the encoding lacks, are escaped as
    /// [`NameEncoding`] describes; byte 255 is doubled for Telnet.
    pub fn encode(&self, encoding: NameEncoding, out: &mut Vec<u8>) {
        let Some(more) = &self.more else {
            self.encode_line(b' ', &self.first, encoding, out);
            return;
        };
        self.encode_line(b'-', &self.first, encoding, out);
        for line in &more.inner {
            out.push(b' ');
            encode_text(line, encoding, out);
        }
        if let Some(last) = &more.last {
            self.encode_line(b' ', last, encoding, out);
        }
    }

    /// Appends the wire form of lines after an [opening](Self::opening): each after a blank, with
    /// byte 255 doubled. The lines must end in CRLF and be in the encoding of names already.
    pub fn encode_inner(lines: &[u8], out: &mut Vec<u8>) {
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            out.push(b' ');
            push_doubled(out, line, IAC);
        }
    }

    fn encode_line(&self, mark: u8, text: &[u8], encoding: NameEncoding, out: &mut Vec<u8>) {
        let code = self.code.value();
        let digits = [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8);
        // Room for the code, the mark and the line end; escapes need more.
        out.reserve(text.len() + 6);
        out.extend_from_slice(&digits);
        out.push(mark);
        encode_text(text, encoding, out);
    }
}

/// Formats the code and the lines as text; an [opening](Reply::opening) ends with `..`.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (inner, last) = match &self.more {
            Some(more) => (&*more.inner, more.last.as_ref()),
            None => (&[][..], None),
        };
        let mut tuple = f.debug_tuple("Reply");
        tuple.field(&self.code.value()).field(&Quoted(&self.first));
        for line in inner.iter().chain(last) {
            tuple.field(&Quoted(line));
        }
        if self.is_opening() {
            return tuple.finish_non_exhaustive();
        }
        tuple.finish()
    }
}

/// Appends one line's text and its CRLF.
fn encode_text(text: &[u8], encoding: NameEncoding, out: &mut Vec<u8>) {
    let start = out.len();
    encoding.encode_name(text, out);
    if memchr(IAC, &out[start..]).is_some() {
        let encoded = out.split_off(start);
        push_doubled(out, &encoded, IAC);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `text` with every `byte` in it written twice.
fn push_doubled(out: &mut Vec<u8>, text: &[u8], byte: u8) {
    let mut copied = 0;
    for at in memchr_iter(byte, text) {
        out.extend_from_slice(&text[copied..=at]);
        copied = at;
    }
    out.extend_from_slice(&text[copied..]);
}

fn into_bytes(text: Cow<'static, str>) -> Text {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests;
