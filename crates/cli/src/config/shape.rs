//! Checks that tables, and lists of tables, are where they belong.
//!
//! This precedes the parser, which would read a list as the values of a table in order, and which,
//! for a table in place of a list, names the table's content.

use toml::de::{DeTable, DeValue};

/// A key with the wrong kind of value.
pub(super) struct Misplaced {
    pub(super) key: String,
    pub(super) found: &'static str,
    pub(super) expected: &'static str,
}

/// Finds the first value that must be a table, or a list of tables, and is not.
pub(super) fn misplaced(document: &DeTable<'_>) -> Option<Misplaced> {
    const SECTIONS: [&str; 8] = [
        "server",
        "control",
        "data",
        "tls",
        "authorizer",
        "filesystem",
        "log",
        "anonymous",
    ];
    let section = SECTIONS.into_iter().find_map(|section| {
        let value = document.get(section)?.get_ref();
        (!value.is_table()).then(|| Misplaced::no_table(section.to_owned(), value))
    });
    section
        .or_else(|| in_list(document.get("users")?.get_ref(), "users"))
        .or_else(|| {
            let certificates = document.get("tls")?.get_ref().get("more_certificates")?;
            in_list(certificates.get_ref(), "tls.more_certificates")
        })
        .or_else(|| {
            let users = document.get("users")?.get_ref().as_array()?;
            users.iter().enumerate().find_map(|(index, user)| {
                let overrides = user.get_ref().get("override_perm")?;
                in_list(
                    overrides.get_ref(),
                    &format!("users[{index}].override_perm"),
                )
            })
        })
}

/// A value that is neither a list nor a table is left to the parser.
fn in_list(value: &DeValue<'_>, path: &str) -> Option<Misplaced> {
    if value.is_table() {
        return Some(Misplaced {
            key: path.to_owned(),
            found: "a table",
            expected: "a list",
        });
    }
    let mut elements = value.as_array()?.iter().enumerate();
    let (index, element) = elements.find(|(_, element)| !element.get_ref().is_table())?;
    Some(Misplaced::no_table(
        format!("{path}[{index}]"),
        element.get_ref(),
    ))
}

impl Misplaced {
    fn no_table(key: String, value: &DeValue<'_>) -> Self {
        Self {
            key,
            found: match value.type_str() {
                "array" => "a list",
                other => other,
            },
            expected: "a table",
        }
    }
}
