//! Jobs: every call of an authorizer or a filesystem, with the permission check before it.
//!
//! Nothing else in this crate calls them, so there is one permission check, and one place where
//! impersonation is held. [`RunsOn`] says which jobs may run on the loop.
//!
//! Panics of authorizers and filesystems are contained here: they are logged with the session, and
//! become refusals.

mod account;
mod copy;
mod custom_command;
mod digest;
mod facts;
mod file_io;
mod helpers;
mod lanes;
mod large;
mod listing;
mod login;
mod permission;
mod ranged;
mod refusals;
mod runs_on;
mod slow_write;
mod time_slice;
mod untaken;

use std::path::PathBuf;
use std::sync::Arc;

use ftpdlib_filesystems::{Filesystem, FilesystemError, WriteFile, WriteMode};
use ftpdlib_proto::{ByteRange, Perm, VirtualPath};
use ftpdlib_session::{Action, Answer, Change, Job, JobOutcome, ListFormat, Refusal, WriteHow};

use crate::owners_code;

pub(crate) use account::Account;
pub(crate) use custom_command::CommandCall;
pub(crate) use file_io::{ended_early, finish, read_chunk, write_all, write_piped};
pub(crate) use helpers::Helpers;
pub(crate) use lanes::{HomeLanes, WorkLane};
pub(crate) use large::{OpenedRead, upload_lane, upload_size};
pub(crate) use listing::ListingStream;
pub(crate) use login::{Checked, Credentials, LoginEnd, enter};
pub(crate) use refusals::{broken_off, reply_of};
use refusals::{cannot_be_sent, cannot_begin, how_refusals_are_told};
pub(crate) use runs_on::{RunsOn, Started};
use slow_write::SlowWrite;
pub(crate) use time_slice::{Cancel, TimeSlice};
pub(crate) use untaken::{Untaken, discard};

/// What a transfer carries: something that a job has opened, and the account that it was opened
/// for. It stays usable after the user has logged out.
pub(crate) struct Payload {
    pub(crate) account: Arc<Account>,
    pub(crate) opened: Opened,
}

/// What a job has opened.
pub(crate) enum Opened {
    /// A download.
    Read(OpenedRead),
    /// An upload.
    Write(Box<dyn WriteFile>),
    /// A listing.
    List(Box<ListingStream>),
}

/// Runs a filesystem job. May block.
pub(crate) fn run(account: &Arc<Account>, job: Job) -> JobOutcome<Payload> {
    let told = how_refusals_are_told(&job.action);
    owners_code::call_or_refuse(account, || run_as_user(account, job)).map_err(told)
}

fn run_as_user(account: &Arc<Account>, job: Job) -> JobOutcome<Payload> {
    let _guard = account.impersonate()?;
    let mut action = choose_reading(account, job.action, job.perm);
    let Some(perm) = job.perm else {
        return perform(account, action);
    };
    let shown = match &action {
        Action::OpenRead { path, .. } => Some(path.clone()),
        Action::OpenWrite { path, how } if *how != WriteHow::Unique => Some(path.clone()),
        _ => None,
    };
    let account = &permitted(account, perm, &mut action, || Ok(()))?;
    let mut outcome = perform(account, action);
    // Logs and observers are told the name that the client gave.
    if let (Ok(Answer::Opened { path, .. }), Some(shown)) = (&mut outcome, shown) {
        *path = shown;
    }
    outcome
}

/// Runs work: a job that takes time in proportion to its files. Blocks; `time` may end it early.
pub(crate) fn run_work(
    account: &Arc<Account>,
    job: Job,
    time: &mut TimeSlice,
) -> JobOutcome<Payload> {
    let told = how_refusals_are_told(&job.action);
    let outcome = owners_code::call_or_refuse(account, || {
        time.go_on()?;
        run_work_as_user(account, job, time)
    });
    outcome.map_err(told)
}

