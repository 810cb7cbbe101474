//! Splits the bytes of the control connection into command lines.

use memchr::{memchr, memchr3};

/// Length of the longest command line accepted, in bytes, without its line ending and Telnet
/// sequences.
pub const MAX_LINE: usize = 2048;

/// What [`LineDecoder::next`] found.
///
/// The enum is complete: a line is either complete or too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Line<'a> {
    /// A whole line, without its CRLF or LF, Telnet sequences, and stray bytes of those at its
    /// start.
    Complete(&'a [u8]),
    /// A line longer than [`MAX_LINE`]. It is reported once, as soon as it is known; the rest of
    /// the line is discarded without being stored.
    TooLong,
}

/// Splits a byte stream into command lines and removes the Telnet sequences.
///
/// CRLF ends a line, and so does a bare LF: some clients send nothing else, and pyftpdlib leaves
/// them waiting. A lone CR does not end a line. Of CR NUL, which is how Telnet writes a lone CR
/// (RFC 854), the CR is kept and the NUL dropped; a LF right after it does not end the line either,
/// so CR NUL LF is a CRLF within a path (RFC 2640 §3.1).
///
/// `IAC IAC` is the byte 255. `IAC` and `WILL`, `WONT`, `DO` or `DONT` are dropped together with
/// the option byte after them. `IAC` and any other command, 240 to 250, are dropped; so the
/// parameters of a subnegotiation, which no FTP client sends, are kept. Before any other byte, 255
/// is data; [after the verb](Self::read_letters), it may always be.
///
/// Bytes of 240 and above at the start of a line are dropped, too: no verb has them, and some
/// clients send the sequences before `ABOR` out of order, or as urgent data that is partly lost.
///
/// A line that arrives in one piece, without a Telnet sequence or a NUL, is returned from the input
/// without copying. Any other is collected in a buffer, which is freed as soon as the input is used
/// up and no partial line is left.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::{Line, LineDecoder};
/// let mut decoder = LineDecoder::default();
/// let mut input: &[u8] = b"USER anonymous\r\nPA";
/// assert_eq!(decoder.next(&mut input), Some(Line::Complete(b"USER anonymous")));
/// assert_eq!(decoder.next(&mut input), None);
/// let mut input: &[u8] = b"SS\r\n";
/// assert_eq!(decoder.next(&mut input), Some(Line::Complete(b"PASS")));
/// ```
#[derive(Clone, Debug, Default)]
pub struct LineDecoder {
    held: Vec<u8>,
    stage: Stage,
    telnet: Telnet,
    after: After,
    /// Whether byte 255 is a letter after the verb.
    has_letters: bool,
}

/// What happens to the next data byte.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    /// It belongs to the line in `held`.
    #[default]
    Collecting,
    /// It begins a new line; `held` is a line that was returned.
    Delivered,
    /// It is dropped, up to the next LF.
    Discarding,
}

/// What came before the next data byte, if that changes its meaning.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum After {
    #[default]
    Other,
    /// A CR that is not in `held` yet.
    Cr,
    /// CR NUL, whose CR is in `held`.
    CrNul,
}

/// The position within a Telnet sequence.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Telnet {
    #[default]
    Data,
    /// After `IAC`.
    Command,
    /// After `IAC` and `WILL`, `WONT`, `DO` or `DONT`.
    Option,
}

const IAC: u8 = 255;

/// `SE`; every byte from here up to `IAC` is a Telnet command.
const FIRST_TELNET_COMMAND: u8 = 240;

impl LineDecoder {
    /// Takes bytes off the front of `input`, up to and including the next line end, and returns the
    /// line that they complete; `None` once `input` is used up without completing one.
    ///
    /// Call it until it returns `None` before reading more. The caller keeps what it leaves in
    /// `input`.
    pub fn next<'a, 'i: 'a>(&'a mut self, input: &mut &'i [u8]) -> Option<Line<'a>> {
        if self.stage == Stage::Delivered {
            self.held.clear();
            self.stage = Stage::Collecting;
        }
        if self.is_between_lines()
            && let Some(end) = memchr3(b'\n', IAC, b'\0', input)
            && input[end] == b'\n'
        {
            let (line, rest) = (&input[..end], &input[end + 1..]);
            *input = rest;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            return Some(if line.len() > MAX_LINE {
                Line::TooLong
            } else {
                Line::Complete(without_stray(line))
            });
        }
        self.next_collected(input)
    }

