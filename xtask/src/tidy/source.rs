//! A source file, with its comments, its literals and its tests told apart.

/// A Rust source file.
pub(super) struct Source<'a> {
    /// From the workspace's directory, with slashes.
    pub(super) path: &'a str,
    /// As it is.
    pub(super) text: &'a str,
    /// The same lines with blanks for comments and for the inside of literals.
    code: String,
    /// For each line, whether it belongs to tests.
    tests: Vec<bool>,
}

impl<'a> Source<'a> {
    /// Reads `text`.
    pub(super) fn new(path: &'a str, text: &'a str) -> Self {
        let code = blank_out(text);
        let tests = if is_test_file(path) {
            vec![true; code.lines().count()]
        } else {
            test_lines(&code)
        };
        Self {
            path,
            text,
            code,
            tests,
        }
    }

    /// The crate's directory name for a file of `crates/`, the top directory's for others.
    pub(super) fn crate_name(&self) -> &'a str {
        let rest = self.path.strip_prefix("crates/").unwrap_or(self.path);
        rest.split('/').next().unwrap_or_default()
    }

    /// Every line of code with its number, tests included.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// Every line of code outside tests with its number.
    pub(super) fn code_outside_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code()
            .filter(|(number, _)| !self.tests.get(number - 1).is_some_and(|test| *test))
    }

    /// The paths that `use` declarations outside tests name, in full, with the line on which each
    /// declaration begins.
    pub(super) fn uses_outside_tests(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        let mut open: Option<(usize, String)> = None;
        for (number, line) in self.code_outside_tests() {
            if let Some((_, declaration)) = &mut open {
                declaration.push_str(line);
            } else if let Some(rest) = use_declaration(line) {
                open = Some((number, rest.to_owned()));
            }
            if let Some((number, declaration)) = open.take_if(|(_, text)| text.contains(';')) {
                let tree = declaration.split(';').next().unwrap_or_default();
                found.extend(use_paths(tree).into_iter().map(|path| (number, path)));
            }
        }
        found
    }
}

/// Whether `word` occurs in `line` with no letter, digit or underscore beside it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_part)
            && !line[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

/// Whether a whole file serves tests: fuzz targets do too.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.starts_with("tests/")
        || path.contains("/tests/")
        || path.contains("/fuzz/")
}

/// What follows `use` on a line that begins a declaration.
fn use_declaration(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.split_once("use ")?.1,
        None => line.strip_prefix("use ")?,
    };
    Some(line)
}

/// The paths of a `use` tree: `std::{fs, io::{self, Read}}` gives `std::fs`, `std::io` and
/// `std::io::Read`.
fn use_paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        let path = path.strip_suffix("::self").unwrap_or(path);
        return if path.is_empty() {
            Vec::new()
        } else {
            vec![path.to_owned()]
        };
    };
    let inside = rest.rsplit_once('}').map_or(rest, |(inside, _)| inside);
    let mut depth = 0_usize;
    let branches = inside.split(|character| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    branches
        .filter(|branch| !branch.trim().is_empty())
        .flat_map(|branch| use_paths(&format!("{}{}", prefix.trim(), branch.trim())))
        .collect()
}

/// `text` with blanks for comments and for the inside of string and character literals; lines stay
/// lines.
fn blank_out(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = literal_or_comment(rest, code.chars().next_back());
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (blanked, after) = rest.split_at(length);
            code.extend(blanked.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    code
}

/// Length of the comment or literal that `text` begins with; 0 for anything else.
fn literal_or_comment(text: &str, before: Option<char>) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if text.starts_with("/*") {
        return block_comment(text);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if text.starts_with('\'') {
        return character(text);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if !in_word && (text.starts_with("r\"") || text.starts_with("r#") || text.starts_with("br")) {
        return raw_string(text);
    }
    0
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + 1;
        }
    }
    text.len()
}