fn run_work_as_user(account: &Arc<Account>, job: Job, time: &mut TimeSlice) -> JobOutcome<Payload> {
    let _guard = account.impersonate()?;
    let mut action = choose_reading(account, job.action, job.perm);
    let pinned;
    let account = match job.perm {
        Some(perm) => {
            if let Action::Combine { .. } = action {
                // After pinning, a part that is a link is an error. A user who may not read what it
                // leads to is told that first.
                permission::check(account, perm, &mut action, || time.go_on())?;
            }
            pinned = permitted(account, perm, &mut action, || time.go_on())?;
            &pinned
        }
        None => account,
    };
    let fs = &**account.filesystem();
    match action {
        Action::Digest {
            path,
            range,
            algorithm,
            ..
        } => {
            let range = range.ok_or_else(|| Refusal::new(501, "Invalid range."))?;
            let limit = account.hash_limit();
            let (digest, range) = digest::digest(fs, &path, range, algorithm, limit, time)?;
            Ok(Answer::Digest { digest, range })
        }
        Action::Combine { target, parts } => copy::combine(fs, &target, &parts, time),
        Action::Change(Change::Copy { from, to }) => {
            copy::copy(fs, &from, &to, time).map(|()| Answer::Done)
        }
        action => perform(account, action),
    }
}

/// Checks that the user may do `action`, and pins its paths to what was checked. `go_on` is asked
/// before each path.
fn permitted(
    account: &Arc<Account>,
    perm: Perm,
    action: &mut Action,
    mut go_on: impl FnMut() -> Result<(), Refusal>,
) -> Result<Arc<Account>, Refusal> {
    match permission::pin(account, perm, action, &mut go_on) {
        Ok(pinned) => permission::check(&pinned, perm, action, go_on).map(|()| pinned),
        // A user without the permission is not told what else is wrong.
        Err(refusal) => {
            permission::check(account, perm, action, go_on)?;
            Err(refusal)
        }
    }
}

/// The real path of `path`, for logs and observers; never for a client.
pub(crate) fn real_path(account: &Account, path: &VirtualPath) -> Option<PathBuf> {
    owners_code::call_or_refuse(account, || Ok(account.filesystem().real_path(path)))
        .unwrap_or_default()
}

fn perform(account: &Arc<Account>, action: Action) -> JobOutcome<Payload> {
    let fs = &**account.filesystem();
    let done = match action {
        // Custom commands run through `CommandCall`, work through `run_work`.
        Action::Registered { .. }
        | Action::Digest { .. }
        | Action::Combine { .. }
        | Action::Change(Change::Copy { .. }) => {
            return Err(Refusal::new(503, "Bad sequence of commands."));
        }
        Action::ChangeDirectory(path) => fs.change_dir(&path),
        Action::Stat(path) => {
            let metadata = fs.stat(&path).map_err(reply_of)?;
            return Ok(Answer::Metadata(metadata));
        }
        Action::FactLine { path, facts } => {
            let line = facts::fact_line(account, &path, facts)?;
            return Ok(Answer::Text(line));
        }
        Action::Exists(path) => fs.lstat(&path).map(drop),
        Action::Change(Change::Rename { from, to }) => fs.rename(&from, &to),
        Action::Change(Change::Remove(path)) => fs.remove(&path),
        Action::Change(Change::MakeDirectory(path)) => fs.mkdir(&path),
        Action::Change(Change::RemoveDirectory(path)) => fs.rmdir(&path),
        Action::Change(Change::SetFacts {
            path,
            modified,
            mode,
        }) => mode
            .map_or(Ok(()), |mode| fs.set_mode(&path, mode))
            .and_then(|()| match modified {
                Some(time) => fs.set_modified(&path, time),
                None => Ok(()),
            }),
        Action::Change(Change::Symlink { target, link }) => fs.symlink(&target, &link),
        Action::AvailableSpace(path) => {
            let bytes = fs.available_space(&path).map_err(reply_of)?;
            return Ok(Answer::Space(bytes));
        }
        Action::OpenRead { path, range } => {
            let read = ranged::open_read(fs, &path, range);
            let (file, size) = read.map_err(|error| cannot_be_sent(error, range.start()))?;
            let file = OpenedRead::new(account, file, size);
            return Ok(opened(account, Opened::Read(file), size, path));
        }
        Action::OpenWrite { path, how } => {
            let start = match how {
                WriteHow::At(start) => start,
                WriteHow::Within(range) => range.start(),
                WriteHow::Replace | WriteHow::Append | WriteHow::Unique => 0,
            };
            let file = open_write(fs, &path, how).map_err(|error| cannot_begin(error, start))?;
            let file = match account.lane() {
                Some(lane) => Box::new(SlowWrite::new(file, lane)),
                None => file,
            };
            let path = file.path().clone();
            return Ok(opened(account, Opened::Write(file), None, path));
        }
        Action::OpenList {
            path,
            prefix,
            format,
            encoding,
            ..
        } => {
            let stream = ListingStream::open(account, &path, prefix, format, encoding)?;
            return Ok(opened(account, Opened::List(Box::new(stream)), None, path));
        }
    };
    done.map(|()| Answer::Done).map_err(reply_of)
}

