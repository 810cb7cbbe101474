//! `ls -l` lines for LIST.
use crate::{Metadata, Zone};

/// One entry of a LIST.
#[derive(Clone, Copy, Debug)]
pub struct ListEntry<'a> {
    /// Name, already in wire form.
    pub name: &'a [u8],
    /// Link target in wire form, shown as `name -> target`.
    pub target: Option<&'a [u8]>,
    /// What `lstat` told.
    pub metadata: &'a Metadata,
    /// Owner; blanks and non-ASCII are replaced so the columns stay columns.
    pub owner: &'a str,
    /// Group.
    pub group: &'a str,
}

/// Appends one line with CRLF. `now` in seconds since 1970 decides between time and year: older
/// than 180 days or in the future shows the year.
pub fn format_list_line(_out: &mut Vec<u8>, _entry: &ListEntry<'_>, _now: i64, _zone: Zone) {
    todo!()
}
