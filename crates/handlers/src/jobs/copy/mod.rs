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

/// Makes `to` a copy of `from`. What was there before is there until the copy is complete.
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

/// Appends `parts` to `target`, which need not be there, and removes them; answers which of them,
/// and why others stay. Until all are appended everything is as it was, and it stays so if any of
/// them is stored to meanwhile, as far as facts tell.
pub(super) fn combine(
    fs: &dyn Filesystem,
    target: &VirtualPath,
    parts: &[VirtualPath],
    time: &mut TimeSlice,
) -> JobOutcome<Payload> {
    let target = fs.canonical(target).map_err(reply_of)?;
    // A file may have several names: its directory may be mounted twice, or the disk may not tell
    // capital letters from small ones. To remove a part that is the target would remove the new
    // one. A hard link could go, but looks the same: a file that is met twice may have some as
    // well, and not every disk counts them.
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
        // Otherwise one short line would make a file of any size.
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
    // What was stored meanwhile would be lost: the draft does not have it.
    let check = |time: &mut TimeSlice| match look(time)? == before {
        true => Ok(()),
        false => Err(Refusal::new(
            450,
            "The target or a part was changed meanwhile.",
        )),
    };
    replace(fs, &target, time, append, check)?;
    // One that stays keeps no other from going: all of them are in the target by now.
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

/// What an upload to a file changes of its facts, mostly: the time is in seconds.
fn content(facts: &Metadata) -> (u64, u64, u64, i64) {
    (facts.device, facts.inode, facts.size, facts.modified)
}

/// What tells a file from all others, by whichever name; `None` of a filesystem without inodes.
fn inode(facts: &Metadata) -> Option<(u64, u64)> {
    (facts.inode != 0).then_some((facts.device, facts.inode))
}

#[cfg(test)]
mod tests;