    /// Sets whether byte 255 after the first blank of a line is a letter, as it is in many
    /// encodings other than UTF-8, such as `я` in windows-1251: clients that know nothing of Telnet
    /// send it in names, and the byte after it belongs to the name, too. Two of them in a row count
    /// as one.
    pub fn read_letters(&mut self, has_letters: bool) {
        self.has_letters = has_letters;
    }

    /// Forgets a partial line or Telnet sequence: what came in the clear is void once TLS starts
    /// (RFC 4217 §4.2).
    pub fn reset(&mut self) {
        *self = Self {
            has_letters: self.has_letters,
            ..Self::default()
        };
    }

    /// Whether the next byte begins a line.
    pub fn is_between_lines(&self) -> bool {
        let is_empty = match self.stage {
            Stage::Collecting => self.held.is_empty(),
            Stage::Delivered => true,
            Stage::Discarding => false,
        };
        is_empty && self.telnet == Telnet::Data && self.after == After::Other
    }

    /// Does the work of [`next`](Self::next) for lines that cannot be returned from the input.
    fn next_collected(&mut self, input: &mut &[u8]) -> Option<Line<'_>> {
        loop {
            self.take_plain_run(input);
            if self.held.len() > MAX_LINE {
                self.held = Vec::new();
                self.stage = Stage::Discarding;
                return Some(Line::TooLong);
            }
            let Some((&byte, rest)) = input.split_first() else {
                if self.held.is_empty() {
                    self.held = Vec::new();
                }
                return None;
            };
            *input = rest;
            if !self.take_byte(byte) {
                continue;
            }
            if std::mem::take(&mut self.stage) == Stage::Discarding {
                continue;
            }
            // A 255 that turned out to be data may have made the line one byte too long.
            if self.held.len() > MAX_LINE {
                self.held = Vec::new();
                return Some(Line::TooLong);
            }
            self.stage = Stage::Delivered;
            return Some(Line::Complete(without_stray(&self.held)));
        }
    }

    /// Takes the bytes without a special meaning off the front of `input`, up to the one that makes
    /// the line too long.
    fn take_plain_run(&mut self, input: &mut &[u8]) {
        if self.telnet != Telnet::Data || self.after != After::Other {
            return;
        }
        let mut run = memchr3(b'\n', b'\r', IAC, input).unwrap_or(input.len());
        if self.stage != Stage::Discarding {
            run = run.min((MAX_LINE + 1).saturating_sub(self.held.len()));
            self.held.extend_from_slice(&input[..run]);
        }
        *input = &input[run..];
    }

    /// Passes one byte of the stream through the Telnet filter. Returns whether it ends a line.
    fn take_byte(&mut self, byte: u8) -> bool {
        match (std::mem::take(&mut self.telnet), byte) {
            (Telnet::Data, IAC) => self.telnet = Telnet::Command,
            (Telnet::Data, byte) => return self.take_data(byte),
            (Telnet::Command, IAC) => return self.take_data(IAC),
            (Telnet::Command, byte) if byte < FIRST_TELNET_COMMAND || self.is_in_letters() => {
                self.take_data(IAC);
                return self.take_data(byte);
            }
            (Telnet::Command, 251..=254) => self.telnet = Telnet::Option,
            (Telnet::Command | Telnet::Option, _) => {}
        }
        false
    }

    /// Whether the next byte may be a letter: a blank has come in this line, or the line is too
    /// long to tell.
    fn is_in_letters(&self) -> bool {
        let is_too_long = self.stage == Stage::Discarding;
        self.has_letters && (is_too_long || memchr(b' ', &self.held).is_some())
    }

    /// Takes one byte of data. Returns whether it ends a line.
    fn take_data(&mut self, byte: u8) -> bool {
        let after = std::mem::take(&mut self.after);
        if byte == b'\n' && after != After::CrNul {
            return true;
        }
        if after == After::Cr {
            self.store(b'\r');
        }
        match byte {
            b'\r' => self.after = After::Cr,
            b'\0' if after == After::Cr => self.after = After::CrNul,
            byte => self.store(byte),
        }
        false
    }

    fn store(&mut self, byte: u8) {
        if self.stage != Stage::Discarding {
            self.held.push(byte);
        }
    }
}

/// Strips the Telnet commands without `IAC` from the start of a line.
fn without_stray(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&byte| byte < FIRST_TELNET_COMMAND);
    &line[start.unwrap_or(line.len())..]
}

#[cfg(test)]
mod tests;
