use super::*;
use proptest::prelude::*;

/// Decodes a stream cut into `chunks`; `None` is a line that was too long.
fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Vec<u8>>> {
    decode_by(LineDecoder::default(), chunks)
}

/// Decodes a stream in which byte 255 is a letter.
fn decode_letters<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Vec<u8>>> {
    let mut decoder = LineDecoder::default();
    decoder.read_letters(true);
    decode_by(decoder, chunks)
}

fn decode_by<'a>(
    mut decoder: LineDecoder,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Option<Vec<u8>>> {
    let mut lines = Vec::new();
    for mut input in chunks {
        while let Some(line) = decoder.next(&mut input) {
            lines.push(match line {
                Line::Complete(line) => Some(line.to_vec()),
                Line::TooLong => None,
            });
        }
        assert!(input.is_empty(), "nothing is left behind");
    }
    lines
}

#[track_caller]
fn check(input: &[u8], expected: &[&[u8]]) {
    let expected: Vec<_> = expected.iter().map(|line| Some(line.to_vec())).collect();
    assert_eq!(decode([input]), expected, "{}", input.escape_ascii());
    assert_eq!(
        decode(input.chunks(1)),
        expected,
        "{}, by bytes",
        input.escape_ascii()
    );
}

#[test]
fn crlf_and_lf_end_a_line() {
    check(b"", &[]);
    check(b"NOOP", &[]);
    check(b"NOOP\r\n", &[b"NOOP"]);
    check(b"NOOP\n", &[b"NOOP"]);
    check(b"A\r\nB\nC\r\nD", &[b"A", b"B", b"C"]);
    check(b"\r\n\n", &[b"", b""]);
}

#[test]
fn a_lone_cr_is_part_of_the_line() {
    check(b"a\rb\r\n", &[b"a\rb"]);
    check(b"a\r\r\n", &[b"a\r"]);
    check(b"a\r\0b\n", &[b"a\rb"]);
    check(b"a\r\0\r\n", &[b"a\r"]);
    check(b"a\0b\n", &[b"a\0b"]);
    check(b"\r\r\0\0\n", &[b"\r\r\0"]);
}

#[test]
fn a_line_end_within_a_name_had_its_rest_run_as_a_command() {
    check(b"MKD a\r\0\nDELE b\r\n", &[b"MKD a\r\nDELE b"]);
    check(b"a\r\0\n\n", &[b"a\r\n"]);
    check(b"a\r\0b\n", &[b"a\rb"]);
    check(b"a\r\0\r\0\n\n", &[b"a\r\r\n"]);
    check(b"a\r\0\0\n", &[b"a\r\0"]);
    check(b"a\r\0\xff\xf1\n\n", &[b"a\r\n"]);
    let long = [&[b'x'; MAX_LINE][..], b"xx\r\0\nDELE b\r\nNOOP\r\n"].concat();
    assert_eq!(decode([&long[..]]), [None, Some(b"NOOP".to_vec())]);
}

#[test]
fn telnet_sequences_are_taken_out() {
    check(b"\xff\xf4\xff\xf2ABOR\r\n", &[b"ABOR"]);
    check(b"\xff\xfb\x01A\xff\xfd\nB\n", &[b"AB"]);
    check(b"A\xff\xf1\r\xff\xf1\nB\n", &[b"A", b"B"]);
    check(b"\xff\xfa\x18\xff\xf0\n", &[b"\x18"]);
    check(b"a\r\xff\xf1\0b\n", &[b"a\rb"]);
}

#[test]
fn byte_255_can_be_data() {
    check(b"RETR \xff\xff\n", &[b"RETR \xff"]);
    check(b"RETR \xffa\n", &[b"RETR \xffa"]);
    check(b"RETR \xff\r\n", &[b"RETR \xff"]);
    check(b"RETR \xff\n", &[b"RETR \xff"]);
    check(b"x\xff\xef\xff\xff\xff\xff\n", &[b"x\xff\xef\xff\xff"]);
}

