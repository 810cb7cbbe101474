//! The verb table: the single list of commands.
use crate::Perm;

/// Whether a command takes an argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArgumentRule {
    /// 501 without one.
    Required,
    /// Either way.
    Optional,
    /// 501 with one.
    Refused,
}

/// One row of the table.
#[derive(Debug)]
pub struct VerbInfo {
    /// The verb.
    pub verb: Verb,
    /// Its name, upper case; `SITE CHMOD` for sub-commands.
    pub name: &'static str,
    /// Whether the user must have logged in.
    pub login_required: bool,
    /// Permission that guards it.
    pub perm: Option<Perm>,
    /// Argument rule.
    pub argument: ArgumentRule,
    /// Where it is defined, e.g. `RFC 959 §4.1.3`.
    pub rfc: &'static str,
    /// HELP text, `Syntax: RETR <SP> file-name (retrieve a file).`
    pub help: &'static str,
}

/// A command verb.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the table documents each")]
#[non_exhaustive]
pub enum Verb {
    User,
    Pass,
    Acct,
    Quit,
    Rein,
    Noop,
    Syst,
    Feat,
    Opts,
    Help,
    Clnt,
    Pwd,
    Xpwd,
    Cwd,
    Xcwd,
    Cdup,
    Xcup,
    Type,
    Mode,
    Stru,
    Allo,
    Rest,
    Pasv,
    Epsv,
    Port,
    Eprt,
    List,
    Nlst,
    Mlsd,
    Mlst,
    Stat,
    Size,
    Mdtm,
    Mfmt,
    Retr,
    Stor,
    Appe,
    Stou,
    Abor,
    Dele,
    Mkd,
    Xmkd,
    Rmd,
    Xrmd,
    Rnfr,
    Rnto,
    Site,
    SiteHelp,
    SiteChmod,
}

/// The table. Sub-commands of SITE are rows named `SITE X`.
pub fn verbs() -> &'static [VerbInfo] {
    todo!()
}
impl Verb {
    /// Its row.
    pub fn info(self) -> &'static VerbInfo {
        todo!()
    }
    /// By name, case-insensitively.
    pub fn lookup(_name: &[u8]) -> Option<Self> {
        todo!()
    }
}
