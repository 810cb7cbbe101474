//! A byte stream that is cut into pieces on the way in and queued on the way out.

use std::collections::VecDeque;
use std::fmt;
use std::{io, mem};

use mio::net::TcpStream;

use crate::context::Context;
use crate::interest::Interest;
use crate::socket::Socket;

/// Provides bytes to send when there is room for them.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use ftpdlib_ioloop::Producer;
///
/// /// Counts down, a line at a time.
/// struct Countdown(u32);
///
/// impl Producer for Countdown {
///     fn more(&mut self, chunk: &mut Vec<u8>) -> io::Result<()> {
///         if self.0 > 0 {
///             chunk.extend_from_slice(format!("{}\n", self.0).as_bytes());
///             self.0 -= 1;
///         }
///         Ok(())
///     }
/// }
///
/// let mut chunk = Vec::new();
/// Countdown(3).more(&mut chunk)?;
/// assert_eq!(chunk, b"3\n");
/// # Ok::<(), io::Error>(())
/// ```
pub trait Producer: 'static {
    /// Appends the next chunk to `chunk`, which is empty, and leaves it empty at the end.
    ///
    /// # Errors
    ///
    /// Whatever keeps the producer from continuing; the error ends the chat.
    fn more(&mut self, chunk: &mut Vec<u8>) -> io::Result<()>;
}

/// The peer of a chat, as its [`ChatHandler`](crate::ChatHandler) sees it.
pub struct Channel {
    output: VecDeque<Output>,
    /// How many bytes of the first buffer in `output` are sent.
    sent: usize,
    /// How many bytes of the buffers in `output` are not sent.
    unsent: usize,
    /// What was read and follows the pieces already handed over.
    input: Vec<u8>,
    /// How many bytes at the start of `input` were handed over but not yet removed from it.
    taken: usize,
    /// How many bytes after those are known to contain neither a terminator nor the start of one.
    searched: usize,
    /// Whether `input` may hold a complete piece that waits until the peer takes output.
    held: bool,
    /// If empty, the input is not cut.
    terminator: Vec<u8>,
    max_piece: usize,
    high_water: usize,
    closing: bool,
}

