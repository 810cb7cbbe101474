//! Streaming translation of the ASCII type (RFC 959 §3.1.1.1), independent of chunk borders.

use std::mem;

use memchr::memchr_iter;

/// This many line ends within [`BLOCK`] bytes are too dense to search for one by one: it is then
/// quicker to go through all bytes.
const DENSE: usize = 32;

/// Size of a block of bytes that is translated at once where line ends are dense.
const BLOCK: usize = 256;

/// Translates file bytes to the `TYPE A` form of the wire: LF becomes CRLF, unless there is already
/// a CR before it.
///
/// One value serves one transfer; chunks may be cut anywhere, even between CR and LF.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::AsciiSender;
/// let mut sender = AsciiSender::default();
/// let mut wire = Vec::new();
/// sender.translate(b"unix\ndos\r", &mut wire);
/// sender.translate(b"\n", &mut wire);
/// assert_eq!(wire, b"unix\r\ndos\r\n");
/// ```
#[derive(Debug, Default)]
pub struct AsciiSender {
    after_cr: bool,
}

impl AsciiSender {
    /// Appends the wire form of `input` to `out`, which is at most twice as long.
    pub fn translate(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.reserve(input.len());
        let mut rest = input;
        while !rest.is_empty() {
            rest = self.search(rest, out);
            rest = translate_dense(b'\n', rest, out, |byte| {
                let after_cr = mem::replace(&mut self.after_cr, byte == b'\r');
                (byte == b'\n' && !after_cr, true)
            });
        }
    }

    /// Translates line by line until line ends are dense; returns the rest.
    fn search<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        if input.starts_with(b"\n") && !self.after_cr {
            out.push(b'\r');
        }
        let (mut copied, mut density) = (0, Density::default());
        for lf in memchr_iter(b'\n', input) {
            // The CR before the first byte was handled above.
            if lf > 0 && input[lf - 1] != b'\r' {
                out.extend_from_slice(&input[copied..lf]);
                out.push(b'\r');
                copied = lf;
            }
            if density.is_high(lf) {
                let (head, rest) = input.split_at(lf + 1);
                out.extend_from_slice(&head[copied..]);
                self.after_cr = false;
                return rest;
            }
        }
        out.extend_from_slice(&input[copied..]);
        self.after_cr = input.ends_with(b"\r");
        &[]
    }
}

/// Translates the `TYPE A` form of the wire to file bytes: CRLF becomes LF, a lone CR stays.
///
/// One value serves one transfer; chunks may be cut anywhere, even between CR and LF. Call
/// [`finish`](Self::finish) at the end of the stream.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::AsciiReceiver;
/// let mut receiver = AsciiReceiver::default();
/// let mut file = Vec::new();
/// receiver.translate(b"one\r", &mut file);
/// receiver.translate(b"\ntwo\r", &mut file);
/// receiver.finish(&mut file);
/// assert_eq!(file, b"one\ntwo\r");
/// ```
#[derive(Debug, Default)]
pub struct AsciiReceiver {
    pending_cr: bool,
}

impl AsciiReceiver {
    /// Appends the file form of `input` to `out`; a CR at the end is held back until the next
    /// chunk. This adds at most the length of `input` plus a CR that was held back before.
    pub fn translate(&mut self, input: &[u8], out: &mut Vec<u8>) {
        out.reserve(input.len() + 1);
        let mut rest = input;
        while !rest.is_empty() {
            rest = self.search(rest, out);
            rest = translate_dense(b'\r', rest, out, |byte| {
                let pending_cr = mem::replace(&mut self.pending_cr, byte == b'\r');
                (pending_cr && byte != b'\n', byte != b'\r')
            });
        }
    }

