use super::*;
use proptest::prelude::*;

fn wire_in(label: &str, reply: &Reply) -> Vec<u8> {
    let mut out = Vec::new();
    reply.encode(NameEncoding::for_label(label).unwrap(), &mut out);
    out
}

#[track_caller]
fn check(reply: Reply, expected: &str) {
    assert_eq!(String::from_utf8_lossy(&wire_in("utf-8", &reply)), expected);
}

#[test]
fn single_lines() {
    check(Reply::new(200, "OK."), "200 OK.\r\n");
    check(Reply::new(220, ""), "220 \r\n");
    check(
        Reply::bytes(550, b"caf\xe9\n".to_vec()),
        "550 caf=xE9=x0A\r\n",
    );
}

#[test]
fn inner_lines_follow_one_blank() {
    let facts = [b"type=file; 226 End".to_vec(), b"a\r\n250 b".to_vec()];
    check(
        Reply::multi(250, String::from("Listing"), facts, String::from("End")),
        "250-Listing\r\n type=file; 226 End\r\n a=x0D=x0A250 b\r\n250 End\r\n",
    );
}

#[test]
fn an_opening_is_not_the_end() {
    let opening = Reply::opening(213, b"Status of \"/\":");
    assert!(opening.is_opening());
    check(opening, "213-Status of \"/\":\r\n");
    assert!(!Reply::new(213, "End.").is_opening());
    assert!(!Reply::multi(213, "A", [b"b"], "C").is_opening());
}

#[test]
fn lines_after_an_opening_are_those_of_a_reply_in_one_piece() {
    let lines = ["ÿ a", "", "bÿÿ"].map(str::as_bytes);
    let mut pieces = wire_in("latin1", &Reply::opening(213, b"Status:"));
    Reply::encode_inner(b"\xff a\r\n\r\nb\xff\xff\r\n", &mut pieces);
    pieces.extend(wire_in("latin1", &Reply::new(213, "End.")));
    let whole = wire_in("latin1", &Reply::multi(213, "Status:", lines, "End."));
    assert_eq!(
        pieces.escape_ascii().to_string(),
        whole.escape_ascii().to_string()
    );
}

#[test]
fn quotes_in_a_path_are_doubled() {
    check(
        Reply::quoted(257, br#"/a"b""#, "created."),
        "257 \"/a\"\"b\"\"\" created.\r\n",
    );
    check(Reply::quoted(257, b"/", ""), "257 \"/\"\r\n");
}

#[test]
fn byte_255_is_doubled_for_telnet() {
    let reply = Reply::bytes(257, "ÿÿ".as_bytes());
    assert_eq!(wire_in("latin1", &reply), b"257 \xff\xff\xff\xff\r\n");
}

#[test]
fn the_last_line_of_a_banner_began_with_blanks() {
    check(Reply::paragraph(220, "  one"), "220 one\r\n");
    check(
        Reply::paragraph(220, " a\n  b\n\tc"),
        "220- a\r\n   b\r\n220 c\r\n",
    );
}

#[test]
fn paragraphs_are_cut_into_lines() {
    check(Reply::paragraph(220, "ready."), "220 ready.\r\n");
    check(Reply::paragraph(220, "\n"), "220 \r\n");
    check(
        Reply::paragraph(230, "one\r\n\n220 two\n\n"),
        "230-one\r\n \r\n230 220 two\r\n",
    );
    check(
        Reply::paragraph(220, "one\ntwo\nthree"),
        "220-one\r\n two\r\n220 three\r\n",
    );
}

#[test]
fn long_texts_stay_whole_before_a_line_that_ends_the_reply() {
    let (fits, long) = ("a b ".repeat(18) + "abc", "a b ".repeat(19));
    check(Reply::paragraph(220, &fits), &format!("220 {fits}\r\n"));
    check(
        Reply::paragraph(220, &format!("{fits}d")),
        &format!("220-{fits}d\r\n220 \r\n"),
    );
    check(
        Reply::paragraph(220, &"é".repeat(75)),
        &format!("220 {}\r\n", "é".repeat(75)),
    );
    check(
        Reply::paragraph(230, &format!("{long}z\n{long}z")),
        &format!("230-{long}z\r\n {long}z\r\n230 \r\n"),
    );
}

#[test]
fn debug_printed_the_bytes_of_a_reply() {
    #[track_caller]
    fn check(reply: Reply, expected: &str) {
        assert_eq!(format!("{reply:?}"), expected);
    }
    check(Reply::new(200, "OK."), r#"Reply(200, "OK.")"#);
    check(
        Reply::quoted(257, b"/\xe9", ""),
        r#"Reply(257, "\"/\xe9\"")"#,
    );
    let features = Reply::multi(211, "Features:", [b"UTF8"], "End.");
    check(features, r#"Reply(211, "Features:", "UTF8", "End.")"#);
    check(
        Reply::opening(213, b"Status:"),
        r#"Reply(213, "Status:", ..)"#,
    );
}

#[test]
fn classes_of_codes() {
    let classes = |code| {
        let code = ReplyCode::new(code);
        [
            code.is_preliminary(),
            code.is_completion(),
            code.is_intermediate(),
            code.is_transient(),
            code.is_permanent(),
        ]
        .iter()
        .position(|&is| is)
    };
    assert_eq!(
        [150, 226, 350, 426, 599].map(classes),
        [0, 1, 2, 3, 4].map(Some)
    );
}

/// Reads a reply as RFC 959 §4.2 describes, and returns the number of its lines.
fn lines_of_one_reply(wire: &[u8]) -> Option<usize> {
    let text = wire.strip_suffix(b"\r\n")?;
    let lines: Vec<_> = text.split(|&byte| byte == b'\n').collect();
    let (last, before) = lines.split_last()?;
    let opens = before
        .first()
        .is_none_or(|first| first.starts_with(b"250-"));
    let inner = before.iter().skip(1).all(|line| line.starts_with(b" "));
    let ends = before.iter().all(|line| line.ends_with(b"\r"));
    (opens && inner && ends && last.starts_with(b"250 ")).then_some(lines.len())
}

proptest! {
    #[test]
    fn no_text_breaks_a_reply(
        label in prop::sample::select(vec!["utf-8", "latin1", "gb18030"]),
        lines: Vec<Vec<u8>>,
        text: String,
    ) {
        let count = lines.len() + 2;
        let multi = wire_in(label, &Reply::multi(250, "a", lines, "b"));
        prop_assert_eq!(lines_of_one_reply(&multi), Some(count));
        let single = wire_in(label, &Reply::new(250, text.clone()));
        prop_assert_eq!(lines_of_one_reply(&single), Some(1));
        let quoted = wire_in(label, &Reply::quoted(250, text.as_bytes(), "b"));
        prop_assert_eq!(lines_of_one_reply(&quoted), Some(1));
    }

    #[test]
    fn paragraphs_keep_their_words(text in "([a-z]{1,90}|[ \n]){0,30}") {
        let wire = wire_in("utf-8", &Reply::paragraph(250, &text));
        prop_assert!(lines_of_one_reply(&wire).is_some());
        let wire = String::from_utf8(wire).unwrap().replace("250-", "").replace("250 ", "");
        prop_assert!(wire.split_whitespace().eq(text.split_whitespace()));
    }
}
