//! `docs/commands.md`: the table of commands, written from the verb table.

use std::fs;
use std::path::Path;

use ftpdlib_proto::{Perms, VerbInfo, verbs};

use crate::Failure;

/// Where the table is, from the workspace's directory.
pub(crate) const PATH: &str = "docs/commands.md";

/// Writes the table.
pub(crate) fn write(root: &Path) -> Result<(), Failure> {
    fs::write(root.join(PATH), table(verbs())).map_err(|error| format!("{PATH}: {error}"))
}

/// The text of the whole file.
pub(crate) fn table(verbs: &[VerbInfo]) -> String {
    let mut text = String::from(
        "# Commands\n\
         \n\
         Written from the verb table of `ftpdlib-proto` by `cargo xtask commands`; \
         `cargo xtask tidy` compares.\n\
         The permission is the letter that a user must have for the path; those in brackets are \
         needed for its other paths, or for what it does on request.\n\
         \n\
         | Command | Defined in | Permission | Login | Help |\n\
         | --- | --- | --- | --- | --- |\n",
    );
    for info in verbs {
        let mut permission = info
            .perm
            .map_or_else(String::new, |perm| format!("`{}`", perm.letter()));
        if info.more_perms != Perms::NONE {
            permission.push_str(&format!(" (`{}`)", info.more_perms));
        }
        let login = if info.login_required { "yes" } else { "no" };
        let row = format!(
            "| {} | {} | {permission} | {login} | {} |\n",
            info.name,
            info.rfc,
            cell(info.help)
        );
        text.push_str(&row);
    }
    text.push_str(PATTERNS);
    text
}

/// What cells have no room for.
const PATTERNS: &str = "
Every command of the table works as its help says.
HELP names those that the server offers, and HELP SITE those of SITE: AUTH, CCC, PBSZ and PROT go with TLS, \
HOST with `host_names`.
FEAT names extensions only, without those that the user has no permission for in any directory.
What a filesystem of one's own does not do is not known to it, nor is an override that comes after the login.
Before the login it lists what works for somebody.
It lists UTF8 where the configured encoding of names is UTF-8, and elsewhere after `OPTS UTF8 ON`.

A verb that is neither in the table nor registered by the server's owner is answered with 500, and the first line of an HTTP request with 421.
The fiftieth such verb or overlong line in a row ends the session with 421, but not during a transfer, in which empty lines do not count either.
An offset past the end of the file is refused with 550 by RETR, and with 554 by STOR; pyftpdlib says 554 to both.

## During a transfer

ABOR, NOOP, STAT without a path and whatever needs neither file nor data connection are answered at once.
QUIT waits for the transfer: its 221 comes after the transfer's 226 or 426, and what is sent after it is not answered.
STAT without a path tells how many bytes have been moved by then.
ABOR ends a digest, a copy or an attempt to connect at once, also where other lines came before it \
and have to wait for that; these are answered first.
STAT with a path, digests and copies are refused with 450: RFC 959 §4.1.3 has STAT take a path between \
transfers only, and ABOR must mean one thing.
A second transfer command, PASV, PORT and their relatives are refused with 425, which does the \
transfer no harm.

## Patterns

LIST, NLST and STAT take a pattern where nothing has the name that was given: `*` is any text, `?` \
any one character, `[a-z]` one of these, `[!a-z]` any but these, and a backslash takes the meaning \
of one of them away.
Only the last part of a path may be a pattern; elsewhere the answer is 550.
A directory that matches is listed as an entry, not by what is in it.
Names that begin with a dot are matched only by patterns that do.

Names in the answer to NLST have the directory before them as it was given, so that RETR takes them \
as they are: `NLST sub/*.txt` answers `sub/a.txt`.
The same holds for the name of a file; the names in a directory come alone, as pyftpdlib sends them.

Where nothing matches, the listing is empty and ends with 226, as it does for an empty directory: \
a client that fetches whatever there is has nothing to do, and no error to report.
";

/// `text` for a cell: Markdown would take `<SP>` for HTML and `|` for the cell's end.
fn cell(text: &str) -> String {
    text.replace('<', "&lt;").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_row() {
        let text = table(verbs());
        for info in verbs() {
            assert!(
                text.contains(&format!("\n| {} | ", info.name)),
                "{}",
                info.name
            );
        }
    }

    #[test]
    fn cells_are_plain_text() {
        assert_eq!(
            cell("EPRT <SP> |2|::1|9|"),
            "EPRT &lt;SP> \\|2\\|::1\\|9\\|"
        );
    }
}
