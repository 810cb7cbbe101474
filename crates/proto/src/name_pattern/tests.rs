use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(pattern: &str, matching: &[&str], other: &[&str]) {
    let compiled = NamePattern::new(pattern.as_bytes()).unwrap();
    for name in matching {
        assert!(compiled.matches(name.as_bytes()), "{pattern} and {name}");
    }
    for name in other {
        assert!(!compiled.matches(name.as_bytes()), "{pattern} and {name}");
    }
}

#[test]
fn wildcards() {
    check("*", &["a", "a.b", "ü"], &[".", ".a"]);
    check(
        "f*.txt",
        &["f.txt", "f1.txt", "f.txt.txt"],
        &["f.txt2", "gf.txt", "F.txt"],
    );
    check("?", &["a", "ü", "☃"], &["", "ab", "."]);
    check("a?c", &["abc", "a*c"], &["ac", "abbc"]);
    check("**a**b**", &["ab", "xaxbx"], &["ba"]);
    check("*a*b", &["ab", "axxb", "abab"], &["aba"]);
}

#[test]
fn classes() {
    check("[abc]", &["a", "b", "c"], &["d", "ab", "["]);
    check("[a-c]x", &["ax", "bx", "cx"], &["dx", "-x"]);
    check("[!a-c]", &["d", "-", "ü"], &["a", "b", "."]);
    check("[^a]", &["b", "^"], &["a"]);
    check("[]x]", &["]", "x"], &["a"]);
    check("[!]x]", &["a"], &["]", "x"]);
    check("[a-]", &["a", "-"], &["b"]);
    check("[--0]", &["-", "/", "0"], &["1"]);
    check("[c-a]", &[], &["a", "b", "c"]);
    check("[!c-a]", &["a", "b", "c"], &[""]);
    check("[x-za-cb-dm]", &["a", "d", "m", "y"], &["e", "l", "n", "w"]);
    check("[ü-☃]", &["ü", "☃", "€"], &["u"]);
    check("*.[ch]", &["a.c", "a.h"], &["a.o", ".c"]);
}

#[test]
fn open_brackets_are_themselves() {
    check("[", &["["], &["a"]);
    check("[]", &["[]"], &["]"]);
    check("a[b*", &["a[b", "a[bc"], &["ab"]);
    check("[[[[a?", &["[[[[ab"], &["[ab"]);
    check("[[]*", &["[", "[x"], &["]"]);
}

#[test]
fn a_backslash_takes_the_meaning_away() {
    check("\\**", &["*", "*a"], &["a", "\\a"]);
    check("\\[a]*", &["[a]b"], &["ab"]);
    check("[\\]]", &["]"], &["\\"]);
    check("a\\b*", &["a\\bc"], &["abc"]);
    check("*\\", &["a\\"], &["a"]);
}

#[test]
fn hidden_names_are_asked_for_by_their_dot() {
    check(".*", &[".a", "."], &["a"]);
    check("[.]*", &[], &[".a", "a"]);
    check("?a", &["xa"], &[".a"]);
}

#[test]
fn names_need_not_be_utf8() {
    let pattern = NamePattern::new(b"\xff?*").unwrap();
    assert!(pattern.matches(b"\xff\xfe"));
    assert!(pattern.matches(b"\xff\xc3\xbcx"));
    assert!(!pattern.matches(b"\xff"));
    assert!(!NamePattern::new(b"?").unwrap().matches(b"\xff\xfe"));
    assert!(NamePattern::new(b"?").unwrap().matches(b"\xff"));
}

#[test]
fn names_without_wildcards_are_no_patterns() {
    for name in ["", "a", "a.b", "a]b", "back\\slash", "ü"] {
        assert_eq!(NamePattern::new(name.as_bytes()), None, "{name}");
    }
}

#[test]
fn many_stars_are_no_burden() {
    // Trying every possibility would take longer than the machine will last.
    let pattern = "*a".repeat(500) + "*b";
    let pattern = NamePattern::new(pattern.as_bytes()).unwrap();
    assert!(!pattern.matches(&[b'a'; 4000]));
    assert!(NamePattern::new(&[b'['; 4000]).is_some());
}

#[test]
fn every_member_of_a_class_was_compared_with_every_character() {
    #[track_caller]
    fn check(pattern: &str, expected: &[(char, char)]) {
        let pattern = NamePattern::new(pattern.as_bytes()).unwrap();
        let [Part::Class { ranges, .. }] = pattern.parts.as_slice() else {
            panic!("{pattern:?}");
        };
        let expected = expected
            .iter()
            .map(|&(low, high)| (low.into(), high.into()));
        assert_eq!(ranges, &expected.collect::<Vec<(u32, u32)>>());
    }
    check("[zzzz]", &[('z', 'z')]);
    check("[!cab]", &[('a', 'c')]);
    check("[x-za-cb-dm]", &[('a', 'd'), ('m', 'm'), ('x', 'z')]);
    check("[c-ae]", &[('e', 'e')]);
    check("[c-a]", &[]);
    check("[!c-a]", &[]);
}

#[test]
fn names_shorter_than_a_pattern_were_compared_with_it() {
    let parts = |pattern: &str| NamePattern::new(pattern.as_bytes()).unwrap().characters;
    assert_eq!(parts("*a?[bc]*ü"), 4);
    check("a*?", &["ab", "aü"], &["a"]);
    check("*ü*", &["ü"], &["u"]);
    check(&"?".repeat(300), &[&"ü".repeat(300)], &[&"ü".repeat(299)]);
}

/// Matches by the definition, trying every possibility.
fn model(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), None) => model(rest, name),
        (Some((b'*', rest)), Some((_, left))) => model(rest, name) || model(pattern, left),
        (Some((b'?', rest)), Some((_, left))) => model(rest, left),
        (Some((own, rest)), Some((byte, left))) => own == byte && model(rest, left),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

proptest! {
    #[test]
    fn finds_what_the_definition_finds(pattern in "[ab*?]{0,10}", name in "[ab]{0,10}") {
        let expected = model(pattern.as_bytes(), name.as_bytes());
        let got = NamePattern::new(pattern.as_bytes())
            .map_or(pattern == name, |pattern| pattern.matches(name.as_bytes()));
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn a_protected_name_matches_itself_only(name: Vec<u8>, other: Vec<u8>) {
        let mut pattern = Vec::new();
        for &byte in &name {
            if b"*?[\\".contains(&byte) {
                pattern.push(b'\\');
            }
            pattern.push(byte);
        }
        if let Some(pattern) = NamePattern::new(&pattern) {
            prop_assert!(pattern.matches(&name));
            prop_assert_eq!(pattern.matches(&other), name == other);
        }
    }

    #[test]
    fn never_panics(pattern: Vec<u8>, name: Vec<u8>) {
        if let Some(pattern) = NamePattern::new(&pattern) {
            let _ = pattern.matches(&name);
        }
    }
}
