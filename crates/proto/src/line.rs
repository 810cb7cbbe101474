//! Control-connection bytes to command lines.

use memchr::{memchr, memchr3};

/// Longest command line accepted, in bytes, without its line ending and Telnet sequences.
pub const MAX_LINE: usize = 2048;

/// What [`LineDecoder::next`] found.
///
/// The enum is complete: there is nothing else to be said of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Line<'a> {
    /// A whole line, without its CRLF or LF, Telnet sequences and stray bytes of them at its start.
    Complete(&'a [u8]),
    /// A line grew past [`MAX_LINE`]. Reported once, as soon as it is known; the rest of the line
    /// is discarded without being stored.
    TooLong,
}

/// Splits a byte stream into command lines and takes the Telnet sequences out of it.
///
/// CRLF ends a line, and so does a bare LF: some clients send nothing else, and pyftpdlib leaves
/// them waiting. A lone CR does not end a line. Of CR NUL, Telnet's way to write a lone CR
/// (RFC 854), the CR is kept and the NUL dropped; a LF right after it does not end the line
/// either, so CR NUL LF is a CRLF within a path (RFC 2640 §3.1).
///
/// Of the Telnet sequences, `IAC IAC` is the byte 255; `IAC` before `WILL`, `WONT`, `DO` or `DONT`
/// is dropped with the option byte after it; `IAC` before any other command, 240 to 250, is
/// dropped with it, so of a subnegotiation, which no FTP client sends, the parameters stay. Before
/// any other byte 255 is data; [behind the verb](Self::read_letters) it may always be.
///
/// Bytes from 240 on at the start of a line are dropped, too: no verb has them, and some clients
/// send the sequences before `ABOR` out of order, or as urgent data that gets lost in part.
///
/// A line that arrives in one piece and holds neither a Telnet sequence nor a NUL is handed out
/// from the input without copying. Otherwise it is collected in a buffer, which is given back as
/// soon as the input is used up and no partial line is left.
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
    /// Behind the verb, byte 255 is a letter.
    has_letters: bool,
}

/// What becomes of the next data byte.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    /// It belongs to the line in `held`.
    #[default]
    Collecting,
    /// It begins a line; `held` is one that was handed out.
    Delivered,
    /// It is dropped, up to the next LF.
    Discarding,
}

/// What came before the next data byte, as far as that changes its meaning.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum After {
    #[default]
    Other,
    /// A CR that is not in `held` yet.
    Cr,
    /// CR NUL, whose CR is in `held`.
    CrNul,
}

/// Where in a Telnet sequence the stream is.
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

/// `SE`; every byte from here to `IAC` is a Telnet command.
const FIRST_TELNET_COMMAND: u8 = 240;

impl LineDecoder {
    /// Takes bytes off the front of `input`, up to and including the next line end, and returns
    /// what they complete; `None` once `input` is used up without completing a line.
    ///
    /// Call it until it returns `None` before reading more: what it leaves in `input` is the
    /// caller's to keep.
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

    /// Sets whether byte 255 behind the first blank of a line is a letter, as it is in many
    /// encodings but not in UTF-8, such as `я` of windows-1251: clients that know nothing of Telnet
    /// send it in names, and what follows belongs to the name, too. Two of them in a row are one.
    pub fn read_letters(&mut self, has_letters: bool) {
        self.has_letters = has_letters;
    }

    /// Forgets a partial line and a Telnet sequence begun: what came in clear is void once TLS
    /// starts (RFC 4217 §4.2).
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

    /// [`next`](Self::next) for lines that cannot be handed out from the input.
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
            // A 255 that turned out to be data may have been one byte too many.
            if self.held.len() > MAX_LINE {
                self.held = Vec::new();
                return Some(Line::TooLong);
            }
            self.stage = Stage::Delivered;
            return Some(Line::Complete(without_stray(&self.held)));
        }
    }

    /// Takes the bytes that have no meaning of their own off the front of `input`, up to the one
    /// that makes the line too long.
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

    /// Takes one byte of the stream through the Telnet filter. Whether it ends a line.
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

    /// Whether a letter may come: a blank has come in this line, or it is too long to tell.
    fn is_in_letters(&self) -> bool {
        let is_too_long = self.stage == Stage::Discarding;
        self.has_letters && (is_too_long || memchr(b' ', &self.held).is_some())
    }

    /// Takes one byte of data. Whether it ends a line.
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

/// A line without the Telnet commands at its start that no `IAC` announced.
fn without_stray(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&byte| byte < FIRST_TELNET_COMMAND);
    &line[start.unwrap_or(line.len())..]
}

#[cfg(test)]
mod tests;
