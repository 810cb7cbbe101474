//! The blocking operations that a session asks for, as calls of the user's filesystem with the
//! permission that each needs, and the outcomes of these and of logins.

use std::borrow::Cow;

use ftpdlib_proto::{
    ByteRange, FactSet, HashAlgorithm, Metadata, NameEncoding, Perm, Perms, Reply, ReplyCode,
    VirtualPath,
};

use crate::Secret;

/// Why a job did not do what was asked, fit to be shown to the client: it holds no real path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Reply code; 4yz or 5yz.
    pub code: ReplyCode,
    /// Reply text, one line.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// Creates a refusal with this code, 4yz or 5yz, and this text, one line.
    pub fn new(code: u16, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: ReplyCode::new(code),
            text: text.into(),
        }
    }

    /// Replaces the code, and keeps the text.
    #[must_use]
    pub fn with_code(self, code: u16) -> Self {
        Self {
            code: ReplyCode::new(code),
            ..self
        }
    }

    /// The refusal for a fault of the server that is none of the client's business: `451`, in the
    /// words of RFC 959 §4.2.1.
    pub fn local_error() -> Self {
        Self::new(451, "Requested action aborted: local error in processing.")
    }

    /// Converts the refusal into the reply that reports it.
    pub fn into_reply(self) -> Reply {
        Reply::new(self.code.value(), self.text)
    }
}

/// An operation that may block. Its paths are absolute; a job knows no working directory.
#[derive(Clone, Debug)]
pub struct Job {
    /// Permission needed on every path of the action, unless the action documents different ones
    /// for its paths. The job itself checks it.
    pub perm: Option<Perm>,
    /// What to do.
    pub action: Action,
}

/// How an upload treats existing content.
///
/// The enum is complete: every driver has to implement all variants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteHow {
    /// STOR.
    Replace,
    /// APPE.
    Append,
    /// REST and STOR.
    At(u64),
    /// RANG and STOR: writes this range of an existing file, or of a new one if the range begins at
    /// byte 0. If more bytes come than the range holds, the upload is refused at its end.
    Within(ByteRange),
    /// STOU.
    Unique,
}

/// The form of a directory listing.
///
/// The enum is complete: FTP has no other form.
#[derive(Clone, Copy, Debug)]
pub enum ListFormat {
    /// LIST, STAT: `ls -l` lines sorted by name.
    Long,
    /// NLST: names, sorted.
    Names,
    /// MLSD: facts, in directory order.
    Facts(FactSet),
}

/// What a job does; in parentheses the [`Answer`] expected.
///
/// The enum is complete: every driver has to implement all variants and check their permissions.
#[derive(Clone, Debug)]
pub enum Action {
    /// CWD (`Done`).
    ChangeDirectory(VirtualPath),
    /// SIZE, MDTM, CPFR (`Metadata`; follows links).
    Stat(VirtualPath),
    /// MLST (`Text`: the fact line `facts; path`, with the path in disk bytes and no leading
    /// blank).
    FactLine {
        /// File or directory.
        path: VirtualPath,
        /// Facts shown.
        facts: FactSet,
    },
    /// RNFR (`Done`; does not follow links): refused if the path does not exist.
    Exists(VirtualPath),
    /// A command that makes one change in the filesystem (`Done`). A copy runs as work.
    Change(Change),
    /// AVBL (`Space`).
    AvailableSpace(VirtualPath),
    /// HASH, XCRC and its relatives (`Digest`). Runs as work.
    Digest {
        /// File.
        path: VirtualPath,
        /// The path that the whole argument names, if numbers after the name were taken for a
        /// range. If this file exists, it is digested instead of `path`, and in full: the numbers
        /// are part of its name.
        whole: Option<VirtualPath>,
        /// Which bytes; an end past the end of the file means the end of the file. `None` if the
        /// numbers form no valid range: the job then refuses with 501, unless `whole` exists.
        range: Option<ByteRange>,
        /// The algorithm.
        algorithm: HashAlgorithm,
    },
    /// COMB (`Combined`): appends the parts to the target, then removes them. Runs as work. Needs
    /// [`Perm::Store`] on the target, [`Perm::Retrieve`] and [`Perm::Delete`] on each part. If it
    /// fails, nothing has changed.
    Combine {
        /// The file appended to, created if it does not exist.
        target: VirtualPath,
        /// The files to append, at least one.
        parts: Vec<VirtualPath>,
    },
    /// A registered command (`Reply`). The permission is checked at `path`; a driver may pass the
    /// command this path with its links resolved.
    Registered {
        /// Index in [`SessionConfig::commands`](crate::SessionConfig::commands).
        index: usize,
        /// The argument as given, in disk bytes. It may be a password.
        argument: Secret<Vec<u8>>,
        /// What the argument names; the working directory if there is none.
        path: VirtualPath,
        /// Working directory.
        working_directory: VirtualPath,
    },
    /// RETR (`Opened`).
    OpenRead {
        /// File.
        path: VirtualPath,
        /// The bytes to send; an end past the end of the file means the end of the file.
        range: ByteRange,
    },
    /// STOR, APPE, STOU (`Opened`).
    OpenWrite {
        /// File; for `Unique`, the directory joined with the prefix of the name to be made.
        path: VirtualPath,
        /// How to treat existing content.
        how: WriteHow,
    },
    /// LIST, NLST, MLSD, STAT (`Opened`).
    ///
    /// If the path is not a directory, LIST, NLST and STAT list this one entry, and MLSD is refused
    /// with 501. If it does not exist, its last part may be a
    /// [pattern](ftpdlib_proto::NamePattern), except for MLSD: the entries that match are listed.
    OpenList {
        /// What to list.
        path: VirtualPath,
        /// If switches were removed from the argument: the path that the whole argument names, and
        /// its prefix. NLST lists this path whenever it exists, LIST and STAT only if `path` does
        /// not.
        whole: Option<(VirtualPath, Vec<u8>)>,
        /// What the client wrote before the last part of `path`. NLST puts it before the names that
        /// it returns, unless they are the entries of a directory.
        prefix: Vec<u8>,
        /// The form of the listing.
        format: ListFormat,
        /// Encoding of names on the control connection when the command came.
        encoding: NameEncoding,
    },
}