#[test]
fn a_letter_that_is_byte_255_was_lost_with_what_followed() {
    let rows: [(&[u8], &[&[u8]]); 6] = [
        // мясо, яхта and юля in windows-1251.
        (b"STOR \xec\xff\xf1\xee\r\n", &[b"STOR \xec\xff\xf1\xee"]),
        (b"MKD \xff\xf5\xf2\xe0\n", &[b"MKD \xff\xf5\xf2\xe0"]),
        (b"CWD \xfe\xeb\xff\n", &[b"CWD \xfe\xeb\xff"]),
        (b"DELE \xff\xfb\xff\n", &[b"DELE \xff\xfb\xff"]),
        (b"DELE \xff\xfe\n.\n", &[b"DELE \xff\xfe", b"."]),
        (b"\xff\xf4ABOR \xff\xf4\n", &[b"ABOR \xff\xf4"]),
    ];
    for (input, expected) in rows {
        let expected: Vec<_> = expected.iter().map(|line| Some(line.to_vec())).collect();
        assert_eq!(decode_letters([input]), expected);
        assert_eq!(decode_letters(input.chunks(1)), expected);
    }
    let long = [b"STOR ", &[b'x'; MAX_LINE][..], b"\xff\xfe\nNOOP\n"].concat();
    assert_eq!(decode_letters([&long[..]]), [None, Some(b"NOOP".to_vec())]);
}

#[test]
fn stray_telnet_commands_before_a_verb_are_dropped() {
    check(b"\xf2ABOR\r\n", &[b"ABOR"]);
    check(b"\xff\xf4\xf2ABOR\r\n", &[b"ABOR"]);
    check(b"\xf4\xffABOR\r\n", &[b"ABOR"]);
    check(b"\xf0\xff\xff\n", &[b""]);
    check(b"\xef\xf2ABOR\n", &[b"\xef\xf2ABOR"]);
    check(b"RETR \xf2\xf4\n", &[b"RETR \xf2\xf4"]);
}

#[test]
fn a_line_too_long_is_reported_once() {
    let longest = vec![b'x'; MAX_LINE];
    let line = |length: usize| [&vec![b'x'; length][..], b"\r\nNOOP\r\n"].concat();
    let noop = Some(b"NOOP".to_vec());
    for input in [line(MAX_LINE + 1), line(MAX_LINE + 2), line(3 * MAX_LINE)] {
        for size in [1, 2, 1000, MAX_LINE + 1, MAX_LINE + 2, input.len()] {
            assert_eq!(
                decode(input.chunks(size)),
                [None, noop.clone()],
                "in chunks of {size}"
            );
        }
    }
    for size in [1, 1000, MAX_LINE, MAX_LINE + 1, MAX_LINE + 2, 2 * MAX_LINE] {
        let expected = [Some(longest.clone()), noop.clone()];
        assert_eq!(
            decode(line(MAX_LINE).chunks(size)),
            expected,
            "in chunks of {size}"
        );
    }
}

#[test]
fn a_line_too_long_is_reported_before_its_end() {
    assert_eq!(decode([&[b'x'; MAX_LINE + 1][..], b"xx", b"xx"]), [None]);
    assert_eq!(decode([&[b'\r'; MAX_LINE + 2][..], b"\r"]), [None]);
}

#[test]
fn a_255_that_is_one_byte_too_many_counts() {
    let input = [&[b'x'; MAX_LINE][..], b"\xff\nNOOP\n"].concat();
    assert_eq!(decode([&input[..]]), [None, Some(b"NOOP".to_vec())]);
}

#[test]
fn telnet_sequences_do_not_count() {
    let input = [b"\xff\xf1".repeat(MAX_LINE), b"NOOP\n".to_vec()].concat();
    assert_eq!(decode([&input[..]]), [Some(b"NOOP".to_vec())]);
}

#[test]
fn a_long_line_is_not_stored() {
    let mut decoder = LineDecoder::default();
    let mut input: &[u8] = &[b'x'; 1 << 20];
    assert_eq!(decoder.next(&mut input), Some(Line::TooLong));
    assert_eq!(decoder.next(&mut input), None);
    assert_eq!(decoder.held.capacity(), 0);
}

#[test]
fn nothing_is_held_between_lines() {
    let mut decoder = LineDecoder::default();
    for mut input in [&b"NO"[..], b"OP\r\n"] {
        while decoder.next(&mut input).is_some() {}
    }
    assert_eq!(decoder.held.capacity(), 0);
}

