//! Copies of files, and files made of parts.

mod draft;

use std::collections::HashSet;
use std::iter;

use ftpdlib_filesystems::Filesystem;
use ftpdlib_proto::{Metadata, VirtualPath};
use ftpdlib_session::{Answer, JobOutcome, Refusal};

use self::draft::{Draft, existing, replace};
use super::permission::canonical_entry;
use super::{Payload, TimeSlice, reply_of};

/// Makes `to` a copy of `from`. What `to` was before stays until the copy is complete.
pub(super) fn copy(
    fs: &dyn Filesystem,
    from: &VirtualPath,
    to: &VirtualPath,
    time: &mut TimeSlice,
) -> Result<(), Refusal> {
    let to = fs.canonical(to).map_err(reply_of)?;
    let append = |draft: &mut Draft, time: &mut TimeSlice| draft.append(fs, from, time);
    replace(fs, &to, time, append, |_| Ok(()))
}

/// Appends `parts` to `target`, which need not exist, and removes them. Returns which parts were
/// removed, and why others stay. Nothing changes before all are appended; and nothing at all if any
/// of the files is written to meanwhile, as far as their facts tell.
pub(super) fn combine(
    fs: &dyn Filesystem,
    target: &VirtualPath,
    parts: &[VirtualPath],
    time: &mut TimeSlice,
) -> JobOutcome<Payload> {
    let target = fs.canonical(target).map_err(reply_of)?;
    // A file may have several names: its directory may be mounted twice, or the disk may ignore
    // case. Removing a part that is the target would remove the new file. A hard link could be
    // removed, but looks the same, and not every disk counts links.
    let own = existing(fs, &target)?.as_ref().and_then(inode);
    let (mut known, mut known_inodes) = (HashSet::new(), HashSet::new());
    let mut entries = Vec::with_capacity(parts.len());
    for part in parts {
        time.go_on()?;
        let source = fs.canonical(part).map_err(reply_of)?;
        let inode = inode(&fs.stat(&source).map_err(reply_of)?);
        if source == target || (own.is_some() && inode == own) {
            let text = "The target cannot be one of its parts.";
            return Err(Refusal::new(553, text));
        }
        // Otherwise one short line could make a file of any size.
        if !known.insert(source) || inode.is_some_and(|inode| !known_inodes.insert(inode)) {
            let text = "A file cannot be a part more than once.";
            return Err(Refusal::new(553, text));
        }
        entries.push(canonical_entry(fs, part).map_err(reply_of)?);
    }
    let look = |time: &mut TimeSlice| -> Result<Vec<_>, Refusal> {
        let all = iter::once(&target).chain(parts);
        all.map(|path| {
            time.go_on()?;
            Ok(existing(fs, path)?.as_ref().map(content))
        })
        .collect()
    };
    let before = look(time)?;
    let append = |draft: &mut Draft, time: &mut TimeSlice| {
        let own = before[0].is_some().then_some(&target);
        let mut sources = own.into_iter().chain(parts);
        sources.try_for_each(|source| draft.append(fs, source, time))
    };
    // What was stored meanwhile is not in the draft, and would be lost.
    let check = |time: &mut TimeSlice| match look(time)? == before {
        true => Ok(()),
        false => Err(Refusal::new(
            450,
            "The target or a part was changed meanwhile.",
        )),
    };
    replace(fs, &target, time, append, check)?;
    // If one cannot be removed, the others still are: all are in the target by now.
    let (mut removed, mut failed) = (Vec::new(), None);
    for (place, entry) in entries.iter().enumerate() {
        match fs.remove(entry) {
            Ok(()) => removed.push(place),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let refusal = failed.map(reply_of);
    Ok(Answer::Combined { removed, refusal })
}

/// The facts of a file by which an upload to it is mostly noticed: not always, since the time is in
/// seconds.
fn content(facts: &Metadata) -> (u64, u64, u64, i64) {
    (facts.device, facts.inode, facts.size, facts.modified)
}

/// Identifies a file under any of its names; `None` if the filesystem has no inodes.
fn inode(facts: &Metadata) -> Option<(u64, u64)> {
    (facts.inode != 0).then_some((facts.device, facts.inode))
}

#[cfg(test)]
mod tests;
