//! Command lines to typed commands.

mod argument;
mod error;
mod line;
mod security;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::{SocketAddr, SocketAddrV4};

use crate::{
    ArgumentRule, CivilTime, FactSet, NameEncoding, TransferType, Verb, parse_eprt, parse_host_port,
};

pub use argument::{EpsvArgument, ListArgument};
pub use error::CommandError;
pub use line::CommandLine;
pub use security::{AuthMechanism, ProtectionLevel};

/// A command with its argument parsed.
///
/// Names are disk bytes, as seen from the working directory, with every blank the client sent.
/// Parsing allocates nothing for UTF-8 names without escapes.
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
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `USER`: the user's name.
    User(Cow<'a, str>),
    /// `PASS`: the password, every blank kept; empty if there is none.
    Pass(Cow<'a, str>),
    /// `CWD`, `XCWD`: a directory, the root if the client named none (as in pyftpdlib).
    Cwd(Cow<'a, [u8]>),
    /// `CDUP`, `XCUP`
    Cdup,
    /// `REIN`
    Rein,
    /// `QUIT`
    Quit,
    /// `AUTH`: how the control connection is to be secured.
    Auth(AuthMechanism),
    /// `PBSZ`: a size, checked and dropped.
    Pbsz,
    /// `PROT`: the protection of data connections.
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
    /// `TYPE`. `L 8` is image type; `L 7` and the forms of `A` and `I` with a format, ASCII and
    /// image.
    Type(TransferType),
    /// `STRU F`, the only structure offered.
    Stru,
    /// `MODE S`, the only mode offered.
    Mode,
    /// `RETR`: a file.
    Retr(Cow<'a, [u8]>),
    /// `STOR`: a file.
    Stor(Cow<'a, [u8]>),
    /// `STOU`: what the new name begins with, if the client cares.
    Stou(Option<Cow<'a, [u8]>>),
    /// `APPE`: a file.
    Appe(Cow<'a, [u8]>),
    /// `ALLO`, its numbers checked and dropped.
    Allo,
    /// `REST`: the restart offset, in bytes.
    Rest(u64),
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
    /// `MLSD`: a directory, the working directory if none.
    Mlsd(Option<Cow<'a, [u8]>>),
    /// `MLST`: an entry, the working directory if none.
    Mlst(Option<Cow<'a, [u8]>>),
    /// `SIZE`: a file.
    Size(Cow<'a, [u8]>),
    /// `MDTM`: an entry.
    Mdtm(Cow<'a, [u8]>),
    /// `MFMT`
    Mfmt {
        /// The new modification time, in the zone the session uses.
        time: CivilTime,
        /// The entry.
        path: Cow<'a, [u8]>,
    },
    /// `SITE HELP`: the sub-command asked about.
    SiteHelp(Option<Cow<'a, str>>),
    /// `SITE CHMOD`
    SiteChmod {
        /// The new mode, `0o7777` at most.
        mode: u32,
        /// The entry.
        path: Cow<'a, [u8]>,
    },
    /// `SYST`
    Syst,
    /// `STAT`: what to list, or the session's state if none.
    Stat(Option<ListArgument<'a>>),
    /// `FEAT`
    Feat,
    /// `OPTS UTF8`: on, also if the client does not say; or off.
    OptsUtf8(bool),
    /// `OPTS MLST`: the facts chosen.
    OptsMlst(FactSet),
    /// `CLNT`, its argument dropped.
    Clnt,
    /// `HELP`: the command asked about, to be looked up as a [`Verb`].
    Help(Option<Cow<'a, str>>),
    /// `NOOP`
    Noop,
}

impl<'a> Command<'a> {
    /// Parses the argument of `verb`, after checking its argument rule.
    ///
    /// `argument` is what [`CommandLine::resolve`] left. Blanks around an argument that is no name
    /// and no password do not matter.
    ///
    /// # Errors
    ///
    /// The [`CommandError`] of what is wrong with the argument; [`CommandError::UnknownVerb`] and
    /// [`CommandError::UnknownSiteCommand`] come for [`Verb::Site`] only.
    pub fn parse(
        verb: Verb,
        argument: &'a [u8],
        encoding: NameEncoding,
    ) -> Result<Self, CommandError> {
        let argument = if keeps_blanks(verb) {
            argument
        } else {
            argument.trim_ascii()
        };
        match verb.info().argument {
            ArgumentRule::Required if argument.is_empty() => {
                return Err(CommandError::MissingArgument);
            }
            ArgumentRule::Refused if !argument.is_empty() => {
                return Err(CommandError::UnexpectedArgument);
            }
            ArgumentRule::Required | ArgumentRule::Optional | ArgumentRule::Refused => {}
        }
        let name = || encoding.decode_name(argument);
        let name_if_any = || {
            if argument.is_empty() {
                Ok(None)
            } else {
                name().map(Some)
            }
        };
        let text = || encoding.decode_text(argument);
        let text_if_any = || {
            if argument.is_empty() {
                Ok(None)
            } else {
                text().map(Some)
            }
        };
        Ok(match verb {
            Verb::User => Self::User(text()?),
            Verb::Pass => Self::Pass(text()?),
            Verb::Cwd | Verb::Xcwd if argument.is_empty() => Self::Cwd(Cow::Borrowed(b"/")),
            Verb::Cwd | Verb::Xcwd => Self::Cwd(name()?),
            Verb::Cdup | Verb::Xcup => Self::Cdup,
            Verb::Rein => Self::Rein,
            Verb::Quit => Self::Quit,
            Verb::Auth => Self::Auth(AuthMechanism::parse(argument)?),
            Verb::Pbsz => {
                argument::parse_number(argument)?;
                Self::Pbsz
            }
            Verb::Prot => Self::Prot(ProtectionLevel::parse(argument)?),
            Verb::Ccc => Self::Ccc,
            Verb::Port => Self::Port(parse_host_port(argument)?),
            Verb::Pasv => Self::Pasv,
            Verb::Eprt => Self::Eprt(parse_eprt(argument)?),
            Verb::Epsv => Self::Epsv(EpsvArgument::parse(argument)?),
            Verb::Type => Self::Type(argument::parse_type(argument)?),
            Verb::Stru if argument.eq_ignore_ascii_case(b"F") => Self::Stru,
            Verb::Stru => return Err(CommandError::Structure),
            Verb::Mode if argument.eq_ignore_ascii_case(b"S") => Self::Mode,
            Verb::Mode => return Err(CommandError::Mode),
            Verb::Retr => Self::Retr(name()?),
            Verb::Stor => Self::Stor(name()?),
            Verb::Stou => Self::Stou(name_if_any()?),
            Verb::Appe => Self::Appe(name()?),
            Verb::Allo => {
                argument::check_allo(argument)?;
                Self::Allo
            }
            Verb::Rest => Self::Rest(argument::parse_number(argument)?),
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
            Verb::Mdtm => Self::Mdtm(name()?),
            Verb::Mfmt => {
                let (time, path) = argument::split_name(argument)?;
                let time = CivilTime::parse_compact(time)?;
                Self::Mfmt {
                    time,
                    path: encoding.decode_name(path)?,
                }
            }
            Verb::Site => {
                let (verb, argument) = line::resolve_site(argument)?;
                return Self::parse(verb, argument, encoding);
            }
            Verb::SiteHelp => Self::SiteHelp(text_if_any()?),
            Verb::SiteChmod => {
                let (mode, path) = argument::split_name(argument)?;
                let mode = argument::parse_mode(mode)?;
                Self::SiteChmod {
                    mode,
                    path: encoding.decode_name(path)?,
                }
            }
            Verb::Syst => Self::Syst,
            Verb::Stat if argument.trim_ascii().is_empty() => Self::Stat(None),
            Verb::Stat => Self::Stat(Some(ListArgument::parse(argument, encoding)?)),
            Verb::Feat => Self::Feat,
            Verb::Opts => argument::parse_opts(argument)?,
            Verb::Clnt => Self::Clnt,
            Verb::Help => Self::Help(text_if_any()?),
            Verb::Noop => Self::Noop,
        })
    }
}

/// Whether blanks around the argument are part of it: it is a name, ends with one, or is a secret.
fn keeps_blanks(verb: Verb) -> bool {
    match verb {
        Verb::Pass
        | Verb::Cwd
        | Verb::Xcwd
        | Verb::Retr
        | Verb::Stor
        | Verb::Stou
        | Verb::Appe
        | Verb::Rnfr
        | Verb::Rnto
        | Verb::Dele
        | Verb::Rmd
        | Verb::Xrmd
        | Verb::Mkd
        | Verb::Xmkd
        | Verb::List
        | Verb::Nlst
        | Verb::Mlsd
        | Verb::Mlst
        | Verb::Size
        | Verb::Mdtm
        | Verb::Mfmt
        | Verb::Site
        | Verb::SiteChmod
        | Verb::Stat => true,
        Verb::User
        | Verb::Cdup
        | Verb::Xcup
        | Verb::Rein
        | Verb::Quit
        | Verb::Auth
        | Verb::Pbsz
        | Verb::Prot
        | Verb::Ccc
        | Verb::Port
        | Verb::Pasv
        | Verb::Eprt
        | Verb::Epsv
        | Verb::Type
        | Verb::Stru
        | Verb::Mode
        | Verb::Allo
        | Verb::Rest
        | Verb::Abor
        | Verb::Pwd
        | Verb::Xpwd
        | Verb::SiteHelp
        | Verb::Syst
        | Verb::Feat
        | Verb::Opts
        | Verb::Clnt
        | Verb::Help
        | Verb::Noop => false,
    }
}
