//! Jobs: every call of an authorizer or a filesystem, with the permission check before it.
//!
//! Nothing else in this crate calls them, so there is one permission check, and one place where
//! impersonation is held. [`RunsOn`] says which jobs may run on the loop.
//!
//! What others call here contains a panic of theirs: it is logged, with whose session it was, and
//! refused.

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
mod runs_on;
mod slow_write;
mod time_slice;
mod untaken;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use ftpdlib_filesystems::{ErrorKind, Filesystem, FilesystemError, WriteFile, WriteMode};
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
pub(crate) use runs_on::{RunsOn, Started};
use slow_write::SlowWrite;
pub(crate) use time_slice::{Cancel, TimeSlice};
pub(crate) use untaken::{Untaken, discard};

/// What a session's transfers carry: something opened by a job, and for whom. It stays usable when
/// the user has logged out meanwhile.
pub(crate) struct Payload {
    pub(crate) account: Arc<Account>,
    pub(crate) opened: Opened,
}

/// Something opened by a job.
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
    owners_code::call_files(account, || run_as_user(account, job)).map_err(told)
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
    // Logs and observers are told the client's name for it.
    if let (Ok(Answer::Opened { path, .. }), Some(shown)) = (&mut outcome, shown) {
        *path = shown;
    }
    outcome
}

/// Runs work: a job that takes as long as its files are large. Blocks; `time` may end it early.
pub(crate) fn run_work(
    account: &Arc<Account>,
    job: Job,
    time: &mut TimeSlice,
) -> JobOutcome<Payload> {
    let told = how_refusals_are_told(&job.action);
    let outcome = owners_code::call_files(account, || {
        time.go_on()?;
        run_work_as_user(account, job, time)
    });
    outcome.map_err(told)
}

/// How a client is told that `action` is refused.
fn how_refusals_are_told(action: &Action) -> fn(Refusal) -> Refusal {
    match action {
        Action::OpenWrite { .. } | Action::Change(Change::Copy { .. }) | Action::Combine { .. } => {
            |refusal| refusal
        }
        Action::Change(Change::Rename { .. }) => lasting,
        Action::Change(Change::RemoveDirectory(_)) => |refusal| lasting(without_553(refusal)),
        Action::Stat(_) => |refusal| not_retrievable(without_553(refusal)),
        _ => without_553,
    }
}

/// That a name is not allowed is 553 where something is to be stored or to get that name; other
/// commands do not have the code (RFC 959 §5.4).
fn without_553(refusal: Refusal) -> Refusal {
    match refusal.code.value() {
        553 => refusal.with_code(550),
        _ => refusal,
    }
}

/// What is busy when it is to be renamed, or a directory to be removed, is somebody's mount point
/// or the like and stays so; nor do these commands have 450 (RFC 959 §5.4).
fn lasting(refusal: Refusal) -> Refusal {
    match refusal == reply_of(ErrorKind::Busy.into()) {
        true => refusal.with_code(550),
        false => refusal,
    }
}

/// Some clients look for pyftpdlib's words about a missing file, others for the reason: of SIZE and
/// MDTM, and so of CPFR.
fn not_retrievable(refusal: Refusal) -> Refusal {
    if refusal == reply_of(ErrorKind::NotFound.into()) {
        let text = format!("File is not retrievable: {}", refusal.text);
        return Refusal::new(550, text);
    }
    refusal
}

fn run_work_as_user(account: &Arc<Account>, job: Job, time: &mut TimeSlice) -> JobOutcome<Payload> {
    let _guard = account.impersonate()?;
    let mut action = choose_reading(account, job.action, job.perm);
    let pinned;
    let account = match job.perm {
        Some(perm) => {
            if let Action::Combine { .. } = action {
                // A part that is a link is an error once it is pinned; who may not read what it
                // leads to is told that.
                permission::check(account, perm, &mut action, || time.go_on())?;
            }
            pinned = permitted(account, perm, &mut action, || time.go_on())?;
            &pinned
        }
        None => account,
    };
    let fs = &*account.filesystem;
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

/// Checks that the user may do `action`, and pins it to what was checked. `go_on` is asked before
/// each path of it.
fn permitted(
    account: &Arc<Account>,
    perm: Perm,
    action: &mut Action,
    mut go_on: impl FnMut() -> Result<(), Refusal>,
) -> Result<Arc<Account>, Refusal> {
    match permission::pin(account, perm, action, &mut go_on) {
        Ok(pinned) => permission::check(&pinned, perm, action, go_on).map(|()| pinned),
        // Who may not do it is not told what else is wrong.
        Err(refusal) => {
            permission::check(account, perm, action, go_on)?;
            Err(refusal)
        }
    }
}

/// The real path of `path`, for logs and observers; never for a client.
pub(crate) fn real_path(account: &Account, path: &VirtualPath) -> Option<PathBuf> {
    owners_code::call_files(account, || Ok(account.filesystem.real_path(path))).unwrap_or_default()
}

fn perform(account: &Arc<Account>, action: Action) -> JobOutcome<Payload> {
    let fs = &*account.filesystem;
    let done = match action {
        // `CommandCall` has what a registered command does, and `run_work` what is work.
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

/// What a transfer is to carry.
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

/// Chooses between the two readings of an argument, where it has two. Permissions are checked after
/// that, for the path that is used; what is there where the user may not look decides nothing.
fn choose_reading(account: &Account, action: Action, perm: Option<Perm>) -> Action {
    let is_there = |path: &VirtualPath| account.filesystem.lstat(path).is_ok();
    let is_denied =
        |path: &VirtualPath| perm.is_some_and(|perm| permission::is_denied(account, perm, path));
    let may_be_meant = |path: &VirtualPath| is_there(path) && !is_denied(path);
    match action {
        // A file may be named like a switch. A client that is to delete what NLST answers must get
        // that one; elsewhere, whoever may upload it must not hide the directory.
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
        // Or like another and a range.
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

/// What a client is told of a filesystem's refusal.
pub(crate) fn reply_of(error: FilesystemError) -> Refusal {
    if let (ErrorKind::NotSupported, Some(source)) = (error.kind(), error.source()) {
        // It may be something to be mounted, which is not said to the client.
        log::debug!("{source}");
    }
    Refusal {
        code: error.reply_code(),
        text: error.to_string().into(),
    }
}

/// What a client is told of a file that cannot be opened for a transfer from the offset `start` on.
fn cannot_begin(error: FilesystemError, start: u64) -> Refusal {
    let is_past_end = error.kind() == ErrorKind::OffsetPastEnd && !error.has_own_words();
    let mut refusal = reply_of(error);
    if is_past_end {
        refusal.text = format!("Restart position ({start}) > file size.").into();
    }
    refusal
}

/// The same of a file that cannot be sent. What lies past its end is not there, which clients
/// understand by 550; 554 is for an upload, which they may begin anew.
fn cannot_be_sent(error: FilesystemError, start: u64) -> Refusal {
    let kind = error.kind();
    let refusal = cannot_begin(error, start);
    match kind {
        ErrorKind::OffsetPastEnd => refusal.with_code(550),
        _ => refusal,
    }
}

/// What a client is told of an error in the middle of a transfer or of work: that it is broken off,
/// unless the disk is full (RFC 959 §5.4 has no 550 after 150).
pub(crate) fn broken_off(error: FilesystemError) -> Refusal {
    let refusal = reply_of(error);
    match refusal.code.value() {
        452 | 552 => refusal,
        _ => refusal.with_code(451),
    }
}
