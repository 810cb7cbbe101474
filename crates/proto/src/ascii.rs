//! The translation of the ASCII type (RFC 959 §3.1.1.1), streaming, right across chunk borders.

use std::{iter, mem};

use memchr::{memchr, memchr_iter};

/// Translates file bytes to the `TYPE A` form of the wire: a LF becomes CRLF unless a CR is already
/// before it.
///
/// One value serves one transfer; chunks may be cut anywhere, also between CR and LF.
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
    /// Appends the wire form of `input` to `out`: at most twice its length.
    pub fn translate(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let Some(&last) = input.last() else { return };
        out.reserve(input.len());
        let mut copied = 0;
        for lf in memchr_iter(b'\n', input) {
            let has_cr = match lf.checked_sub(1) {
                Some(before) => input[before] == b'\r',
                None => self.after_cr,
            };
            if !has_cr {
                out.extend_from_slice(&input[copied..lf]);
                out.push(b'\r');
                copied = lf;
            }
        }
        out.extend_from_slice(&input[copied..]);
        self.after_cr = last == b'\r';
    }
}

/// Translates the `TYPE A` form of the wire to file bytes: CRLF becomes LF, a lone CR stays.
///
/// One value serves one transfer; chunks may be cut anywhere, also between CR and LF. At the end
/// of the stream call [`finish`](Self::finish).
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
    /// Appends the file form of `input` to `out`; a CR at the end waits for what follows. Adds at
    /// most the length of `input` and the one CR held back before.
    pub fn translate(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let Some(&first) = input.first() else { return };
        out.reserve(input.len() + 1);
        if self.pending_cr && first != b'\n' {
            out.push(b'\r');
        }
        let whole = input.strip_suffix(b"\r");
        self.pending_cr = whole.is_some();
        for piece in pieces(whole.unwrap_or(input)) {
            out.extend_from_slice(piece);
        }
    }

    /// Appends a CR still held back; call once at the end of the stream.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if mem::take(&mut self.pending_cr) {
            out.push(b'\r');
        }
    }
}

/// What is left of `input` without the CRs that are directly before a LF. CRs in a row are looked
/// at together, and those that stay end no piece: one by one they would take long.
fn pieces(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(input);
    iter::from_fn(move || {
        let input = rest.take()?;
        let mut end = 0;
        while let Some(before) = memchr(b'\r', &input[end..]) {
            let run = input[end + before..].iter();
            end += before + run.take_while(|&&byte| byte == b'\r').count();
            if input.get(end) == Some(&b'\n') {
                rest = Some(&input[end..]);
                return Some(&input[..end - 1]);
            }
        }
        Some(input)
    })
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

    #[test]
    fn crs_that_stay_were_copied_one_by_one() {
        for input in ["\r\r\r\r", "a\ra\ra", "\n\n\n"] {
            assert!(pieces(input.as_bytes()).eq([input.as_bytes()]), "{input:?}");
        }
        assert!(pieces(b"a\r\r\nb").eq([&b"a\r"[..], b"\nb"]));
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
