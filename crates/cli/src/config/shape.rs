//! Tables where tables belong, and lists of them.
//!
//! A list would be read as a table's values in order, so it is looked for first. Of a table for a
//! list, the parser names what the table holds.

use toml::de::{DeTable, DeValue};

/// A key that holds what it must not.
pub(super) struct Misplaced {
    pub(super) key: String,
    pub(super) found: &'static str,
    pub(super) expected: &'static str,
}

/// The first place that must hold a table, or a list of them, and does not.
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

/// What is neither list nor table is left to the parser.
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
