//! Blocking work that a session asks for: calls of the user's filesystem, with the permission each
//! needs; and how it ended, as logins also do.

use std::borrow::Cow;

use ftpdlib_proto::{
    ByteRange, FactSet, HashAlgorithm, Metadata, NameEncoding, Perm, Perms, Reply, ReplyCode,
    VirtualPath,
};

use crate::Secret;

/// Why a job did not do what was asked, ready for the client: no real path in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Reply code; 4yz or 5yz.
    pub code: ReplyCode,
    /// Reply text, one line.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// One with this code, 4yz or 5yz, and this text, one line.
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

    /// What is said of a fault on our side that is none of the client's business: `451`, in the
    /// words of RFC 959 §4.2.1.
    pub fn local_error() -> Self {
        Self::new(451, "Requested action aborted: local error in processing.")
    }

    /// The reply that tells it.
    pub fn into_reply(self) -> Reply {
        Reply::new(self.code.value(), self.text)
    }
}

/// Something to do on a thread that may block. The paths are absolute; a job knows no working
/// directory.
#[derive(Clone, Debug)]
pub struct Job {
    /// Permission needed on every path of the action, checked by the job itself; an action whose
    /// paths need different ones says which.
    pub perm: Option<Perm>,
    /// What to do.
    pub action: Action,
}

/// How an upload treats what is there.
///
/// The enum is complete: each driver has to do all of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteHow {
    /// STOR.
    Replace,
    /// APPE.
    Append,
    /// REST and STOR.
    At(u64),
    /// RANG and STOR: an existing file, or a new one from byte 0 on; what comes beyond the range is
    /// refused at the end.
    Within(ByteRange),
    /// STOU.
    Unique,
}

/// The form of a directory listing. Complete: FTP has no other.
#[derive(Clone, Copy, Debug)]
pub enum ListFormat {
    /// LIST, STAT: `ls -l` lines sorted by name.
    Long,
    /// NLST: names, sorted.
    Names,
    /// MLSD: facts, directory order.
    Facts(FactSet),
}

/// What a job does; in brackets the [`Answer`] it is to give.
///
/// The enum is complete: each driver has to do all of them, and to check permissions for them.
#[derive(Clone, Debug)]
pub enum Action {
    /// CWD (`Done`).
    ChangeDirectory(VirtualPath),
    /// SIZE, MDTM, CPFR (`Metadata`; links followed).
    Stat(VirtualPath),
    /// MLST (`Text`: the fact line `facts; path`, path in disk bytes, without leading blank).
    FactLine {
        /// Subject.
        path: VirtualPath,
        /// Facts shown.
        facts: FactSet,
    },
    /// RNFR: refused if nothing is there (`Done`; links not followed).
    Exists(VirtualPath),
    /// A command that changes one thing in the filesystem (`Done`); a copy is work.
    Change(Change),
    /// AVBL (`Space`).
    AvailableSpace(VirtualPath),
    /// HASH and the X forms (`Digest`); work.
    Digest {
        /// File.
        path: VirtualPath,
        /// Used instead, and as a whole, if this is there: numbers after the name were taken for a
        /// range.
        whole: Option<VirtualPath>,
        /// Which bytes; an end past that of the file means the file's. `None` if the numbers are no
        /// range: 501, unless `whole` is there.
        range: Option<ByteRange>,
        /// How.
        algorithm: HashAlgorithm,
    },
    /// COMB (`Combined`): appends the parts to the target, then removes them; work. Takes
    /// [`Perm::Store`] on the target, [`Perm::Retrieve`] and [`Perm::Delete`] on each part. Nothing
    /// has changed if it fails.
    Combine {
        /// Made, if it is not there.
        target: VirtualPath,
        /// At least one.
        parts: Vec<VirtualPath>,
    },
    /// A registered command (`Reply`). The permission is checked at `path`, which a driver may hand
    /// to the command as it was resolved.
    Registered {
        /// Place in [`SessionConfig::commands`](crate::SessionConfig::commands).
        index: usize,
        /// As given, in disk bytes. It may be a password.
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
        /// What is sent of it; an end past that of the file means the file's.
        range: ByteRange,
    },
    /// STOR, APPE, STOU (`Opened`).
    OpenWrite {
        /// File; for `Unique` the directory joined with the prefix.
        path: VirtualPath,
        /// How.
        how: WriteHow,
    },
    /// LIST, NLST, MLSD, STAT (`Opened`). A path that is no directory: LIST, NLST and STAT list the
    /// one entry, MLSD is refused with 501. Where nothing has that name, its last part may be a
    /// [pattern](ftpdlib_proto::NamePattern) for all but MLSD: the entries it matches are listed.
    OpenList {
        /// What to list.
        path: VirtualPath,
        /// The whole argument, with the prefix beside it, when switches were eaten. Used instead
        /// if this is there: for NLST always, for the others if `path` is not there.
        whole: Option<(VirtualPath, Vec<u8>)>,
        /// What stands before the last part of `path` in the argument, as given: NLST gives names
        /// back with it, where they are not those of a directory.
        prefix: Vec<u8>,
        /// Form.
        format: ListFormat,
        /// Encoding of names on the wire at this moment.
        encoding: NameEncoding,
    },
}

