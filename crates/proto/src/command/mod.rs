//! Parses command lines into typed commands.

mod argument;
mod error;
mod line;
mod names;
mod security;
#[cfg(test)]
mod tests;
mod times;

use std::borrow::Cow;
use std::net::{SocketAddr, SocketAddrV4};

use crate::{
    ArgumentRule, ByteRange, CivilTime, FactSet, HashAlgorithm, NameEncoding, TransferType, Verb,
    parse_eprt, parse_host_port,
};

pub use argument::{EpsvArgument, ListArgument};
pub use error::CommandError;
pub use line::CommandLine;
pub use names::DigestArgument;
pub use security::{AuthMechanism, ProtectionLevel};
pub use times::FactChange;

/// A command with its argument parsed.
///
/// Names are disk bytes, relative to the working directory, with every blank that the client sent.
/// Parsing does not allocate for UTF-8 names without escapes.
///
/// # Examples
///
/// ```
/// # use ftpdlib_proto::{Command, CommandLine, NameEncoding};
/// let (verb, argument) = CommandLine::split(b"retr my file.txt").resolve()?;
/// let command = Command::parse(verb, argument, NameEncoding::UTF_8)?;
/// assert_eq!(command, Command::Retr(b"my file.txt".into()));
/// # Ok::<(), ftpdlib_proto::CommandError>(())
/// ```
///
/// The enum is complete: a session has to answer every command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command<'a> {
    /// `USER`: the user's name.
    User(Cow<'a, str>),
    /// `PASS`: the password, every blank kept; empty if there is none.
    Pass(Cow<'a, str>),
    /// `ACCT`. Its argument is dropped: it may be a secret, and no login needs it.
    Acct,
    /// `CWD`, `XCWD`: a directory; the root if the client named none, as in pyftpdlib.
    Cwd(Cow<'a, [u8]>),
    /// `CDUP`, `XCUP`
    Cdup,
    /// `REIN`
    Rein,
    /// `QUIT`
    Quit,
    /// `AUTH`: the mechanism to secure the control connection with.
    Auth(AuthMechanism),
    /// `PBSZ`. Its size, a number of 32 bits, is checked and dropped.
    Pbsz,
    /// `PROT`: the protection level of data connections.
    Prot(ProtectionLevel),
    /// `CCC`
    Ccc,
    /// `PORT`: where the client listens.
    Port(SocketAddrV4),
    /// `PASV`
    Pasv,
    /// `EPRT`: where the client listens.
    Eprt(SocketAddr),
    /// `EPSV`
    Epsv(EpsvArgument),
    /// `TYPE`. `L 8` is image type, and `L 7` is ASCII; `A` and `I` may be followed by a format.
    Type(TransferType),
    /// `STRU F`, the only structure offered.
    Stru,
    /// `MODE S`, the only mode offered.
    Mode,
    /// `RETR`: a file.
    Retr(Cow<'a, [u8]>),
    /// `STOR`: a file.
    Stor(Cow<'a, [u8]>),
    /// `STOU`: the beginning of the new name, if the client gave one.
    Stou(Option<Cow<'a, [u8]>>),
    /// `APPE`: a file.
    Appe(Cow<'a, [u8]>),
    /// `ALLO`. Its argument is dropped: nothing is allocated, so it cannot be wrong.
    Allo,
    /// `REST`: the restart offset, in bytes.
    Rest(u64),
    /// `RANG`: the bytes of the next transfer; all of them for `1 0`.
    Rang(ByteRange),
    /// `RNFR`: the old name.
    Rnfr(Cow<'a, [u8]>),
    /// `RNTO`: the new name.
    Rnto(Cow<'a, [u8]>),
    /// `ABOR`
    Abor,
    /// `DELE`: a file.
    Dele(Cow<'a, [u8]>),
    /// `RMD`, `XRMD`: a directory.
    Rmd(Cow<'a, [u8]>),
    /// `MKD`, `XMKD`: a directory.
    Mkd(Cow<'a, [u8]>),
    /// `PWD`, `XPWD`
    Pwd,
    /// `LIST`
    List(ListArgument<'a>),
    /// `NLST`
    Nlst(ListArgument<'a>),
    /// `MLSD`: a directory, by default the working directory.
    Mlsd(Option<Cow<'a, [u8]>>),
    /// `MLST`: an entry, by default the working directory.
    Mlst(Option<Cow<'a, [u8]>>),
    /// `SIZE`: a file.
    Size(Cow<'a, [u8]>),
    /// `MDTM`: an entry.
    Mdtm(Cow<'a, [u8]>),
    /// `MDTM` with a time before the name: old clients set the time in this way.
    MdtmSet {
        /// The new modification time, in the zone of the session.
        time: CivilTime,
        /// The entry.
        path: Cow<'a, [u8]>,
        /// The whole argument: if an entry has this name, the client asks for its time.
        whole: Cow<'a, [u8]>,
    },
    /// `MFMT`
    Mfmt {
        /// The new modification time, in the zone of the session.
        time: CivilTime,
        /// The entry.
        path: Cow<'a, [u8]>,
    },
    /// `MFF`
    Mff {
        /// The facts to set, at least one.
        change: FactChange,
        /// The entry.
        path: Cow<'a, [u8]>,
    },
    /// `AVBL`: a directory, by default the working directory.
    Avbl(Option<Cow<'a, [u8]>>),
    /// `HASH`: a file.
    Hash(Cow<'a, [u8]>),
    /// `XCRC`, `XMD5`, `XSHA`, `XSHA1`, `XSHA256`, `XSHA512`
    Digest {
        /// The algorithm.
        algorithm: HashAlgorithm,
        /// The file and the range.
        argument: DigestArgument<'a>,
    },
    /// `COMB`
    Comb {
        /// The file to append the parts to.
        target: Cow<'a, [u8]>,
        /// The parts, at least one.
        parts: Vec<Cow<'a, [u8]>>,
    },
    /// `CPFR`, `SITE CPFR`: the file to copy.
    Cpfr(Cow<'a, [u8]>),
    /// `CPTO`, `SITE CPTO`: the copy's name.
    Cpto(Cow<'a, [u8]>),
    /// `SITE HELP`: the sub-command asked about.
    SiteHelp(Option<Cow<'a, str>>),
    /// `SITE CHMOD`
    SiteChmod {
        /// The new mode, at most `0o7777`.
        mode: u32,
        /// The entry.
        path: Cow<'a, [u8]>,
    },
    /// `SITE UTIME`
    SiteUtime {
        /// The new modification time.
        time: CivilTime,
        /// Whether the client says that the time is in UTC, rather than in the zone of the session.
        utc: bool,
        /// The entry.
        path: Cow<'a, [u8]>,
    },
    /// `SITE SYMLINK`
    SiteSymlink {
        /// Where the link leads.
        target: Cow<'a, [u8]>,
        /// The link's own name.
        link: Cow<'a, [u8]>,
    },
    /// `SITE COPY`
    SiteCopy {
        /// The file to copy.
        from: Cow<'a, [u8]>,
        /// The copy's name.
        to: Cow<'a, [u8]>,
    },
    /// `SITE MKDIR`: a directory.
    SiteMkdir(Cow<'a, [u8]>),
    /// `SITE RMDIR`: a directory.
    SiteRmdir(Cow<'a, [u8]>),
    /// `SYST`
    Syst,
    /// `STAT`: what to list; `None` asks for the state of the session.
    Stat(Option<ListArgument<'a>>),
    /// `FEAT`
    Feat,
    /// `OPTS UTF8`: on, which is the default, or off.
    OptsUtf8(bool),
    /// `OPTS MLST`: the facts chosen.
    OptsMlst(FactSet),
    /// `OPTS HASH`: the algorithm chosen; `None` asks for the current one.
    OptsHash(Option<HashAlgorithm>),
    /// `HOST`: the name, in lower case; an IPv6 address without its brackets.
    Host(String),
    /// `LANG`; only English is accepted.
    Lang,
    /// `CSID`. Its argument is dropped.
    Csid,
    /// `CLNT`. Its argument is dropped.
    Clnt,
    /// `HELP`: the command asked about, to be looked up with [`Verb::lookup`].
    Help(Option<Cow<'a, str>>),
    /// `NOOP`
    Noop,
}

impl<'a> Command<'a> {
    /// Parses the argument of `verb`, after checking its argument rule.
    ///
    /// `argument` is what [`CommandLine::resolve`] returned. Blanks around it are ignored, unless
    /// it contains a name or a password.
    ///
    /// # Errors
    ///
    /// A [`CommandError`] that says what is wrong with the argument. [`CommandError::UnknownVerb`]
    /// and [`CommandError::UnknownSiteCommand`] are returned for [`Verb::Site`] only.
    pub fn parse(
        verb: Verb,
        argument: &'a [u8],
        encoding: NameEncoding,
    ) -> Result<Self, CommandError> {
        let info = verb.info();
        let argument = if info.keeps_blanks {
            argument
        } else {
            argument.trim_ascii()
        };
        match info.argument {
            ArgumentRule::Required if argument.is_empty() => Err(CommandError::MissingArgument),
            ArgumentRule::Refused if !argument.is_empty() => Err(CommandError::UnexpectedArgument),
            ArgumentRule::Required | ArgumentRule::Optional | ArgumentRule::Refused => {
                Self::parse_argument(verb, argument, encoding)
            }
        }
    }

    /// Parses an argument that complies with the verb's argument rule, one verb a line.
    fn parse_argument(
        verb: Verb,
        argument: &'a [u8],
        encoding: NameEncoding,
    ) -> Result<Self, CommandError> {
        let given = !argument.is_empty();
        let name = || encoding.decode_name(argument);
        let name_if_any = || given.then(name).transpose();
        let text = || encoding.decode_text(argument);
        let text_if_any = || given.then(text).transpose();
        let is = |letter: &[u8]| argument.eq_ignore_ascii_case(letter);
        let digest = |algorithm| names::parse_digest(algorithm, argument, encoding);
        Ok(match verb {
            Verb::User => Self::User(text()?),
            Verb::Pass => Self::Pass(text()?),
            Verb::Acct => Self::Acct,
            Verb::Cwd | Verb::Xcwd if given => Self::Cwd(name()?),
            Verb::Cwd | Verb::Xcwd => Self::Cwd(Cow::Borrowed(b"/")),
            Verb::Cdup | Verb::Xcup => Self::Cdup,
            Verb::Rein => Self::Rein,
            Verb::Quit => Self::Quit,
            Verb::Auth => Self::Auth(AuthMechanism::parse(argument)?),
            Verb::Pbsz => security::parse_buffer_size(argument)?,
            Verb::Prot => Self::Prot(ProtectionLevel::parse(argument)?),
            Verb::Ccc => Self::Ccc,
            Verb::Port => Self::Port(parse_host_port(argument)?),
            Verb::Pasv => Self::Pasv,
            Verb::Eprt => Self::Eprt(parse_eprt(argument)?),
            Verb::Epsv => Self::Epsv(EpsvArgument::parse(argument)?),
            Verb::Type => Self::Type(argument::parse_type(argument)?),
            Verb::Stru if is(b"F") => Self::Stru,
            Verb::Stru if is(b"P") || is(b"R") => return Err(CommandError::Structure),
            Verb::Stru => return Err(CommandError::UnknownStructure),
            Verb::Mode if is(b"S") => Self::Mode,
            Verb::Mode if is(b"B") || is(b"C") => return Err(CommandError::Mode),
            Verb::Mode => return Err(CommandError::UnknownMode),
            Verb::Retr => Self::Retr(name()?),
            Verb::Stor => Self::Stor(name()?),
            Verb::Stou => Self::Stou(name_if_any()?),
            Verb::Appe => Self::Appe(name()?),
            Verb::Allo => Self::Allo,
            Verb::Rest => Self::Rest(argument::parse_number(argument)?),
            Verb::Rang => Self::Rang(argument::parse_rang(argument)?),
            Verb::Rnfr => Self::Rnfr(name()?),
            Verb::Rnto => Self::Rnto(name()?),
            Verb::Abor => Self::Abor,
            Verb::Dele => Self::Dele(name()?),
            Verb::Rmd | Verb::Xrmd => Self::Rmd(name()?),
            Verb::Mkd | Verb::Xmkd => Self::Mkd(name()?),
            Verb::Pwd | Verb::Xpwd => Self::Pwd,
            Verb::List => Self::List(ListArgument::parse(argument, encoding)?),
            Verb::Nlst => Self::Nlst(ListArgument::parse(argument, encoding)?),
            Verb::Mlsd => Self::Mlsd(name_if_any()?),
            Verb::Mlst => Self::Mlst(name_if_any()?),
            Verb::Size => Self::Size(name()?),
            Verb::Mdtm => times::parse_mdtm(argument, encoding)?,
            Verb::Mfmt => times::parse_mfmt(argument, encoding)?,
            Verb::Mff => times::parse_mff(argument, encoding)?,
            Verb::Avbl => Self::Avbl(name_if_any()?),
            Verb::Hash => Self::Hash(name()?),
            Verb::Xcrc => digest(HashAlgorithm::Crc32)?,
            Verb::Xmd5 => digest(HashAlgorithm::Md5)?,
            Verb::Xsha | Verb::Xsha1 => digest(HashAlgorithm::Sha1)?,
            Verb::Xsha256 => digest(HashAlgorithm::Sha256)?,
            Verb::Xsha512 => digest(HashAlgorithm::Sha512)?,
            Verb::Comb => names::parse_comb(argument, encoding)?,
            Verb::Cpfr | Verb::SiteCpfr => Self::Cpfr(name()?),
            Verb::Cpto | Verb::SiteCpto => Self::Cpto(name()?),
            Verb::Site => {
                let (verb, argument) = line::resolve_site(argument)?;
                return Self::parse(verb, argument, encoding);
            }
            Verb::SiteHelp => Self::SiteHelp(text_if_any()?),
            Verb::SiteChmod => argument::parse_site_chmod(argument, encoding)?,
            Verb::SiteUtime => times::parse_site_utime(argument, encoding)?,
            Verb::SiteSymlink => names::parse_site_symlink(argument, encoding)?,
            Verb::SiteCopy => names::parse_site_copy(argument, encoding)?,
            Verb::SiteMkdir => Self::SiteMkdir(name()?),
            Verb::SiteRmdir => Self::SiteRmdir(name()?),
            Verb::Syst => Self::Syst,
            Verb::Stat if argument.trim_ascii().is_empty() => Self::Stat(None),
            Verb::Stat => Self::Stat(Some(ListArgument::parse(argument, encoding)?)),
            Verb::Feat => Self::Feat,
            Verb::Opts => argument::parse_opts(argument)?,
            Verb::Host => Self::Host(argument::parse_host(argument)?),
            Verb::Lang if argument::is_english(argument) => Self::Lang,
            Verb::Lang => return Err(CommandError::Language),
            Verb::Csid => Self::Csid,
            Verb::Clnt => Self::Clnt,
            Verb::Help => Self::Help(text_if_any()?),
            Verb::Noop => Self::Noop,
        })
    }
}