/// The answer with what a transfer will carry.
fn opened(
    account: &Arc<Account>,
    opened: Opened,
    size: Option<u64>,
    path: VirtualPath,
) -> Answer<Payload> {
    let account = Arc::clone(account);
    Answer::Opened {
        payload: Payload { account, opened },
        size,
        path,
    }
}

/// Chooses between the two readings of an argument, if it has two. Permissions are checked
/// afterwards, for the path that is used. Files that the user may not see decide nothing.
fn choose_reading(account: &Account, action: Action, perm: Option<Perm>) -> Action {
    let is_there = |path: &VirtualPath| account.filesystem().lstat(path).is_ok();
    let is_denied =
        |path: &VirtualPath| perm.is_some_and(|perm| permission::is_denied(account, perm, path));
    let may_be_meant = |path: &VirtualPath| is_there(path) && !is_denied(path);
    match action {
        // A file may be named like a switch. NLST prefers it, since clients delete what NLST
        // answers. LIST and STAT prefer the directory: a user who may upload files could otherwise
        // hide it.
        Action::OpenList {
            path,
            whole: Some(whole),
            prefix,
            format,
            encoding,
        } => {
            let comes_first = matches!(format, ListFormat::Names);
            let use_whole =
                (comes_first || (!is_there(&path) && !is_denied(&path))) && may_be_meant(&whole.0);
            let (path, prefix) = if use_whole { whole } else { (path, prefix) };
            Action::OpenList {
                path,
                whole: None,
                prefix,
                format,
                encoding,
            }
        }
        // A file may be named like another one with a range.
        Action::Digest {
            whole: Some(whole),
            algorithm,
            ..
        } if may_be_meant(&whole) => Action::Digest {
            path: whole,
            whole: None,
            range: Some(ByteRange::default()),
            algorithm,
        },
        Action::Digest {
            path,
            range,
            algorithm,
            ..
        } => Action::Digest {
            path,
            whole: None,
            range,
            algorithm,
        },
        action => action,
    }
}

fn open_write(
    fs: &dyn Filesystem,
    path: &VirtualPath,
    how: WriteHow,
) -> Result<Box<dyn WriteFile>, FilesystemError> {
    let mode = match how {
        WriteHow::Replace => WriteMode::Replace,
        WriteHow::Append => WriteMode::Append,
        WriteHow::At(offset) => WriteMode::At(offset),
        WriteHow::Unique => WriteMode::Unique,
        WriteHow::Within(range) => return ranged::open_write(fs, path, range),
    };
    fs.open_write(path, mode)
}
