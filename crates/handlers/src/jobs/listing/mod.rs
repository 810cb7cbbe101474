//! Directory listings as a stream of lines.

mod batch;
mod entries;
mod helper_queue;
mod names;
mod pieces;
mod upcoming;

use std::mem;
use std::sync::Arc;

use ftpdlib_filesystems::{ErrorKind, Filesystem, FilesystemError, Listing};
use ftpdlib_proto::{
    EntryPerms, FileKind, ListEntry, Metadata, NameEncoding, NamePattern, Perm, VirtualPath,
    format_facts, format_list_line,
};
use ftpdlib_session::{ListFormat, Refusal};
use ftpdlib_sys::unix_now;

use self::batch::{Batch, Missing, NextEntry};
use self::upcoming::Upcoming;
use super::facts::{followed, judged};
use super::large::{drop_on, is_large_listing};
use super::permission::{Single, View};
use super::{Account, Helpers, broken_off, permission, reply_of};
use crate::owners_code;
use entries::Entries;
use names::Names;

/// A directory with more names than this is sorted on a thread of its own, off the loop.
const SORTED_IN_PLACE: usize = 4096;

/// The most memory for names, in bytes: enough for some 400,000 files. A larger directory is shown
/// in parts of this size, each sorted on its own. Without a limit, a client could make the server
/// hold all names of its largest directory in each of its sessions.
const MOST_NAMES: usize = 16 << 20;

/// How many names in UTF-8 are shown between two looks at the time: each takes little. In other
/// encodings one name may take more than a hundred microseconds.
const NAMES_AT_ONCE: usize = 16;

/// A listing that is made in pieces, so that no turn of the loop is long.
///
/// LIST and NLST are sorted by name, with only the names in memory, up to [`MOST_NAMES`]; MLSD is
/// in directory order.
pub(crate) struct ListingStream {
    account: Arc<Account>,
    format: ListFormat,
    encoding: NameEncoding,
    now: i64,
    /// The encoded prefix that NLST shows before each name.
    prefix: Vec<u8>,
    source: Source,
    /// Entries that could not be shown.
    missing: Missing,
    /// Whether the directory is too large to be listed on the loop.
    is_large: bool,
}

/// The source of the next line.
enum Source {
    /// The only entry, of a path that is not a directory.
    Single(Single),
    Unsorted(Unsorted),
    Gathering(Gathering),
    Sorted(Sorted),
    /// No entry is left.
    Ended,
}

/// Entries in directory order, as they are read.
struct Unsorted {
    entries: Entries,
    /// The directory.
    place: VirtualPath,
    /// What the user may do with its entries, if that is the same for all.
    perms: Option<EntryPerms>,
    upcoming: Upcoming,
}

/// Names are being collected for sorting.
struct Gathering {
    entries: Entries,
    names: Names,
    /// The pattern of the names to be shown; `None` for all.
    pattern: Option<NamePattern>,
}

/// Sorted names are being shown.
struct Sorted {
    /// The names that may be left to collect, and their pattern.
    entries: Entries,
    pattern: Option<NamePattern>,
    names: Names,
    /// The index of the next name.
    next: usize,
    upcoming: Upcoming,
}

/// How much may be done in one turn.
struct Turn<'a> {
    /// How many entries may be handled.
    most: usize,
    /// Whether the time is over; asked after each entry that may have taken long.
    is_over: &'a dyn Fn() -> bool,
    helpers: Option<&'a Helpers>,
}

