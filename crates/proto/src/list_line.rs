//! The lines of `LIST`, in the form of `ls -l`.

use crate::digits::{push_blanks, push_decimal, push_decimal_right, push_two_digits, push_year};
use crate::{FileKind, Metadata, Zone};

/// One entry of a `LIST` listing.
///
/// Name and target are in the form of the line's destination: wire form for a data connection, disk
/// bytes for the reply to `STAT`, which a [`Reply`](crate::Reply) encodes.
#[derive(Clone, Copy, Debug)]
pub struct ListEntry<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Link target, shown as `name -> target`.
    pub target: Option<&'a [u8]>,
    /// The metadata, as from `lstat`.
    pub metadata: &'a Metadata,
    /// Owner's name. Blanks, control characters and non-ASCII bytes are replaced by `_`, to keep
    /// the columns intact; an empty name is replaced by the id.
    pub owner: &'a str,
    /// Group's name, treated like the owner's.
    pub group: &'a str,
}

/// Appends one line with CRLF:
/// `-rw-r--r--   1 owner    group           5 Feb 29 12:00 name`.
///
/// `now`, in seconds since 1970, decides between time and year: an entry older than 180 days, or
/// more than a day in the future, shows the year. Up to a day in the future, it still shows the
/// time: it was written while the listing was made, or by a machine whose clock is ahead, and
/// clients take a year alone for midnight, so that it would look older than a copy of it. Month
/// names are English in every locale. Nothing follows the mode letters, and there is exactly one
/// blank before the name, which may begin with blanks itself. Anything but a file, directory or
/// link is shown as a file, as some clients reject the whole listing if they do not know a letter.
pub fn format_list_line(out: &mut Vec<u8>, entry: &ListEntry<'_>, now: i64, zone: Zone) {
    let metadata = entry.metadata;
    out.extend_from_slice(&mode_letters(metadata.kind, metadata.mode));
    out.push(b' ');
    push_decimal_right(out, metadata.links, 3);
    out.push(b' ');
    push_principal(out, entry.owner, metadata.uid);
    out.push(b' ');
    push_principal(out, entry.group, metadata.gid);
    out.push(b' ');
    push_decimal_right(out, metadata.size, 8);
    out.push(b' ');
    push_date(out, metadata.modified, now, zone);
    out.push(b' ');
    out.extend_from_slice(entry.name);
    if let Some(target) = entry.target {
        out.extend_from_slice(b" -> ");
        out.extend_from_slice(target);
    }
    out.extend_from_slice(b"\r\n");
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

const DAY_SECONDS: i64 = 24 * 60 * 60;
const RECENT_SECONDS: i64 = 180 * DAY_SECONDS;

fn push_date(out: &mut Vec<u8>, modified: i64, now: i64, zone: Zone) {
    let civil = zone.civil(modified);
    out.extend_from_slice(MONTHS[usize::from(civil.month - 1)]);
    out.push(b' ');
    push_two_digits(out, civil.day);
    out.push(b' ');
    let age = now.saturating_sub(modified);
    if !(-DAY_SECONDS..=RECENT_SECONDS).contains(&age) {
        out.push(b' ');
        push_year(out, civil.year);
    } else {
        push_two_digits(out, civil.hour);
        out.push(b':');
        push_two_digits(out, civil.minute);
    }
}

/// Appends an owner or group, left-aligned in eight columns.
fn push_principal(out: &mut Vec<u8>, name: &str, id: u32) {
    let start = out.len();
    if name.is_empty() {
        push_decimal(out, id.into());
    } else {
        out.extend(
            name.bytes()
                .map(|byte| if byte.is_ascii_graphic() { byte } else { b'_' }),
        );
    }
    push_blanks(out, 8usize.saturating_sub(out.len() - start));
}

fn mode_letters(kind: FileKind, mode: u32) -> [u8; 10] {
    let mut letters = *b"-rwxrwxrwx";
    letters[0] = match kind {
        FileKind::Directory => b'd',
        FileKind::Symlink => b'l',
        FileKind::File | FileKind::Other => b'-',
    };
    for (place, letter) in letters[1..].iter_mut().enumerate() {
        if mode & (0o400 >> place) == 0 {
            *letter = b'-';
        }
    }
    for (bit, place, set) in [(0o4000, 3, b's'), (0o2000, 6, b's'), (0o1000, 9, b't')] {
        if mode & bit != 0 {
            letters[place] = if letters[place] == b'x' {
                set
            } else {
                set.to_ascii_uppercase()
            };
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2000-02-29 12:34:00
    const NOON: i64 = 951_827_640;

    fn metadata(kind: FileKind, mode: u32) -> Metadata {
        Metadata {
            kind,
            size: 5,
            modified: NOON,
            mode,
            links: 1,
            uid: 1000,
            gid: 100,
            device: 0,
            inode: 0,
            unwritten: false,
        }
    }

    fn entry(metadata: &Metadata) -> ListEntry<'_> {
        ListEntry {
            name: b"name",
            target: None,
            metadata,
            owner: "owner",
            group: "group",
        }
    }

    fn line(entry: &ListEntry<'_>, now: i64) -> String {
        let mut out = Vec::new();
        format_list_line(&mut out, entry, now, Zone::Gmt);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_of_a_line() {
        let metadata = metadata(FileKind::File, 0o644);
        assert_eq!(
            line(&entry(&metadata), NOON),
            "-rw-r--r--   1 owner    group           5 Feb 29 12:34 name\r\n"
        );
        let link = ListEntry {
            name: b" a",
            target: Some(b"b c"),
            ..entry(&metadata)
        };
        assert!(line(&link, NOON).ends_with(" 12:34  a -> b c\r\n"));
    }

    #[track_caller]
    fn check_date(age: i64, expected: &str) {
        let metadata = metadata(FileKind::File, 0o644);
        let line = line(&entry(&metadata), NOON + age);
        assert_eq!(&line[42..54], expected, "age {age}");
    }

    #[test]
    fn old_and_future_entries_show_the_year() {
        check_date(0, "Feb 29 12:34");
        check_date(RECENT_SECONDS, "Feb 29 12:34");
        check_date(RECENT_SECONDS + 1, "Feb 29  2000");
        check_date(-DAY_SECONDS - 1, "Feb 29  2000");
    }

    #[test]
    fn a_file_newer_than_the_listing_was_shown_without_its_time() {
        check_date(-1, "Feb 29 12:34");
        check_date(-DAY_SECONDS, "Feb 29 12:34");
    }

    #[track_caller]
    fn check_mode(kind: FileKind, mode: u32, expected: &str) {
        assert_eq!(
            mode_letters(kind, mode),
            expected.as_bytes(),
            "{kind:?} {mode:o}"
        );
    }

    #[test]
    fn mode_letters_are_those_of_ls() {
        check_mode(FileKind::File, 0o100_644, "-rw-r--r--");
        check_mode(FileKind::Directory, 0o755, "drwxr-xr-x");
        check_mode(FileKind::Symlink, 0o777, "lrwxrwxrwx");
        check_mode(FileKind::Other, 0o600, "-rw-------");
        check_mode(FileKind::File, 0o4755, "-rwsr-xr-x");
        check_mode(FileKind::File, 0o6644, "-rwSr-Sr--");
        check_mode(FileKind::Directory, 0o1777, "drwxrwxrwt");
        check_mode(FileKind::Directory, 0o1770, "drwxrwx--T");
    }

    #[test]
    fn owners_cannot_break_the_columns() {
        let metadata = metadata(FileKind::File, 0o644);
        let odd = ListEntry {
            owner: "Domain Users\n",
            group: "",
            ..entry(&metadata)
        };
        assert!(line(&odd, NOON).contains(" 1 Domain_Users_ 100  "));
    }

    proptest! {
        #[test]
        fn a_line_has_eight_columns_before_the_name(
            size: u64, modified: i64, now: i64, links: u64, mode: u32, owner: String,
        ) {
            let metadata =
                Metadata { size, modified, links, ..metadata(FileKind::File, mode) };
            let entry = ListEntry { owner: &owner, ..entry(&metadata) };
            let line = line(&entry, now);
            let columns: Vec<_> = line.split_ascii_whitespace().collect();
            prop_assert_eq!(columns.len(), 9);
            prop_assert_eq!(columns[0].len(), 10);
            prop_assert_eq!(columns[4], size.to_string());
            prop_assert!(line.ends_with(" name\r\n"));
        }
    }
}