    /// Translates CR by CR until they are dense; returns the rest.
    fn search<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        if mem::take(&mut self.pending_cr) && !input.starts_with(b"\n") {
            out.push(b'\r');
        }
        let (mut copied, mut density) = (0, Density::default());
        for cr in memchr_iter(b'\r', input) {
            if density.is_high(cr) {
                out.extend_from_slice(&input[copied..cr]);
                return &input[cr..];
            }
            let next = input.get(cr + 1);
            if next.is_none_or(|&byte| byte == b'\n') {
                out.extend_from_slice(&input[copied..cr]);
                copied = cr + 1;
                self.pending_cr = next.is_none();
            }
        }
        out.extend_from_slice(&input[copied..]);
        &[]
    }

    /// Appends a CR that is still held back; to be called once at the end of the stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if mem::take(&mut self.pending_cr) {
            out.push(b'\r');
        }
    }
}

/// Counts recent line ends.
#[derive(Default)]
struct Density {
    count: usize,
    /// Where counting began.
    since: usize,
}

impl Density {
    /// Counts a line end found `at` this offset. Returns whether many were close together.
    fn is_high(&mut self, at: usize) -> bool {
        self.count += 1;
        if self.count < DENSE {
            return false;
        }
        let since = mem::replace(&mut self.since, at);
        self.count = 0;
        at - since < BLOCK
    }
}