impl ListingStream {
    /// Opens `path` for listing, or, if there is nothing, the entries that its last part matches.
    ///
    /// NLST shows names with `prefix`, so that they can be used as they are (RFC 1123 §4.1.2.7).
    /// The names of a directory's entries have none, as in pyftpdlib.
    pub(super) fn open(
        account: &Arc<Account>,
        path: &VirtualPath,
        prefix: Vec<u8>,
        format: ListFormat,
        encoding: NameEncoding,
    ) -> Result<Self, Refusal> {
        let view = View::new(account, path)?;
        let is_facts = matches!(format, ListFormat::Facts(_));
        let (source, is_large, prefix) = match view.facts() {
            Ok(metadata) if metadata.kind == FileKind::Directory => {
                let source = Source::directory(account, &view, format)?;
                (source, is_large_listing(&metadata), Vec::new())
            }
            Ok(_) if is_facts => return Err(Refusal::new(501, "Not a directory.")),
            Ok(_) => {
                let single = view.single().map_err(reply_of)?;
                (Source::Single(single), false, prefix)
            }
            Err(error) => {
                let pattern = pattern_of(path, &error).filter(|_| !is_facts);
                let Some((place, pattern)) = pattern else {
                    return Err(reply_of(error));
                };
                let (source, is_large) = Source::matching(account, &place, pattern)?;
                (source, is_large, prefix)
            }
        };
        let mut wire = Vec::with_capacity(prefix.len());
        encoding.encode_name(&prefix, &mut wire);
        Ok(Self {
            account: Arc::clone(account),
            format,
            encoding,
            now: unix_now(),
            prefix: wire,
            source,
            missing: Missing::default(),
            is_large,
        })
    }

    /// Appends the lines of at most `most` entries to `out`, or does as much work towards the first
    /// line. Returns `false` once no entry is left. May block.
    ///
    /// Some entries take longer than others: `is_over` is asked after each that may have taken
    /// long, and ends the call early.
    pub(crate) fn fill(
        &mut self,
        most: usize,
        is_over: &dyn Fn() -> bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let account = Arc::clone(&self.account);
        owners_code::call_or_refuse(&account, || self.fill_as_user(&account, most, is_over, out))
    }

    fn fill_as_user(
        &mut self,
        account: &Account,
        most: usize,
        is_over: &dyn Fn() -> bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let guard = account.impersonate()?;
        let turn = Turn {
            most,
            is_over,
            // Helpers cannot act as the user, so they help only where that is not needed.
            helpers: account.helpers().filter(|_| guard.is_noop()),
        };
        self.source = match mem::replace(&mut self.source, Source::Ended) {
            Source::Single(Single {
                name,
                metadata,
                target,
            }) => {
                let perms = EntryPerms::default();
                self.show(&name, &metadata, perms, target.as_deref(), out);
                Source::Ended
            }
            Source::Unsorted(unsorted) => self.show_unsorted(unsorted, &turn, out)?,
            Source::Gathering(gathering) => gathering.go_on(&turn)?,
            Source::Sorted(sorted) => match self.format {
                ListFormat::Names => self.show_names(sorted, &turn, out)?,
                ListFormat::Long | ListFormat::Facts(_) => self.show_sorted(sorted, &turn, out)?,
            },
            Source::Ended => Source::Ended,
        };
        Ok(!matches!(self.source, Source::Ended))
    }

