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
         Generated from the verb table of `ftpdlib-proto` by `cargo xtask commands`, and checked by \
         `cargo xtask tidy`.\n\
         The permission is the letter that a user needs for the path; letters in brackets are \
         needed for the command's other paths or options.\n\
         MFF needs the letter of each fact that it sets; MDTM `l` to show a time, and `T` to set one.\n\
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
HELP lists the commands that the server offers, and HELP SITE those of SITE.
AUTH, CCC, PBSZ and PROT need TLS; HOST needs `host_names`; without it, they are answered 502.

FEAT lists extensions only, and omits those that the user may not use in any directory.
It does not know which operations a custom filesystem lacks, nor overrides that are added after the login.
Before the login it lists everything that works for some user.
It lists UTF8 if the configured encoding of names is UTF-8, or else after `OPTS UTF8 ON`.

A verb that is neither in the table nor registered by the server's owner gets 500; the first line of an HTTP request, or a header (`Name: value`), gets 421.
The fiftieth unknown verb or overlong line in a row ends the session with 421.
During a transfer the session continues, and empty lines do not count.
REIN keeps TLS and the level of PROT, although RFC 4217 §13 ends both: no data is sent in the clear unasked.
RETR refuses an offset past the end of the file with 550, and STOR with 554; pyftpdlib answers 554 to both.
What SITE COPY, CPTO and COMB write is closed to other users of the system until it is complete, on disks that can set modes and remove files; then a new file is open to those to whom all its sources are, and one that is replaced keeps its mode.
COMB answers 553 if a file comes twice among the target and the parts, also by another name, such as a hard link.
It answers 501 if the paths of the parts, each from the root, have more than 256 KiB together.
It answers 450, and changes nothing, if the target or a part was changed meanwhile, as far as sizes and times in seconds tell.

## During a transfer

- ABOR, NOOP, STAT without a path, and all commands that need neither a file nor a data connection are answered at once.
- QUIT waits for the transfer: its 221 follows the transfer's 226 or 426.
  Commands after QUIT are not answered.
- STAT without a path shows how many bytes have been moved.
- Digests and copies have no preliminary reply: NOOP, and STAT without a path, are answered before them, other commands behind them.
- ABOR ends a digest, a copy or an attempt to connect at once, even if other lines came before it and have to wait.
  Those are answered before the ABOR.
  With an `Observer` that wants commands, as observers do by default, such an ABOR comes too late: it waits for those lines, and they for the end of what it was to stop.
- STAT with a path, digests and copies are refused with 450.
  RFC 959 §4.1.3 allows STAT with a path only between transfers, and ABOR must be unambiguous.
- A second transfer command, PASV, PORT and their variants are refused with 425; the transfer continues.

## Patterns

LIST, NLST and STAT treat an argument as a pattern if no file has that name:

- `*` matches any text, `?` any one character;
- `[a-z]` matches one of these characters, `[!a-z]` any other;
- a backslash makes the next character literal.

Only the last component of a path may be a pattern; elsewhere the answer is 550.
A directory that matches is listed as an entry, without its content.
Names that begin with a dot match only patterns that begin with one.

NLST puts the directory before each name, as it was given, so that RETR accepts the names unchanged: `NLST sub/*.txt` answers `sub/a.txt`.
It does the same if the argument is a file.
If the argument is a directory, the names come without it, as in pyftpdlib.

If nothing matches, the listing is empty and ends with 226, as for an empty directory: a client that fetches every match has nothing to do, and no error to report.

## Switches

Many clients send switches of `ls` before the path, as in `LIST -la dir`.
LIST, NLST and STAT ignore them; what follows is the path, or nothing for the working directory.
A word is taken for switches only if it is `--`, after which no more follow, or if a hyphen is followed by nothing but these letters, none of them twice: `1 A C F L R S T a d g h i l n o r s t u`.
Any other word that begins with a hyphen is a name or a pattern, such as `-draft.txt` or `-l*`.

If a file has the name of the whole argument, switches included, NLST lists that file: a client that asks which files it is to delete gets no others.
LIST and STAT list such a file only if nothing has the name without the switches, so that a file called `-a` does not hide the directory from all clients that send `LIST -a`.
`./-a` is always a name.
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
