use super::*;
use proptest::prelude::*;

const LABELS: [&str; 35] = [
    "utf-8",
    "ibm866",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-8-i",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "windows-874",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "x-mac-cyrillic",
    "gbk",
    "gb18030",
    "big5",
    "euc-jp",
    "shift_jis",
    "euc-kr",
];

const MULTI_BYTE: [&str; 6] = ["gbk", "gb18030", "big5", "euc-jp", "shift_jis", "euc-kr"];

fn encoding(label: &str) -> NameEncoding {
    NameEncoding::for_label(label).unwrap()
}

fn any_encoding() -> impl Strategy<Value = NameEncoding> {
    prop::sample::select(&LABELS[..]).prop_map(encoding)
}

fn encoded(encoding: NameEncoding, disk: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encoding.encode_name(disk, &mut out);
    out
}

#[track_caller]
fn check(label: &str, disk: &[u8], wire: &[u8]) {
    let encoding = encoding(label);
    assert_eq!(
        encoded(encoding, disk).escape_ascii().to_string(),
        wire.escape_ascii().to_string()
    );
    assert_eq!(
        encoding.decode_name(wire).as_deref(),
        Ok(disk),
        "{}",
        wire.escape_ascii()
    );
}

#[test]
fn names_have_a_wire_form() {
    check("utf-8", b"plain = name", b"plain = name");
    check("utf-8", "né".as_bytes(), "né".as_bytes());
    check("utf-8", b"caf\xe9", b"caf=xE9");
    check("utf-8", b"a\r\n\0b", b"a=x0D=x0A=x00b");
    check("latin1", "né".as_bytes(), b"n\xe9");
    check("latin1", "ÿ✓".as_bytes(), b"\xff=xE2=x9C=x93");
    check("shift_jis", "表".as_bytes(), b"\x95\x5c");
    check("gb18030", "é表".as_bytes(), b"\xa8\xa6\xb1\xed");
    check("utf-8", "\u{feff}a".as_bytes(), b"\xef\xbb\xbfa");
}

#[test]
fn a_literal_escape_comes_back_as_itself() {
    check("utf-8", b"=x0A", b"=x3Dx0A");
    check("utf-8", b"==x80", b"==x3Dx80");
    check("utf-8", b"=x3Dx0A", b"=x3Dx3Dx0A");
    check("utf-8", b"=x8\xff", b"=x8=xFF");
    check("utf-8", b"=x2F=x0a=x41=xFG=x", b"=x2F=x0a=x41=xFG=x");
}

#[test]
fn a_yen_sign_is_no_backslash_in_shift_jis() {
    check("shift_jis", "¥".as_bytes(), b"=xC2=xA5");
}

#[test]
fn no_escape_spells_a_slash_or_a_dot() {
    for byte in 0..=0x7f {
        let wire = format!("=x{byte:02X}");
        let resolved = NameEncoding::UTF_8
            .decode_name(wire.as_bytes())
            .unwrap()
            .into_owned();
        let expected = matches!(byte, b'\0' | b'\r' | b'\n' | b'=');
        assert_eq!(resolved == [byte], expected, "{wire}");
    }
}

#[test]
fn malformed_bytes_are_refused() {
    assert_eq!(
        NameEncoding::UTF_8.decode_name(b"caf\xe9"),
        Err(UndecodableName)
    );
    assert_eq!(
        NameEncoding::UTF_8.decode_text(b"\xed\xa0\x80"),
        Err(UndecodableName)
    );
    assert_eq!(
        encoding("shift_jis").decode_name(b"a\x95"),
        Err(UndecodableName)
    );
}

#[test]
fn text_has_no_escapes() {
    assert_eq!(
        NameEncoding::UTF_8.decode_text(b"=x0A").as_deref(),
        Ok("=x0A")
    );
}

#[test]
fn labels_may_be_those_of_python() {
    for (python, standard) in [
        ("utf_8", "utf-8"),
        ("latin-1", "latin1"),
        ("LATIN_1", "latin1"),
        ("iso8859-1", "latin1"),
        ("iso8859_15", "iso-8859-15"),
        ("cp_1251", "windows-1251"),
        ("euc_kr", "euc-kr"),
        ("koi8_r", "koi8-r"),
    ] {
        assert_eq!(encoding(python), encoding(standard), "{python}");
    }
}

#[test]
fn unsuitable_encodings_are_refused() {
    let unsuitable = |label: &str| Err(EncodingError::Unsuitable(label.to_owned()));
    for label in [
        "utf-16",
        "utf-16be",
        "utf_16",
        "iso-2022-jp",
        "iso-2022-kr",
        "x-user-defined",
    ] {
        assert_eq!(NameEncoding::for_label(label), unsuitable(label));
    }
    assert_eq!(
        NameEncoding::for_label("utf-7"),
        Err(EncodingError::Unknown("utf-7".to_owned()))
    );
}

#[test]
fn every_character_round_trips_in_every_encoding() {
    for label in LABELS {
        let encoding = encoding(label);
        // Single-byte encodings have no characters past U+2FFF.
        let end = if MULTI_BYTE.contains(&label) {
            0x1_0000
        } else {
            0x3000
        };
        for start in (0..end).step_by(64) {
            let block: String = (start..start + 64).filter_map(char::from_u32).collect();
            let wire = encoded(encoding, block.as_bytes());
            assert_eq!(
                encoding.decode_name(&wire).as_deref(),
                Ok(block.as_bytes()),
                "{label}"
            );
        }
    }
}

proptest! {
    #[test]
    fn names_round_trip(encoding in any_encoding(), disk: Vec<u8>) {
        let wire = encoded(encoding, &disk);
        prop_assert!(!wire.iter().any(|byte| b"\r\n\0".contains(byte)));
        let back = encoding.decode_name(&wire);
        prop_assert_eq!(back.as_deref(), Ok(&disk[..]));
    }

    #[test]
    fn names_like_escapes_round_trip(
        encoding in any_encoding(),
        disk in "[=x0-9A-F\u{a5}é表\n]{0,16}",
    ) {
        let wire = encoded(encoding, disk.as_bytes());
        let back = encoding.decode_name(&wire);
        prop_assert_eq!(back.as_deref(), Ok(disk.as_bytes()));
    }

    #[test]
    fn decoding_never_panics(encoding in any_encoding(), wire: Vec<u8>) {
        let _ = encoding.decode_name(&wire);
        let _ = encoding.decode_text(&wire);
    }
}