/// What a command changes in the filesystem.
///
/// The enum is complete: each driver has to do all of them, and an observer is to miss none. COMB
/// alone is none of them: it changes several files, and not always as many as it is to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A file or directory gets another name: RNTO.
    Rename {
        /// Old name.
        from: VirtualPath,
        /// New name.
        to: VirtualPath,
    },
    /// A file is removed: DELE.
    Remove(VirtualPath),
    /// A directory is made: MKD.
    MakeDirectory(VirtualPath),
    /// A directory is removed: RMD.
    RemoveDirectory(VirtualPath),
    /// At least one of these facts is set: MFF, MFMT, MDTM with a time, SITE UTIME, SITE CHMOD.
    /// Takes [`Perm::ChangeTime`] for the time, [`Perm::ChangeMode`] for the mode.
    SetFacts {
        /// File or directory.
        path: VirtualPath,
        /// Modification time, in seconds since 1970.
        modified: Option<i64>,
        /// Permission bits.
        mode: Option<u32>,
    },
    /// A file is copied into the place of what is there: CPTO, SITE COPY; work. Takes
    /// [`Perm::Retrieve`] on `from`, [`Perm::Store`] on `to`. Nothing has changed if it fails.
    Copy {
        /// File to be read.
        from: VirtualPath,
        /// File to be made.
        to: VirtualPath,
    },
    /// A symbolic link is made: SITE SYMLINK. Takes [`Perm::Store`] on the link.
    Symlink {
        /// Where it leads.
        target: VirtualPath,
        /// Its own name.
        link: VirtualPath,
    },
}

/// What a successful job found.
///
/// The enum is complete: the session acts on all of them.
#[derive(Debug)]
pub enum Answer<P> {
    /// Nothing to tell.
    Done,
    /// Who logged in.
    Login(LoginFacts),
    /// The certificate does not let the user in.
    PasswordNeeded,
    /// Of the path asked for.
    Metadata(Metadata),
    /// A line of text in disk bytes.
    Text(Vec<u8>),
    /// Bytes that may still be stored.
    Space(u64),
    /// A digest, most significant byte first, and of which bytes of the file it is.
    Digest {
        /// The digest.
        digest: Vec<u8>,
        /// Offset of the first byte, and the one after the last.
        range: std::ops::Range<u64>,
    },
    /// The parts are in the target.
    Combined {
        /// The parts that were removed then, by their places.
        removed: Vec<usize>,
        /// What the client is told if others stay.
        refusal: Option<Refusal>,
    },
    /// The reply of a registered command.
    Reply(Reply),
    /// A file or listing, ready for a transfer.
    Opened {
        /// Opaque to the session.
        payload: P,
        /// Bytes that will be sent from the file's start, if known: its whole size.
        size: Option<u64>,
        /// The path really opened (STOU: the name made; listings: the one chosen).
        path: VirtualPath,
    },
}

/// What the session keeps of a login; the driver keeps the rest.
#[derive(Clone, Debug)]
pub struct LoginFacts {
    /// Name.
    pub username: String,
    /// Text of 230; may have several lines.
    pub msg_login: String,
    /// Text of 221; may have several lines.
    pub msg_quit: String,
    /// First working directory.
    pub start_dir: VirtualPath,
    /// The user's own encoding; `None` leaves the one in force.
    pub encoding: Option<NameEncoding>,
    /// What the user may do somewhere: FEAT leaves out what needs other permissions.
    pub perms: Perms,
}

/// How a job ended. A failed login is `Err` with 530 and the text to tell, which is told only after
/// [`SessionConfig::auth_failed_timeout`](crate::SessionConfig::auth_failed_timeout).
pub type JobOutcome<P> = Result<Answer<P>, Refusal>;