impl Channel {
    /// Queues bytes for the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.unsent += bytes.len();
        match self.output.back_mut() {
            Some(Output::Bytes(last)) if last.len() < BUFFER_SIZE => last.extend_from_slice(bytes),
            _ => self.output.push_back(Output::Bytes(bytes.to_vec())),
        }
    }

    /// Queues the bytes of `producer`, which is asked for them once all earlier output is sent.
    pub fn push_producer(&mut self, producer: impl Producer) {
        self.output.push_back(Output::Producer(Box::new(producer)));
    }

    /// Accepts no more input, and closes once all output is sent and the peer has ended its side,
    /// too; see [`AsyncChat`](crate::AsyncChat) for how long it waits for the peer.
    pub const fn close_when_done(&mut self) {
        self.closing = true;
    }

    /// Cuts the input at another terminator, from the next piece on. With an empty terminator, the
    /// bytes are handed over as they arrive.
    pub fn set_terminator(&mut self, terminator: &[u8]) {
        self.terminator = terminator.to_vec();
        self.searched = 0;
    }

    /// The number of bytes queued but not sent, without those that a producer has yet to give.
    pub const fn unsent(&self) -> usize {
        self.unsent
    }

    pub(crate) fn new() -> Self {
        Self {
            output: VecDeque::new(),
            sent: 0,
            unsent: 0,
            input: Vec::new(),
            taken: 0,
            searched: 0,
            held: false,
            terminator: Vec::new(),
            max_piece: 64 * 1024,
            high_water: 256 * 1024,
            closing: false,
        }
    }

    pub(crate) const fn set_max_piece(&mut self, bytes: usize) {
        self.max_piece = bytes;
    }

    pub(crate) const fn set_high_water(&mut self, bytes: usize) {
        self.high_water = bytes;
    }

    /// Takes in the bytes read, and hands over the complete pieces until too much output is queued.
    /// Called with no bytes after the terminator may have changed or the peer has taken output.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        deliver: impl FnMut(&[u8], &mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let (mut kept, taken) = (mem::take(&mut self.input), mem::take(&mut self.taken));
        let input = if kept.is_empty() {
            bytes
        } else {
            kept.extend_from_slice(bytes);
            &kept
        };
        let taken = taken + self.cut(&input[taken..], deliver)?;
        if self.closing || taken == input.len() {
            self.held = false;
        } else if kept.is_empty() || taken > input.len() / 2 {
            // Keeps only what is left, since it may have to wait for the peer for long.
            self.input = input[taken..].to_vec();
        } else {
            (self.input, self.taken) = (kept, taken);
        }
        Ok(())
    }

    /// Sends what the peer takes, up to [`BYTES_PER_TURN`].
    pub(crate) fn flush(
        &mut self,
        socket: &Socket<TcpStream>,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let mut budget = BYTES_PER_TURN;
        while budget > 0 {
            match self.output.front_mut() {
                Some(Output::Bytes(bytes)) if self.sent == bytes.len() => {
                    self.output.pop_front();
                    self.sent = 0;
                }
                Some(Output::Bytes(bytes)) => match cx.write(socket, &bytes[self.sent..]) {
                    Ok(count) => {
                        self.sent += count;
                        self.unsent -= count;
                        budget = budget.saturating_sub(count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                },
                Some(Output::Producer(producer)) => {
                    let mut chunk = Vec::new();
                    producer.more(&mut chunk)?;
                    if chunk.is_empty() {
                        self.output.pop_front();
                    } else {
                        self.unsent += chunk.len();
                        self.output.push_front(Output::Bytes(chunk));
                    }
                }
                None => break,
            }
        }
        Ok(())
    }

    /// Whether the chat is over: no more input is wanted, and all output is sent.
    pub(crate) fn is_done(&self) -> bool {
        self.closing && self.output.is_empty()
    }

    /// The readiness to wait for. No input is read from a peer that does not take its output. If
    /// pieces are held back for that reason, call [`feed`](Self::feed) again when the peer can be
    /// written to.
    pub(crate) fn interest(&self) -> Interest {
        let mut interest = Interest::NONE;
        if !self.closing && !self.held && self.unsent <= self.high_water {
            interest |= Interest::READ;
        }
        if self.held || !self.output.is_empty() {
            interest |= Interest::WRITE;
        }
        interest
    }

    /// Hands over the pieces of `input`, and returns how many bytes they make up.
    fn cut(
        &mut self,
        input: &[u8],
        mut deliver: impl FnMut(&[u8], &mut Self) -> io::Result<()>,
    ) -> io::Result<usize> {
        let mut start = 0;
        while !self.closing {
            self.held = self.unsent > self.high_water;
            if self.held {
                break;
            }
            let Some((length, after)) = self.next_piece(&input[start..])? else {
                break;
            };
            let piece = &input[start..start + length];
            start += after;
            self.searched = 0;
            deliver(piece, self)?;
        }
        Ok(start)
    }

    /// The length of the first piece, and where the next one begins.
    fn next_piece(&mut self, input: &[u8]) -> io::Result<Option<(usize, usize)>> {
        let size = self.terminator.len();
        if size == 0 {
            return Ok((!input.is_empty()).then_some((input.len(), input.len())));
        }
        let mut windows = input[self.searched..].windows(size);
        let found = windows.position(|bytes| bytes == self.terminator);
        let length = match found {
            Some(position) => self.searched + position,
            // The last bytes may be the start of a terminator.
            None => self.searched.max((input.len() + 1).saturating_sub(size)),
        };
        if length > self.max_piece {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "too long without a terminator",
            ));
        }
        self.searched = length;
        Ok(found.map(|_| (length, length + size)))
    }
}

/// Shows neither input nor output.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("unsent", &self.unsent)
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

enum Output {
    Bytes(Vec<u8>),
    Producer(Box<dyn Producer>),
}

/// Small pushes are gathered into buffers of about this size.
const BUFFER_SIZE: usize = 16 * 1024;

