//! Tables where tables belong.
//!
//! A list would be read as a table's values in order, so it is looked for first.

use toml::de::{DeTable, DeValue};

/// The first place that must hold a table and does not, and what it holds.
pub(super) fn not_a_table(document: &DeTable<'_>) -> Option<(String, &'static str)> {
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
        (!value.is_table()).then(|| (section.to_owned(), value.type_str()))
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

/// What is no list at all is left to the parser.
fn in_list(value: &DeValue<'_>, path: &str) -> Option<(String, &'static str)> {
    let mut elements = value.as_array()?.iter().enumerate();
    let (index, element) = elements.find(|(_, element)| !element.get_ref().is_table())?;
    Some((format!("{path}[{index}]"), element.get_ref().type_str()))
}
