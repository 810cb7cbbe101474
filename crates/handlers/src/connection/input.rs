//! Input from the control connection that was not taken as lines yet.

use ftpdlib_proto::{Line, LineDecoder, NameEncoding};

/// Received bytes, and the decoder with the unfinished line before them. Does no IO.
#[derive(Default)]
pub(super) struct Input {
    decoder: LineDecoder,
    /// Received, but not taken as lines yet.
    unread: Vec<u8>,
    /// How many of these bytes, in whole lines, were looked at ahead. They always fit: `AHEAD`
    /// bounds what is received.
    looked_at: u32,
}

impl Input {
    /// Adds received bytes.
    pub(super) fn add(&mut self, received: &[u8]) {
        self.unread.extend_from_slice(received);
    }

    /// Hands the next line, with names in `encoding`, to `take`. Returns whether there was one.
    pub(super) fn next_line(
        &mut self,
        encoding: NameEncoding,
        take: impl FnOnce(Line<'_>),
    ) -> bool {
        self.decoder.read_letters(encoding != NameEncoding::UTF_8);
        let mut rest = self.unread.as_slice();
        let Some(line) = self.decoder.next(&mut rest) else {
            self.discard();
            return false;
        };
        let left = rest.len();
        take(line);
        let taken = self.unread.len() - left;
        if left == 0 {
            self.discard();
        } else {
            self.unread.drain(..taken);
            self.looked_at = self.looked_at.saturating_sub(taken as u32);
        }
        true
    }

    /// Shows the lines that were not taken yet to `look`, each of them once, up to one of which
    /// that says yes; whether there was one.
    pub(super) fn look_ahead(&mut self, mut look: impl FnMut(&[u8]) -> bool) -> bool {
        let mut decoder = self.decoder.clone();
        if self.looked_at > 0 {
            decoder.reset();
        }
        let mut rest = &self.unread[self.looked_at as usize..];
        while let Some(line) = decoder.next(&mut rest) {
            let is_found = matches!(line, Line::Complete(line) if look(line));
            // The rest of a line that is too long is not a line.
            if decoder.is_between_lines() {
                self.looked_at = (self.unread.len() - rest.len()) as u32;
            }
            if is_found {
                return true;
            }
        }
        false
    }

    /// Discards what was received, except for the part of a line that the decoder holds.
    pub(super) fn discard(&mut self) {
        (self.unread, self.looked_at) = (Vec::new(), 0);
    }

    /// How many bytes were not taken yet.
    pub(super) fn len(&self) -> usize {
        self.unread.len()
    }

    /// Whether everything was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// Whether one of the lines is QUIT; the last one may lack its end.
    pub(super) fn has_quit(&self) -> bool {
        let mut decoder = self.decoder.clone();
        for mut bytes in [self.unread.as_slice(), b"\n"] {
            while let Some(line) = decoder.next(&mut bytes) {
                if let Line::Complete(line) = line
                    && line.trim_ascii().eq_ignore_ascii_case(b"QUIT")
                {
                    return true;
                }
            }
        }
        false
    }

    /// Whether the input begins with a TLS handshake record, as no command does.
    pub(super) fn begins_tls(&self) -> bool {
        self.decoder.is_between_lines() && self.unread.starts_with(&[0x16, 0x03])
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_quit(before: &[u8], received: &[u8], expected: bool) {
        let mut input = Input::default();
        input.add(before);
        while input.next_line(NameEncoding::UTF_8, |_| {}) {}
        input.add(received);
        let shown = received.escape_ascii();
        assert_eq!(input.has_quit(), expected, "{shown}");
    }

    #[test]
    fn quit_is_found_behind_other_lines() {
        check_quit(b"", b"NOOP\r\nquit \nNOOP\r\n", true);
        check_quit(b"", b"NOOP\r\nQUIT", true);
        check_quit(b"", b"NOOP\r\nQUIT now\r\n", false);
        check_quit(b"", b"", false);
    }

    #[test]
    fn quit_behind_a_telnet_sequence_was_overlooked() {
        check_quit(b"", b"\xff\xf4\xff\xf2QUIT\r\n", true);
        check_quit(b"", b"NOOP\r\nQU\xff\xf1IT\r\n", true);
        check_quit(b"", b"\xf4\xf2QUIT\r\n", true);
    }

    #[test]
    fn quit_that_came_in_two_pieces_was_overlooked() {
        check_quit(b"NOOP\r\nQU", b"IT\r\n", true);
        check_quit(b"RETR ", b"QUIT\r\n", false);
        check_quit(b"", b"MKD a\r\0\nQUIT\r\n", false);
    }

    /// The command lines in `bytes`.
    fn decoded(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut decoder = LineDecoder::default();
        let mut lines = Vec::new();
        while let Some(line) = decoder.next(&mut bytes) {
            lines.push(kept(line));
        }
        lines
    }

    fn kept(line: Line<'_>) -> Vec<u8> {
        match line {
            Line::Complete(line) => line.to_vec(),
            Line::TooLong => b"too long".to_vec(),
        }
    }

    /// What the connection does with its input.
    #[derive(Clone, Debug)]
    enum Step {
        /// Adds so many bytes of what the client sends.
        Receive(usize),
        Take,
        Look,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let receive = (1_usize..40).prop_map(Step::Receive);
        let step = prop_oneof![receive, Just(Step::Take), Just(Step::Look)];
        proptest::collection::vec(step, 0..60)
    }

    /// What a client may send: each line with a number, Telnet sequences in it, and any end; some
    /// of them too long.
    fn numbered_lines() -> impl Strategy<Value = Vec<u8>> {
        let verb = prop_oneof![
            4 => Just(b"NOOP ".to_vec()),
            1 => Just(b"NO\xff\xf1OP ".to_vec()),
            1 => Just(b"\xff\xf4\xff\xf2ABOR ".to_vec()),
            1 => Just(b"MKD a\r\0\nABOR ".to_vec()),
            1 => Just([b"RETR ", [b'x'; 2050].as_slice()].concat()),
            1 => Just([b"RETR ", [b'x'; 2050].as_slice(), b"\r\0\nABOR "].concat()),
        ];
        let end = prop::sample::select(vec![&b"\r\n"[..], b"\n", b"\xff\xf1\r\n"]);
        proptest::collection::vec((verb, end), 0..12).prop_map(|lines| {
            let lines = lines.into_iter().enumerate();
            let line = |(number, (verb, end)): (usize, (Vec<u8>, &[u8]))| {
                [verb, number.to_string().into_bytes(), end.to_vec()].concat()
            };
            lines.flat_map(line).collect()
        })
    }

    proptest! {
        #[test]
        fn split_anywhere_the_lines_are_the_same(
            sent in prop_oneof![proptest::collection::vec(any::<u8>(), 0..200), numbered_lines()],
            steps in steps(),
        ) {
            let mut input = Input::default();
            let mut taken = Vec::new();
            let mut rest = sent.as_slice();
            for step in steps {
                match step {
                    Step::Receive(bytes) => {
                        let (piece, later) = rest.split_at(bytes.min(rest.len()));
                        input.add(piece);
                        rest = later;
                    }
                    Step::Take => {
                        input.next_line(NameEncoding::UTF_8, |line| taken.push(kept(line)));
                    }
                    Step::Look => {
                        input.look_ahead(|_| false);
                    }
                }
            }
            input.add(rest);
            while input.next_line(NameEncoding::UTF_8, |line| taken.push(kept(line))) {}
            prop_assert_eq!(taken, decoded(&sent));
            prop_assert!(input.is_empty());
        }

        #[test]
        fn each_line_that_waits_is_looked_at_once(sent in numbered_lines(), steps in steps()) {
            let mut input = Input::default();
            // Those of a line that was taken unseen are missing.
            let (mut looked_at, mut unseen) = (Vec::new(), Vec::new());
            let mut rest = sent.as_slice();
            // One look ends at each line that was looked for.
            let last = iter::repeat_n(Step::Look, sent.len() + 1);
            for step in steps.into_iter().chain([Step::Receive(sent.len())]).chain(last) {
                match step {
                    Step::Receive(bytes) => {
                        let (piece, later) = rest.split_at(bytes.min(rest.len()));
                        input.add(piece);
                        rest = later;
                    }
                    Step::Take => {
                        input.next_line(NameEncoding::UTF_8, |line| {
                            let line = kept(line);
                            if !looked_at.contains(&line) {
                                unseen.push(line);
                            }
                        });
                    }
                    Step::Look => {
                        input.look_ahead(|line| {
                            looked_at.push(line.to_vec());
                            line.starts_with(b"ABOR")
                        });
                    }
                }
            }
            let mut expected = decoded(&sent);
            expected.retain(|line| line != b"too long" && !unseen.contains(line));
            prop_assert_eq!(looked_at, expected);
        }
    }
}