    fn show_unsorted(
        &mut self,
        mut unsorted: Unsorted,
        turn: &Turn<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Source, Refusal> {
        let Unsorted {
            entries,
            place,
            perms,
            upcoming,
        } = &mut unsorted;
        for _ in 0..upcoming.wanted() {
            entries.read(turn.most);
            let mut batch = Batch::default();
            while let Some(entry) = entries.next() {
                batch.push(&entry.name, entry.metadata);
            }
            upcoming.add(batch, entries.listing(), turn.helpers);
        }
        let listing = entries.listing();
        for shown in 1..=turn.most {
            let Some(entry) = upcoming.next() else {
                break;
            };
            let own = entry.facts(listing, &mut self.missing);
            let Some(own) = own.map_err(broken_off)? else {
                continue;
            };
            let name = entry.name;
            // A link may lead through many directories, and looking up permissions for each entry
            // may take long too.
            let is_slow = own.kind == FileKind::Symlink || perms.is_none();
            let (metadata, perms) = match perms {
                Some(perms) => (followed(&self.account, listing, name, own), *perms),
                None => judged(&self.account, place, name, own),
            };
            self.show(name, &metadata, perms, None, out);
            if (is_slow || self.may_be_late(shown)) && (turn.is_over)() {
                break;
            }
        }
        if !upcoming.is_empty() || !entries.are_over() {
            return Ok(Source::Unsorted(unsorted));
        }
        entries.end().map_err(broken_off)?;
        Ok(Source::Ended)
    }

    fn show_names(
        &self,
        mut sorted: Sorted,
        turn: &Turn<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Source, Refusal> {
        let Sorted { names, next, .. } = &mut sorted;
        for shown in 1..=turn.most.min(names.len() - *next) {
            self.show_with_prefix(names.name(*next), out);
            *next += 1;
            if self.may_be_late(shown) && (turn.is_over)() {
                break;
            }
        }
        match *next < names.len() {
            true => Ok(Source::Sorted(sorted)),
            false => sorted.shown(),
        }
    }

    fn show_sorted(
        &mut self,
        mut sorted: Sorted,
        turn: &Turn<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Source, Refusal> {
        let Sorted {
            entries,
            pattern: _,
            names,
            next,
            upcoming,
        } = &mut sorted;
        let listing = entries.listing();
        for _ in 0..upcoming.wanted() {
            let mut batch = Batch::default();
            for index in *next..names.len().min(*next + turn.most) {
                batch.push(names.name(index), None);
                *next += 1;
            }
            upcoming.add(batch, listing, turn.helpers);
        }
        for shown in 1..=turn.most {
            let Some(entry) = upcoming.next() else {
                break;
            };
            let is_link = self.show_long(listing, &entry, out)?;
            if (is_link || self.may_be_late(shown)) && (turn.is_over)() {
                break;
            }
        }
        match *next == names.len() && upcoming.is_empty() {
            true => sorted.shown(),
            false => Ok(Source::Sorted(sorted)),
        }
    }

    /// Whether to look at the time after this many names.
    fn may_be_late(&self, shown: usize) -> bool {
        self.encoding != NameEncoding::UTF_8 || shown.is_multiple_of(NAMES_AT_ONCE)
    }

    /// Appends an entry's line as `ls -l` shows it. Returns whether it is a link, which takes
    /// longer.
    fn show_long(
        &mut self,
        listing: &dyn Listing,
        entry: &NextEntry<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Refusal> {
        let own = entry.facts(listing, &mut self.missing);
        let Some(metadata) = own.map_err(broken_off)? else {
            return Ok(false);
        };
        let name = entry.name;
        let target = match metadata.kind {
            FileKind::Symlink => listing.readlink(name).ok(),
            FileKind::File | FileKind::Directory | FileKind::Other => None,
        };
        let perms = EntryPerms::default();
        self.show(name, &metadata, perms, target.as_deref(), out);
        Ok(metadata.kind == FileKind::Symlink)
    }

    fn show_with_prefix(&self, name: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        self.show_name(name, out);
    }

    fn show_name(&self, name: &[u8], out: &mut Vec<u8>) {
        self.encoding.encode_name(name, out);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends an entry's line. Only facts need the permissions, and only `ls -l` a link's target.
    fn show(
        &self,
        name: &[u8],
        metadata: &Metadata,
        perms: EntryPerms,
        target: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let zone = self.account.zone();
        match self.format {
            ListFormat::Names => self.show_with_prefix(name, out),
            ListFormat::Facts(facts) => {
                format_facts(out, facts, metadata, perms, zone);
                self.show_name(name, out);
            }
            ListFormat::Long => {
                let mut wire = Vec::with_capacity(name.len());
                self.encoding.encode_name(name, &mut wire);
                let target = target.map(|target| {
                    let mut wire = Vec::with_capacity(target.len());
                    self.encoding.encode_name(target, &mut wire);
                    wire
                });
                let fs = &**self.account.filesystem();
                let entry = ListEntry {
                    name: &wire,
                    target: target.as_deref(),
                    metadata,
                    owner: &fs.user_name(metadata.uid),
                    group: &fs.group_name(metadata.gid),
                };
                format_list_line(out, &entry, self.now, zone);
            }
        }
    }
}

/// A large directory that was removed meanwhile is not freed on the loop, where a listing that is
/// broken off ends; nor is one closed there that may block.
impl Drop for ListingStream {
    fn drop(&mut self) {
        if let Some(report) = self.missing.report() {
            log::warn!("{} {report}", self.account);
        }
        match mem::replace(&mut self.source, Source::Ended) {
            Source::Ended => {}
            source if self.is_large || self.account.lane().is_some() => {
                drop_on(self.account.large_lane(), source);
            }
            _ => {}
        }
    }
}

impl Gathering {
    /// Collects the names of more entries, and sorts them if there are no more, or no more room.
    fn go_on(mut self, turn: &Turn<'_>) -> Result<Source, Refusal> {
        match &self.pattern {
            None => {
                let names = &mut self.names;
                self.entries.read_names(turn.most, |name| names.push(name));
            }
            Some(pattern) => {
                self.entries.read(turn.most);
                while let Some(entry) = self.entries.next() {
                    if pattern.matches(&entry.name) {
                        self.names.push(&entry.name);
                    }
                    // A pattern can be made to take long for each name.
                    if (turn.is_over)() {
                        break;
                    }
                }
            }
        }
        if !self.entries.are_over() && self.names.size() < MOST_NAMES {
            return Ok(Source::Gathering(self));
        }
        self.names.sort();
        Ok(Source::Sorted(Sorted {
            entries: self.entries,
            pattern: self.pattern,
            names: self.names,
            next: 0,
            upcoming: Upcoming::default(),
        }))
    }
}

impl Sorted {
    /// Continues after all names are shown, with those that there was no room for.
    fn shown(mut self) -> Result<Source, Refusal> {
        if self.entries.are_over() {
            self.entries.end().map_err(broken_off)?;
            return Ok(Source::Ended);
        }
        self.names.clear();
        Ok(Source::Gathering(Gathering {
            entries: self.entries,
            names: self.names,
            pattern: self.pattern,
        }))
    }
}

impl Source {
    /// The entries of the directory.
    fn directory(account: &Account, view: &View, format: ListFormat) -> Result<Self, Refusal> {
        let listing = view.filesystem.list(&view.target).map_err(reply_of)?;
        let entries = Entries::new(listing);
        Ok(match format {
            ListFormat::Facts(_) => Self::Unsorted(Unsorted {
                entries,
                place: view.target.clone(),
                upcoming: Upcoming::default(),
                perms: (!account.has_overrides()).then(|| {
                    account
                        .authorizer()
                        .perms(&account.login, &view.target)
                        .into()
                }),
            }),
            ListFormat::Long | ListFormat::Names => Self::Gathering(Gathering {
                entries,
                names: Names::default(),
                pattern: None,
            }),
        })
    }

    /// The entries of the directory `place` that `pattern` matches, and whether the directory is
    /// too large for the loop. If nothing matches, the listing is empty: that is the answer to the
    /// question.
    fn matching(
        account: &Account,
        place: &VirtualPath,
        pattern: NamePattern,
    ) -> Result<(Self, bool), Refusal> {
        // The checked path does not exist; this directory is listed instead.
        permission::target(account, Perm::List, place)?;
        let view = View::new(account, place)?;
        let listing = view.filesystem.list(&view.target).map_err(|error| {
            let has_wildcard = |part: &[u8]| NamePattern::new(part).is_some();
            if error.kind() == ErrorKind::NotFound && has_wildcard(place.as_bytes()) {
                let text = "Only the last part of a path may be a pattern.";
                return Refusal::new(550, text);
            }
            reply_of(error)
        })?;
        let is_large = view
            .facts()
            .is_ok_and(|metadata| is_large_listing(&metadata));
        let gathering = Gathering {
            entries: Entries::new(listing),
            names: Names::default(),
            pattern: Some(pattern),
        };
        Ok((Self::Gathering(gathering), is_large))
    }
}

/// The directory and the pattern, if there is nothing at `path` and its last part may be a pattern,
/// which may be longer than any name.
fn pattern_of(path: &VirtualPath, error: &FilesystemError) -> Option<(VirtualPath, NamePattern)> {
    let (place, name) = (path.parent()?, path.file_name()?);
    let is_missing = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NameTooLong);
    is_missing.then_some((place, NamePattern::new(name)?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