/// The most bytes written before other handlers have their turn.
const BYTES_PER_TURN: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(terminator: &[u8], max_piece: usize, reads: &[&[u8]]) -> io::Result<Vec<Vec<u8>>> {
        let mut channel = Channel::new();
        channel.set_terminator(terminator);
        channel.set_max_piece(max_piece);
        let mut pieces = Vec::new();
        for read in reads {
            channel.feed(read, |piece, _| {
                pieces.push(piece.to_vec());
                Ok(())
            })?;
        }
        Ok(pieces)
    }

    #[track_caller]
    fn check(terminator: &str, reads: &[&str], expected: Option<&[&str]>) {
        let reads: Vec<_> = reads.iter().map(|read| read.as_bytes()).collect();
        let got = pieces(terminator.as_bytes(), 5, &reads).ok();
        let expected: Option<Vec<Vec<u8>>> =
            expected.map(|pieces| pieces.iter().map(|&piece| piece.into()).collect());
        assert_eq!(got, expected, "{terminator:?} in {reads:?}");
    }

    #[test]
    fn input_is_cut_after_each_terminator() {
        check("", &["abcdefgh", "i"], Some(&["abcdefgh", "i"]));
        check("\n", &["ab\ncd\n", "\ne"], Some(&["ab", "cd", ""]));
        check("\r\n", &["ab\r", "\ncd\r\n"], Some(&["ab", "cd"]));
        check("\r\n", &["a\rb\n\r", "\r\n"], Some(&["a\rb\n\r"]));
        check("aab", &["aaab"], Some(&["a"]));
    }

    #[test]
    fn pieces_are_bounded() {
        check("\n", &["12345\n"], Some(&["12345"]));
        check("\n", &["12345", "\n"], Some(&["12345"]));
        check("\n", &["123456\n"], None);
        check("\n", &["123", "456"], None);
        check("\r\n", &["12345\r", "\n"], Some(&["12345"]));
        check("\r\n", &["123456\r"], None);
    }

    #[test]
    fn a_terminator_may_change_between_pieces() {
        let mut channel = Channel::new();
        channel.set_terminator(b"\n");
        let mut pieces = Vec::new();
        let outcome = channel.feed(b"head\nbody;tail", |piece, channel| {
            pieces.push(piece.to_vec());
            channel.set_terminator(if pieces.len() == 1 { b";" } else { b"" });
            Ok(())
        });
        assert!(outcome.is_ok());
        assert_eq!(pieces, [&b"head"[..], b"body", b"tail"]);
    }

    #[test]
    fn input_that_had_arrived_waited_for_more_at_another_terminator() {
        let mut channel = Channel::new();
        channel.set_terminator(b"\n");
        let mut pieces = Vec::new();
        for (read, terminator) in [("head;bo", ";"), ("", "\n"), ("", ""), ("", "")] {
            let outcome = channel.feed(read.as_bytes(), |piece, _| {
                pieces.push(piece.to_vec());
                Ok(())
            });
            assert!(outcome.is_ok());
            channel.set_terminator(terminator.as_bytes());
        }
        assert_eq!(pieces, [&b"head"[..], b"bo"]);
    }

    #[test]
    fn closing_ends_the_input() {
        let mut channel = Channel::new();
        channel.set_terminator(b"\n");
        let mut count = 0;
        for read in [&b"1\n2\n3"[..], b"4\n"] {
            let outcome = channel.feed(read, |_, channel| {
                count += 1;
                channel.close_when_done();
                Ok(())
            });
            assert!(outcome.is_ok());
        }
        assert_eq!(count, 1);
        assert!(channel.is_done());
    }

    #[test]
    fn the_beginning_of_a_piece_kept_the_buffer_of_the_whole_read() {
        let mut lines = b"0123456789\n".repeat(20_000);
        lines.push(b'p');
        let mut channel = Channel::new();
        channel.set_terminator(b"\n");
        for read in [&b"0"[..], &lines] {
            assert!(channel.feed(read, |_, _| Ok(())).is_ok());
        }
        assert_eq!(channel.input, b"p");
        assert!(channel.input.capacity() < 100);
    }

    #[test]
    fn pieces_wait_while_much_is_queued() {
        let mut channel = Channel::new();
        channel.set_terminator(b"\n");
        channel.set_high_water(1);
        let mut pieces = Vec::new();
        for (read, count) in [("1\n22\n333\n4", 2), ("", 2), ("44\n", 2)] {
            let outcome = channel.feed(read.as_bytes(), |piece, channel| {
                pieces.push(piece.to_vec());
                channel.push(b"1");
                Ok(())
            });
            assert!(outcome.is_ok());
            assert_eq!(pieces.len(), count);
            assert_eq!(channel.interest(), Interest::WRITE);
        }
        channel.unsent = 0;
        channel.output.clear();
        let outcome = channel.feed(b"", |piece, _| {
            pieces.push(piece.to_vec());
            Ok(())
        });
        assert!(outcome.is_ok());
        assert_eq!(pieces, [&b"1"[..], b"22", b"333", b"444"]);
        assert_eq!(channel.interest(), Interest::READ);
        assert_eq!(channel.input.capacity(), 0);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_input_is_split(
            input in "[a\r\n]{0,60}",
            terminator in prop_oneof![Just("\n"), Just("\r\n"), Just("aa\n")],
            mut cuts in prop::collection::vec(0..60usize, 0..6),
        ) {
            let input = input.as_bytes();
            cuts.iter_mut().for_each(|cut| *cut = (*cut).min(input.len()));
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let reads: Vec<_> = cuts.windows(2).map(|ends| &input[ends[0]..ends[1]]).collect();
            let whole = pieces(terminator.as_bytes(), 100, &[input]).ok();
            prop_assert_eq!(pieces(terminator.as_bytes(), 100, &reads).ok(), whole);
        }
    }
}
