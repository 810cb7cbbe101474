//! What clients are told of errors.

use std::error::Error;

use ftpdlib_filesystems::{ErrorKind, FilesystemError};
use ftpdlib_session::{Action, Change, Refusal};

/// How a refusal of `action` is told to the client.
pub(super) fn how_refusals_are_told(action: &Action) -> fn(Refusal) -> Refusal {
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

/// Replaces 553, "name not allowed", by 550: only commands that store something or give it a name
/// have 553 (RFC 959 §5.4).
fn without_553(refusal: Refusal) -> Refusal {
    match refusal.code.value() {
        553 => refusal.with_code(550),
        _ => refusal,
    }
}

/// Replaces 450 by 550 where something is busy: a directory that cannot be renamed or removed
/// because of that is mostly a mount point, which lasts. RNTO and RMD have no 450 (RFC 959 §5.4).
fn lasting(refusal: Refusal) -> Refusal {
    match refusal == reply_of(ErrorKind::Busy.into()) {
        true => refusal.with_code(550),
        false => refusal,
    }
}

/// The refusal of SIZE, MDTM and CPFR: some clients look for pyftpdlib's words about a missing
/// file, others for the reason.
fn not_retrievable(refusal: Refusal) -> Refusal {
    if refusal == reply_of(ErrorKind::NotFound.into()) {
        let text = format!("File is not retrievable: {}", refusal.text);
        return Refusal::new(550, text);
    }
    refusal
}

/// The refusal that tells a client of a filesystem's error.
pub(crate) fn reply_of(error: FilesystemError) -> Refusal {
    if let (ErrorKind::NotSupported, Some(source)) = (error.kind(), error.source()) {
        // Something may have to be mounted, which the client is not told.
        log::debug!("{source}");
    }
    Refusal {
        code: error.reply_code(),
        text: error.to_string().into(),
    }
}

/// The refusal of a file that cannot be opened for a transfer from the offset `start` on.
pub(super) fn cannot_begin(error: FilesystemError, start: u64) -> Refusal {
    let is_past_end = error.kind() == ErrorKind::OffsetPastEnd && !error.has_own_words();
    let mut refusal = reply_of(error);
    if is_past_end {
        refusal.text = format!("Restart position ({start}) > file size.").into();
    }
    refusal
}

/// The refusal of a file that cannot be opened for a download. An offset past its end is 550, which
/// clients understand; 554 is for uploads, which they may begin anew.
pub(super) fn cannot_be_sent(error: FilesystemError, start: u64) -> Refusal {
    let kind = error.kind();
    let refusal = cannot_begin(error, start);
    match kind {
        ErrorKind::OffsetPastEnd => refusal.with_code(550),
        _ => refusal,
    }
}

/// The refusal that tells a client of an error in the middle of a transfer or of work: 451, unless
/// the disk is full (RFC 959 §5.4 has no 550 after 150).
pub(crate) fn broken_off(error: FilesystemError) -> Refusal {
    let refusal = reply_of(error);
    match refusal.code.value() {
        452 | 552 => refusal,
        _ => refusal.with_code(451),
    }
}
