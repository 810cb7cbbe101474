//! Lines do not depend on how the stream was cut, and are never longer than allowed.
#![no_main]

use ftpdlib_proto::{Line, LineDecoder, MAX_LINE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let has_letters = size >= 128;
    let whole = decode(has_letters, [stream]);
    let chunks = stream.chunks(usize::from(size % 128).max(1));
    assert_eq!(decode(has_letters, chunks), whole);
    for line in whole.iter().flatten() {
        // A LF is there only behind CR NUL, of which the CR is kept.
        let mut bytes = line.iter().enumerate();
        assert!(line.len() <= MAX_LINE);
        assert!(bytes.all(|(at, &byte)| byte != b'\n' || at > 0 && line[at - 1] == b'\r'));
    }
});

/// The lines of a stream cut into chunks; `None` for one that was too long.
fn decode<'a>(
    has_letters: bool,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Option<Vec<u8>>> {
    let mut decoder = LineDecoder::default();
    decoder.read_letters(has_letters);
    let mut lines = Vec::new();
    for mut input in chunks {
        while let Some(line) = decoder.next(&mut input) {
            lines.push(match line {
                Line::Complete(line) => Some(line.to_vec()),
                Line::TooLong => None,
            });
        }
        assert!(input.is_empty());
    }
    lines
}
