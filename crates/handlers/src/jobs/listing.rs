//! Directory listings as a stream of lines.

use std::mem;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ftpdlib_filesystems::{Entry, FilesystemError, Listing};
use ftpdlib_proto::{
    EntryRole, FactSet, FileKind, ListEntry, Metadata, NameEncoding, Perms, ReplyCode, VirtualPath,
    format_facts, format_list_line,
};
use ftpdlib_session::{ListFormat, Refusal};

use super::names::Names;
use super::{Account, permission, refusal, reply_of};

/// A directory with more names than this is sorted on a thread of its own, off the loop.
const SORTED_IN_PLACE: usize = 4096;

/// A listing that gives its lines in pieces, so that no turn of the loop is long.
///
/// LIST and NLST are sorted by name with only the names in memory; MLSD comes in directory order.
pub(crate) struct ListingStream {
    account: Arc<Account>,
    format: ListFormat,
    encoding: NameEncoding,
    perms: Perms,
    now: i64,
    source: Source,
}

/// Where the next line comes from.
enum Source {
    /// The path was no directory: its one entry.
    Single {
        name: Vec<u8>,
        metadata: Metadata,
        target: Option<Vec<u8>>,
    },
    /// Directory order, entries as they are read.
    Unsorted {
        listing: Box<dyn Listing>,
        batch: Vec<Entry>,
    },
    /// Names are being collected, to be sorted.
    Gathering {
        listing: Box<dyn Listing>,
        batch: Vec<Entry>,
        names: Names,
    },
    /// Names are being shown, in order.
    Sorted {
        listing: Box<dyn Listing>,
        names: Names,
        next: usize,
    },
    /// Nothing is left.
    Ended,
}

