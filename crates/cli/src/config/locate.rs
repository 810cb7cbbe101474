//! Positions of keys in a configuration file, in both directions.
//!
//! A key is written as a path: `users[1].home`.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Returns the line of `key`, counted from 1; if the key is missing, the line of the nearest
/// enclosing table.
pub(super) fn line_of(text: &str, key: &str) -> usize {
    let (document, _) = DeTable::parse_recoverable(text);
    let mut steps = key.split(['.', '[', ']']).filter(|step| !step.is_empty());
    let span = span_in_table(document.get_ref(), &mut steps).unwrap_or_default();
    line_at(text, span.start)
}

/// Returns where the key that `steps` lead to is, or the last one on the way that exists.
fn span_in_table<'a>(
    table: &DeTable<'_>,
    steps: &mut impl Iterator<Item = &'a str>,
) -> Option<Range<usize>> {
    let (name, value) = table.get_key_value(steps.next()?)?;
    let inner = span_in_value(value.get_ref(), steps);
    Some(inner.unwrap_or_else(|| name.span()))
}

fn span_in_value<'a>(
    value: &DeValue<'_>,
    steps: &mut impl Iterator<Item = &'a str>,
) -> Option<Range<usize>> {
    match value {
        DeValue::Table(table) => span_in_table(table, steps),
        DeValue::Array(elements) => {
            let element = elements.get(steps.next()?.parse::<usize>().ok()?)?;
            let inner = span_in_value(element.get_ref(), steps);
            Some(inner.unwrap_or_else(|| element.span()))
        }
        _ => None,
    }
}

/// Returns the line of the byte at `offset`, counted from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// Returns the key whose name or value contains the byte at `offset`; empty if none does.
pub(super) fn key_at(text: &str, offset: usize) -> String {
    // A text that is not TOML is read as far as possible.
    let (document, _) = DeTable::parse_recoverable(text);
    in_table(document.get_ref(), "", offset).unwrap_or_else(|| key_on_line(text, offset))
}

/// Returns what precedes the equals sign on the line of the byte.
fn key_on_line(text: &str, offset: usize) -> String {
    let line = text.lines().nth(line_at(text, offset) - 1);
    line.and_then(|line| line.split_once('='))
        .map_or_else(String::new, |(key, _)| key.trim().to_owned())
}

/// Returns the table whose header is on the line of the byte; empty if there is no header.
pub(super) fn header_at(text: &str, offset: usize) -> String {
    let line = text.lines().nth(line_at(text, offset) - 1);
    let name = line.and_then(|line| {
        let (name, _) = line.trim_start().strip_prefix('[')?.split_once(']')?;
        Some(name.trim_start_matches('[').trim())
    });
    name.unwrap_or_default().to_owned()
}

fn in_table(table: &DeTable<'_>, path: &str, offset: usize) -> Option<String> {
    // Search in depth first: a table opened by its header does not span its entries.
    table.iter().find_map(|(name, value)| {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{}", name.get_ref());
        let inner = in_value(value.get_ref(), &path, offset);
        let here = || holds(&name.span(), offset) || holds(&value.span(), offset);
        inner.or_else(|| here().then_some(path))
    })
}

fn in_value(value: &DeValue<'_>, path: &str, offset: usize) -> Option<String> {
    match value {
        DeValue::Table(table) => in_table(table, path, offset),
        DeValue::Array(elements) => elements.iter().enumerate().find_map(|(index, element)| {
            let path = format!("{path}[{index}]");
            let inner = in_value(element.get_ref(), &path, offset);
            inner.or_else(|| holds(&element.span(), offset).then_some(path))
        }),
        _ => None,
    }
}

fn holds(span: &Range<usize>, offset: usize) -> bool {
    span.contains(&offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
[server]
listen = [
  \"a\",
  \"b\",
]
[[users]]
name = \"alice\"
[[users]]
name = \"bob\"
[[users.override_perm]]
directory = \"/x\"
[control]
masquerade_address_map = { \"10.0.0.5\" = \"x\" }
";

    #[test]
    fn keys_have_lines() {
        #[track_caller]
        fn check(key: &str, line: usize) {
            assert_eq!(line_of(TEXT, key), line, "{key}");
        }
        check("server", 1);
        check("server.listen", 2);
        check("server.listen[1]", 4);
        check("users[0].name", 7);
        check("users[0].home", 6);
        check("users[1]", 8);
        check("users[1].name", 9);
        check("users[1].override_perm[0].directory", 11);
        check("users[1].override_perm[0].perm", 10);
        check("control.banner", 12);
        check("data.timeout", 1);
    }

    #[test]
    fn bytes_have_keys() {
        #[track_caller]
        fn check(at: &str, key: &str) {
            assert_eq!(key_at(TEXT, TEXT.find(at).unwrap()), key, "{at}");
        }
        check("server]", "server");
        check("listen", "server.listen");
        check("\"b\"", "server.listen[1]");
        check("name = \"alice", "users[0].name");
        check("\"bob\"", "users[1].name");
        check("\"/x\"", "users[1].override_perm[0].directory");
        check("\"x\" }", "control.masquerade_address_map.10.0.0.5");
    }
}
