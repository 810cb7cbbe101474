//! Control-connection bytes to command lines.

/// Longest command line accepted, in bytes, without its line ending.
pub const MAX_LINE: usize = 2048;

/// What [`LineDecoder::next`] found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Line<'a> {
    /// A whole line, without its CRLF or LF and without Telnet sequences.
    Complete(&'a [u8]),
    /// A line grew past [`MAX_LINE`]: reported once, as soon as it is known; the rest is discarded.
    TooLong,
}

/// Splits a byte stream into lines. CRLF and bare LF end a line; a lone CR or CR NUL does not.
/// `IAC IAC` is byte 255; IAC WILL/WONT/DO/DONT x is dropped with its option, IAC 240..=250 is
/// dropped (SB up to IAC SE? -> keep simple: as the two-byte forms), any other 255 stays.
/// Holds no heap memory between complete lines.
#[derive(Debug, Default)]
pub struct LineDecoder {
    held: Vec<u8>,
}
impl LineDecoder {
    /// Takes bytes off the front of `input` up to and including the next line end.
    /// `None` once `input` is used up without completing a line.
    pub fn next<'a>(&'a mut self, _input: &mut &'a [u8]) -> Option<Line<'a>> {
        todo!()
    }
    /// Forgets a partial line (AUTH throws away what came in clear).
    pub fn reset(&mut self) {
        self.held = Vec::new();
    }
}