impl ListingStream {
    /// Opens `path` to be listed.
    pub(super) fn open(
        account: &Arc<Account>,
        path: &VirtualPath,
        format: ListFormat,
        encoding: NameEncoding,
    ) -> Result<Self, Refusal> {
        let fs = &*account.filesystem;
        let metadata = fs
            .stat(path)
            .or_else(|_| fs.lstat(path))
            .map_err(reply_of)?;
        let is_directory = metadata.kind == FileKind::Directory;
        if !is_directory && matches!(format, ListFormat::Facts(_)) {
            return Err(refusal(ReplyCode::new(501), "Not a directory."));
        }
        let source = if !is_directory {
            let metadata = fs.lstat(path).map_err(reply_of)?;
            let target = match metadata.kind {
                FileKind::Symlink => fs.readlink(path).ok(),
                FileKind::File | FileKind::Directory | FileKind::Other => None,
            };
            Source::Single {
                name: path.file_name().unwrap_or(b"/").to_vec(),
                metadata,
                target,
            }
        } else {
            let (listing, batch) = (fs.list(path).map_err(reply_of)?, Vec::new());
            match format {
                ListFormat::Facts(_) => Source::Unsorted { listing, batch },
                ListFormat::Long | ListFormat::Names => Source::Gathering {
                    listing,
                    batch,
                    names: Names::default(),
                },
            }
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            });
        let perms = perms_at(account, path);
        Ok(Self {
            account: Arc::clone(account),
            format,
            encoding,
            perms,
            now,
            source,
        })
    }

    /// Appends the lines of about `entries` entries to `out`, or works as much towards the first
    /// line; `false` once nothing is left. May block.
    pub(crate) fn fill(&mut self, entries: usize, out: &mut Vec<u8>) -> Result<bool, Refusal> {
        let account = Arc::clone(&self.account);
        let _guard = account.impersonate()?;
        self.source = match mem::replace(&mut self.source, Source::Ended) {
            Source::Single {
                name,
                metadata,
                target,
            } => {
                self.show(&name, &metadata, target.as_deref(), out);
                Source::Ended
            }
            Source::Unsorted {
                mut listing,
                mut batch,
            } => {
                batch.clear();
                let more = listing.next_batch(entries, &mut batch).map_err(reply_of)?;
                for entry in &batch {
                    if let Some(metadata) = followed(&*listing, entry) {
                        self.show(&entry.name, &metadata, None, out);
                    }
                }
                if more {
                    Source::Unsorted { listing, batch }
                } else {
                    Source::Ended
                }
            }
            Source::Gathering {
                mut listing,
                mut batch,
                mut names,
            } => {
                batch.clear();
                let more = listing.next_batch(entries, &mut batch).map_err(reply_of)?;
                for entry in &batch {
                    names.push(&entry.name);
                }
                if more {
                    Source::Gathering {
                        listing,
                        batch,
                        names,
                    }
                } else {
                    names.sort();
                    Source::Sorted {
                        listing,
                        names,
                        next: 0,
                    }
                }
            }
            Source::Sorted {
                listing,
                names,
                next,
            } => {
                let end = names.len().min(next + entries);
                for index in next..end {
                    self.show_sorted(&*listing, names.name(index), out);
                }
                if end < names.len() {
                    Source::Sorted {
                        listing,
                        names,
                        next: end,
                    }
                } else {
                    Source::Ended
                }
            }
            Source::Ended => Source::Ended,
        };
        Ok(!matches!(self.source, Source::Ended))
    }

    /// Whether so many names came that [`sort`](Self::sort) should be called on a thread.
    pub(crate) fn is_long(&self) -> bool {
        matches!(&self.source, Source::Gathering { names, .. } if names.len() > SORTED_IN_PLACE)
    }

    /// Collects and sorts all names, up to the first line. Takes long.
    pub(crate) fn sort(&mut self) -> Result<(), Refusal> {
        let mut nothing = Vec::new();
        while matches!(self.source, Source::Gathering { .. }) {
            self.fill(SORTED_IN_PLACE, &mut nothing)?;
        }
        Ok(())
    }

    fn show_sorted(&self, listing: &dyn Listing, name: &[u8], out: &mut Vec<u8>) {
        match self.format {
            ListFormat::Names => self.show_name(name, out),
            ListFormat::Long | ListFormat::Facts(_) => {
                // Gone since its name was read: no line.
                let Ok(metadata) = listing.lstat(name) else {
                    return;
                };
                let target = match metadata.kind {
                    FileKind::Symlink => listing.readlink(name).ok(),
                    FileKind::File | FileKind::Directory | FileKind::Other => None,
                };
                self.show(name, &metadata, target.as_deref(), out);
            }
        }
    }

    fn show_name(&self, name: &[u8], out: &mut Vec<u8>) {
        self.encoding.encode_name(name, out);
        out.extend_from_slice(b"\r\n");
    }

    fn show(&self, name: &[u8], metadata: &Metadata, target: Option<&[u8]>, out: &mut Vec<u8>) {
        let zone = self.account.zone;
        match self.format {
            ListFormat::Names => self.show_name(name, out),
            ListFormat::Facts(facts) => {
                format_facts(out, facts, metadata, EntryRole::Entry, self.perms, zone);
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
                let fs = &*self.account.filesystem;
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

/// The line of MLST: facts, a blank, and the whole path, in disk bytes.
pub(super) fn fact_line(
    account: &Account,
    path: &VirtualPath,
    facts: FactSet,
) -> Result<Vec<u8>, FilesystemError> {
    let fs = &*account.filesystem;
    let metadata = fs.stat(path).or_else(|_| fs.lstat(path))?;
    let place = path.parent().unwrap_or_else(VirtualPath::root);
    let mut line = Vec::new();
    let perms = perms_at(account, &place);
    format_facts(
        &mut line,
        facts,
        &metadata,
        EntryRole::Entry,
        perms,
        account.zone,
    );
    line.extend_from_slice(path.as_bytes());
    Ok(line)
}

/// What the user may do in a directory, for the `perm` fact.
fn perms_at(account: &Account, directory: &VirtualPath) -> Perms {
    permission::resolved(account, directory).map_or(Perms::NONE, |directory| {
        account.authorizer.perms(&account.login, &directory)
    })
}

/// Facts of what an entry leads to; of the link itself where it leads nowhere; nothing if the entry
/// is gone since its name was read.
fn followed(listing: &dyn Listing, entry: &Entry) -> Option<Metadata> {
    match &entry.metadata {
        Some(metadata) if metadata.kind != FileKind::Symlink => Some(metadata.clone()),
        known => {
            let own = known.clone().or_else(|| listing.lstat(&entry.name).ok())?;
            if own.kind == FileKind::Symlink {
                return Some(listing.stat(&entry.name).unwrap_or(own));
            }
            Some(own)
        }
    }
}