/// What a command changes in the filesystem.
///
/// The enum is complete: every driver has to implement all variants, and an observer must not miss
/// one. COMB alone is not among them: it changes several files, and may succeed only for some of
/// them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// Renames a file or directory: RNTO.
    Rename {
        /// Old name.
        from: VirtualPath,
        /// New name.
        to: VirtualPath,
    },
    /// Removes a file: DELE.
    Remove(VirtualPath),
    /// Creates a directory: MKD.
    MakeDirectory(VirtualPath),
    /// Removes a directory: RMD.
    RemoveDirectory(VirtualPath),
    /// Sets at least one of these facts: MFF, MFMT, MDTM with a time, SITE UTIME, SITE CHMOD. Needs
    /// [`Perm::ChangeTime`] for the time, [`Perm::ChangeMode`] for the mode.
    SetFacts {
        /// File or directory.
        path: VirtualPath,
        /// Modification time, in seconds since 1970.
        modified: Option<i64>,
        /// Permission bits.
        mode: Option<u32>,
    },
    /// Copies a file over whatever `to` names: CPTO, SITE COPY. Runs as work. Needs
    /// [`Perm::Retrieve`] on `from`, [`Perm::Store`] on `to`. If it fails, nothing has changed.
    Copy {
        /// File to read.
        from: VirtualPath,
        /// File to create or replace.
        to: VirtualPath,
    },
    /// Creates a symbolic link: SITE SYMLINK. Needs [`Perm::Store`] on the link.
    Symlink {
        /// Where the link leads.
        target: VirtualPath,
        /// The link itself.
        link: VirtualPath,
    },
}

/// What a successful job found.
///
/// The enum is complete: the session acts on all of them.
#[derive(Debug)]
pub enum Answer<P> {
    /// The job was done; it has nothing to report.
    Done,
    /// The user was let in.
    Login(LoginFacts),
    /// The certificate alone does not let the user in.
    PasswordNeeded,
    /// The metadata of the path.
    Metadata(Metadata),
    /// A line of text in disk bytes.
    Text(Vec<u8>),
    /// Bytes that may still be stored.
    Space(u64),
    /// A digest, and the bytes of the file that it covers.
    Digest {
        /// The digest, most significant byte first.
        digest: Vec<u8>,
        /// Offset of the first byte, and the offset after the last.
        range: std::ops::Range<u64>,
    },
    /// The parts have been appended to the target.
    Combined {
        /// Indices of the parts that were removed afterwards.
        removed: Vec<usize>,
        /// What to tell the client if others could not be removed.
        refusal: Option<Refusal>,
    },
    /// The reply of a registered command.
    Reply(Reply),
    /// A file or listing, ready for a transfer.
    Opened {
        /// Opaque to the session.
        payload: P,
        /// Size of the whole file in bytes, if it is known.
        size: Option<u64>,
        /// The path that was actually opened: for STOU the name made, for listings the one chosen.
        path: VirtualPath,
    },
}

/// What the session needs to know of a login; the driver keeps the rest.
#[derive(Clone, Debug)]
pub struct LoginFacts {
    /// User name.
    pub username: String,
    /// Text of 230; may have several lines.
    pub msg_login: String,
    /// Text of 221; may have several lines.
    pub msg_quit: String,
    /// Initial working directory.
    pub start_dir: VirtualPath,
    /// The user's own encoding of names; `None` leaves the one in use.
    pub encoding: Option<NameEncoding>,
    /// The permissions that the user has on at least some path: FEAT omits commands that need
    /// others.
    pub perms: Perms,
}

/// How a job ended.
///
/// A failed login is `Err` with 530 and the text of the reply, which the session delays by
/// [`SessionConfig::auth_failed_timeout`](crate::SessionConfig::auth_failed_timeout).
pub type JobOutcome<P> = Result<Answer<P>, Refusal>;
