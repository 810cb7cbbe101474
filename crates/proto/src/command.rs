//! Command lines to typed commands.
use crate::{CivilTime, FactSet, NameEncoding, Reply, TransferType, Verb};
use std::borrow::Cow;
use std::net::{SocketAddr, SocketAddrV4};

/// A line split into verb and argument, nothing interpreted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommandLine<'a> {
    /// As received. For `SITE x …` this is still `SITE`.
    pub verb: &'a [u8],
    /// After exactly one blank; empty when there is none. Bytes kept, also trailing blanks.
    pub argument: &'a [u8],
}
impl<'a> CommandLine<'a> {
    /// Splits at the first blank.
    pub fn split(_line: &'a [u8]) -> Self {
        todo!()
    }
    /// The verb's row, looking into SITE's argument too; the second value is the argument left.
    /// `SITE` with an unknown sub-command is an error of its own.
    pub fn resolve(&self) -> Result<(Verb, &'a [u8]), CommandError> {
        todo!()
    }
}

/// LIST, NLST, STAT with a path: switches eaten.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ListArgument<'a> {
    /// The path after leading `-switches`; `None` for the working directory.
    pub path: Option<Cow<'a, [u8]>>,
    /// The whole argument where switches were eaten: used if `path` is not there but this is.
    pub whole: Option<Cow<'a, [u8]>>,
}

/// EPSV's argument (RFC 2428 §3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EpsvArgument {
    /// None: the control connection's own protocol.
    Default,
    /// `1`
    Ipv4,
    /// `2`
    Ipv6,
    /// `ALL`
    All,
}

/// A command with its argument parsed. Names are disk bytes, relative to the working directory.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "each variant is the command of its name")]
#[non_exhaustive]
pub enum Command<'a> {
    User(Cow<'a, str>),
    Pass(Cow<'a, str>),
    Acct,
    Quit,
    Rein,
    Noop,
    Syst,
    Feat,
    OptsUtf8(bool),
    OptsMlst(FactSet),
    Help(Option<Cow<'a, str>>),
    Clnt,
    Pwd,
    Cwd(Cow<'a, [u8]>),
    Cdup,
    Type(TransferType),
    Mode,
    Stru,
    Allo,
    Rest(u64),
    Pasv,
    Epsv(EpsvArgument),
    Port(SocketAddrV4),
    Eprt(SocketAddr),
    List(ListArgument<'a>),
    Nlst(ListArgument<'a>),
    Mlsd(Option<Cow<'a, [u8]>>),
    Mlst(Option<Cow<'a, [u8]>>),
    Stat(Option<ListArgument<'a>>),
    Size(Cow<'a, [u8]>),
    Mdtm(Cow<'a, [u8]>),
    Mfmt {
        time: CivilTime,
        path: Cow<'a, [u8]>,
    },
    Retr(Cow<'a, [u8]>),
    Stor(Cow<'a, [u8]>),
    Appe(Cow<'a, [u8]>),
    Stou(Option<Cow<'a, [u8]>>),
    Abor,
    Dele(Cow<'a, [u8]>),
    Mkd(Cow<'a, [u8]>),
    Rmd(Cow<'a, [u8]>),
    Rnfr(Cow<'a, [u8]>),
    Rnto(Cow<'a, [u8]>),
    SiteHelp(Option<Cow<'a, str>>),
    SiteChmod {
        mode: u32,
        path: Cow<'a, [u8]>,
    },
}
impl<'a> Command<'a> {
    /// Parses the argument of `verb`, after checking its argument rule.
    pub fn parse(
        _verb: Verb,
        _argument: &'a [u8],
        _encoding: NameEncoding,
    ) -> Result<Self, CommandError> {
        todo!()
    }
}

/// Why a command line was refused before any session state was consulted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The verb is not in the table (500).
    #[error("command {verb:?} not understood")]
    UnknownVerb {
        /// As received, upper-cased, control characters escaped, at most 32 characters.
        verb: String,
    },
    // … the implementer adds: MissingArgument 501, UnexpectedArgument 501, Encoding 501,
    // HostPort 501, Eprt 501/522, Type 504, Mode 504, Structure 504, Number 501, Time 501,
    // UnknownOption 501, Mode bits 501 …
}
impl CommandError {
    /// The reply that reports it.
    pub fn reply(&self) -> Reply {
        todo!()
    }
}