#[test]
fn a_whole_line_is_not_copied() {
    let bytes = b"RETR a\rb\r\n";
    let mut input = &bytes[..];
    match LineDecoder::default().next(&mut input) {
        Some(Line::Complete(line)) => assert!(std::ptr::eq(line, &bytes[..8])),
        other => panic!("{other:?}"),
    };
}

#[test]
fn reset_forgets_what_came() {
    let mut decoder = LineDecoder::default();
    assert_eq!(decoder.next(&mut &b"AUTH\r\xff"[..]), None);
    decoder.reset();
    assert_eq!(
        decoder.next(&mut &b"\nUSER\n"[..]),
        Some(Line::Complete(b""))
    );
}

/// Streams in which bytes with a special meaning are frequent.
fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(&b"\r\n\0\xff\xfb\xf1\xef"[..]),
        any::<u8>(),
    ];
    let long = (1..3 * MAX_LINE).prop_map(|length| vec![b'x'; length]);
    let piece = prop_oneof![9 => prop::collection::vec(byte, 0..9), 1 => long];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

/// Bytes of names, in which those with a meaning in Telnet are frequent.
fn any_name_byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(IAC), 0xf0u8..=0xfe, any::<u8>()]
        .prop_filter("ends a line", |byte| !b"\r\n\0".contains(byte))
}

proptest! {
    #[test]
    fn chunk_borders_do_not_show(
        stream in any_stream(),
        sizes in prop::collection::vec(1usize..3000, 1..9),
    ) {
        let (mut chunks, mut rest) = (Vec::new(), &stream[..]);
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at(rest.len().min(*size));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(decode(chunks), decode([&stream[..]]));
        prop_assert_eq!(decode(stream.chunks(1)), decode([&stream[..]]));
    }

    #[test]
    fn lines_are_never_longer_than_allowed(stream in any_stream()) {
        for line in decode([&stream[..]]).into_iter().flatten() {
            // A LF is there only behind CR NUL, of which the CR is kept.
            let mut ends = memchr::memchr_iter(b'\n', &line);
            prop_assert!(line.len() <= MAX_LINE);
            prop_assert!(ends.all(|at| at > 0 && line[at - 1] == b'\r'));
        }
    }

    #[test]
    fn stray_telnet_commands_make_no_difference(
        // Without WILL to DONT, which take the next byte with them after IAC.
        stray in prop::collection::vec(prop_oneof![0xf0u8..=0xfa, Just(IAC)], 0..9),
        line in "[A-Z]{1,9} [^\r\n\0]{0,20}",
    ) {
        let stream = [&stray[..], line.as_bytes(), b"\r\n"].concat();
        prop_assert_eq!(decode([&stream[..]]), [Some(line.into_bytes())]);
    }

    #[test]
    fn names_of_all_bytes_arrive(name in prop::collection::vec(any_name_byte(), 0..20)) {
        let line = [b"RETR ", &name[..]].concat();
        let doubled: Vec<u8> = line
            .iter()
            .flat_map(|&byte| vec![byte; if byte == IAC { 2 } else { 1 }])
            .chain(*b"\r\n")
            .collect();
        prop_assert_eq!(decode([&doubled[..]]), [Some(line.clone())]);
        prop_assert_eq!(decode_letters([&doubled[..]]), [Some(line.clone())]);
        // Where 255 is a letter, names arrive without doubling, too.
        if !line.windows(2).any(|pair| pair == [IAC; 2]) {
            let plain = [&line[..], b"\r\n"].concat();
            prop_assert_eq!(decode_letters([&plain[..]]), [Some(line)]);
        }
    }

    #[test]
    fn lines_round_trip(lines in prop::collection::vec("[^\r\n\0]{0,40}", 0..9)) {
        let stream: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        // The first byte of a character beyond U+FFFF is dropped at the start of a line.
        let without = |line: String| {
            let start = line.bytes().take_while(|&byte| byte >= 0xf0).count();
            Some(line.as_bytes()[start..].to_vec())
        };
        let expected: Vec<_> = lines.into_iter().map(without).collect();
        prop_assert_eq!(decode([stream.as_bytes()]), expected);
    }
}