/// Length of a character literal; 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut characters = text.chars().skip(1);
    match (characters.next(), characters.next()) {
        (Some('\\'), _) => quoted(text, '\''),
        (Some(inside), Some('\'')) => inside.len_utf8() + 2,
        _ => 0,
    }
}

/// Length of a raw string literal; 0 for anything else, such as `r#type`.
fn raw_string(text: &str) -> usize {
    let start = text.find('r').map_or(0, |at| at + 1);
    let hashes = text[start..]
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    let inside = start + hashes + 1;
    if text.as_bytes().get(start + hashes) != Some(&b'"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[inside..]
        .find(&end)
        .map_or(text.len(), |at| inside + at + end.len())
}

/// For each line of `code`, whether it belongs to an item under `#[cfg(test)]`.
fn test_lines(code: &str) -> Vec<bool> {
    let mut lines = Vec::new();
    // Inside such an item: how many braces are open, and whether there was one yet.
    let mut item: Option<(usize, bool)> = None;
    for line in code.lines() {
        if item.is_none() && line.trim_start().starts_with("#[cfg(test)]") {
            item = Some((0, false));
        }
        lines.push(item.is_some());
        let Some((mut depth, mut opened)) = item else {
            continue;
        };
        let mut ended = false;
        for character in line.chars() {
            match character {
                '{' => (depth, opened) = (depth + 1, true),
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            ended |= depth == 0 && ((character == '}' && opened) || (character == ';' && !opened));
        }
        item = (!ended).then_some((depth, opened));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_code(text: &str, expected: &str) {
        let squeezed: Vec<String> = blank_out(text)
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(squeezed.join("\n"), expected, "{text}");
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        check_code("a // b", "a");
        check_code("a /* b /* c */ d */ e", "a e");
        check_code("a(\"b // \\\" c\") d", "a( ) d");
        check_code("a('\"') b ('\\'') c", "a( ) b ( ) c");
        check_code("fn a<'b>(c: &'b str) {}", "fn a<'b>(c: &'b str) {}");
        check_code("a(r#\"b \" c\"#) d(br\"e\\\") f", "a( ) d( ) f");
        check_code("a \"b\nc\" d", "a\nd");
        check_code("let r#type = for_each;", "let r#type = for_each;");
    }

    #[test]
    fn tests_are_told_apart() {
        let text =
            "a();\n#[cfg(test)]\nmod tests {\n    b();\n}\nc();\n#[cfg(test)]\nmod d;\ne();\n";
        let source = Source::new("crates/x/src/lib.rs", text);
        let outside: Vec<usize> = source
            .code_outside_tests()
            .map(|(number, _)| number)
            .collect();
        assert_eq!(outside, [1, 6, 9]);
        let all_tests = Source::new("crates/x/src/line/tests.rs", text);
        assert_eq!(all_tests.code_outside_tests().count(), 0);
    }

    #[track_caller]
    fn check_uses(text: &str, expected: &[&str]) {
        let source = Source::new("crates/x/src/lib.rs", text);
        let paths: Vec<String> = source
            .uses_outside_tests()
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        assert_eq!(paths, expected, "{text}");
    }

    #[test]
    fn uses_are_spelled_out() {
        check_uses("use std::fs;", &["std::fs"]);
        check_uses("pub(crate) use a::b as c;", &["a::b"]);
        check_uses(
            "use std::{fs, io::{self, Read}};",
            &["std::fs", "std::io", "std::io::Read"],
        );
        check_uses(
            "use std::{\n    fs,\n    net::IpAddr,\n};\n",
            &["std::fs", "std::net::IpAddr"],
        );
        check_uses("fn used() {}", &[]);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe { a }", "unsafe"));
        assert!(!has_word("#![forbid(unsafe_code)]", "unsafe"));
        assert!(!has_word("not_unsafe", "unsafe"));
    }

    #[test]
    fn files_belong_to_crates() {
        assert_eq!(
            Source::new("crates/proto/src/lib.rs", "").crate_name(),
            "proto"
        );
        assert_eq!(Source::new("xtask/src/main.rs", "").crate_name(), "xtask");
    }
}