/// Translates `input` byte by byte while `mark` is dense in it; returns the rest. For each byte,
/// `step` says whether a CR goes before it, and whether the byte itself is kept. There are no
/// branches, which would often be mispredicted where line ends are dense.
fn translate_dense<'a>(
    mark: u8,
    input: &'a [u8],
    out: &mut Vec<u8>,
    mut step: impl FnMut(u8) -> (bool, bool),
) -> &'a [u8] {
    let mut rest = input;
    while !rest.is_empty() {
        let (block, after) = rest.split_at(rest.len().min(BLOCK));
        let mut translated = [0; 2 * BLOCK];
        let (mut len, mut marks) = (0, 0);
        for &byte in block {
            let (gets_cr, stays) = step(byte);
            translated[len] = b'\r';
            len += usize::from(gets_cr);
            translated[len] = byte;
            len += usize::from(stays);
            marks += usize::from(byte == mark);
        }
        out.extend_from_slice(&translated[..len]);
        rest = after;
        if marks < DENSE {
            break;
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn send(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut sender, mut out) = (AsciiSender::default(), Vec::new());
        for chunk in chunks {
            sender.translate(chunk, &mut out);
        }
        out
    }

    fn receive(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut receiver, mut out) = (AsciiReceiver::default(), Vec::new());
        for chunk in chunks {
            receiver.translate(chunk, &mut out);
        }
        receiver.finish(&mut out);
        out
    }

    #[track_caller]
    fn check(file: &str, wire: &str, back: &str) {
        assert_eq!(send(&[file.as_bytes()]), wire.as_bytes(), "{file:?} sent");
        assert_eq!(
            receive(&[wire.as_bytes()]),
            back.as_bytes(),
            "{wire:?} received"
        );
    }

    #[test]
    fn line_ends_are_translated() {
        check("", "", "");
        check("a", "a", "a");
        check("a\nb\n", "a\r\nb\r\n", "a\nb\n");
        check("\n\n", "\r\n\r\n", "\n\n");
        check("a\r\nb", "a\r\nb", "a\nb");
        check("a\rb\r", "a\rb\r", "a\rb\r");
        check("a\r\r\n", "a\r\r\n", "a\r\n");
    }

    /// Returns how many bytes of `input` are translated line end by line end, when sent and when
    /// received.
    fn searched(input: &[u8]) -> (usize, usize) {
        let mut out = Vec::new();
        let (mut sender, mut receiver) = (AsciiSender::default(), AsciiReceiver::default());
        let rest = sender.search(input, &mut out).len();
        let received = receiver.search(input, &mut out).len();
        (input.len() - rest, input.len() - received)
    }

    #[test]
    fn dense_line_ends_were_searched_one_by_one() {
        for dense in ["\r\n", "x\r\n", "\n\r\r", "xx\rxx\n"] {
            let (sent, received) = searched(dense.repeat(1000).as_bytes());
            assert!(
                sent < BLOCK && received < BLOCK,
                "{dense:?}: {sent}, {received}"
            );
        }
        for text in ["x".repeat(30) + "\r\n", "\n".repeat(10) + &"x".repeat(300)] {
            let text = text.repeat(1000);
            let all = text.len();
            assert_eq!(searched(text.as_bytes()), (all, all), "{text:?}");
        }
    }

    #[test]
    fn crs_that_stay_were_copied_one_by_one() {
        let crs = b"\r".repeat(1000);
        let (_, received) = searched(&crs);
        assert!(received < DENSE, "{received}");
        assert_eq!(receive(&[&crs]), crs);
        assert_eq!(receive(&[b"a\r\r\nb"]), b"a\r\nb");
    }

    /// Translates all of `file` as a sender should.
    fn sent_naively(file: &[u8]) -> Vec<u8> {
        let before = [0].iter().chain(file);
        let pairs = before.zip(file).flat_map(|pair| match pair {
            (b'\r', b'\n') => vec![b'\n'],
            (_, b'\n') => b"\r\n".to_vec(),
            (_, &byte) => vec![byte],
        });
        pairs.collect()
    }

    /// Translates all of `wire` as a receiver should.
    fn received_naively(wire: &[u8]) -> Vec<u8> {
        let after = wire.iter().skip(1).chain(&[0]);
        let pairs = wire.iter().zip(after);
        let stays = pairs.filter(|&pair| pair != (&b'\r', &b'\n'));
        stays.map(|(&byte, _)| byte).collect()
    }

    /// Text in which line ends are dense in some parts and rare in others.
    fn uneven_text() -> impl Strategy<Value = Vec<u8>> {
        let dense = prop::collection::vec(prop::sample::select(b"\r\n\r\nx".to_vec()), 0..700);
        let rare =
            prop::collection::vec(prop::sample::select(b"abcdefghijklmn\r\n".to_vec()), 0..700);
        let none = (0..400usize).prop_map(|len| vec![b'x'; len]);
        let parts = prop::collection::vec(prop_oneof![dense, rare, none], 0..5);
        parts.prop_map(|parts| parts.concat())
    }

    #[test]
    fn dense_line_ends_may_be_cut_anywhere() {
        for pattern in ["\r\n", "\n", "\r", "x\r\n", "\r\r\n"] {
            let text = pattern.repeat(2 * BLOCK / pattern.len());
            let (sent, received) = (
                sent_naively(text.as_bytes()),
                received_naively(text.as_bytes()),
            );
            for cut in 0..=text.len() {
                let (head, tail) = text.as_bytes().split_at(cut);
                assert_eq!(send(&[head, tail]), sent, "{pattern:?} cut at {cut}");
                assert_eq!(receive(&[head, tail]), received, "{pattern:?} cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn chunk_borders_do_not_show(
            (input, cut) in "[ab\r\n]{0,24}"
                .prop_flat_map(|input| { let end = input.len(); (Just(input), 0..=end) }),
        ) {
            let (head, tail) = input.as_bytes().split_at(cut);
            prop_assert_eq!(send(&[head, b"", tail]), send(&[input.as_bytes()]));
            prop_assert_eq!(receive(&[head, b"", tail]), receive(&[input.as_bytes()]));
        }

        #[test]
        fn dense_line_ends_are_those_of_a_naive_translation(
            text in uneven_text(),
            sizes in prop::collection::vec(1..600usize, 1..6),
        ) {
            let mut rest = text.as_slice();
            let mut sizes = sizes.iter().cycle();
            let mut chunks = Vec::new();
            while !rest.is_empty() {
                let size = sizes.next().map_or(1, |&size| size);
                let (chunk, after) = rest.split_at(rest.len().min(size));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(send(&chunks), sent_naively(&text));
            prop_assert_eq!(receive(&chunks), received_naively(&text));
        }

        #[test]
        fn unix_text_round_trips(text in "[^\r]*") {
            prop_assert_eq!(receive(&[&send(&[text.as_bytes()])]), text.as_bytes());
        }

        #[test]
        fn no_bare_line_feed_is_sent(text: Vec<u8>) {
            let wire = send(&[&text]);
            prop_assert!(!wire.starts_with(b"\n"));
            prop_assert!(wire.windows(2).all(|pair| pair[1] != b'\n' || pair[0] == b'\r'));
        }
    }
}
