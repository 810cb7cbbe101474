//! The verb table: the single list of commands.

use crate::{Perm, Perms, TransferDirection, Transferred};

/// Whether a command takes an argument.
///
/// The enum is complete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArgumentRule {
    /// Required: 501 without an argument.
    Required,
    /// Optional.
    Optional,
    /// Refused: 501 with an argument.
    Refused,
}

/// One row of the verb table.
#[derive(Debug)]
pub struct VerbInfo {
    /// The verb.
    pub verb: Verb,
    /// Its name, upper case; `SITE CHMOD` for a sub-command.
    pub name: &'static str,
    /// Whether the user must have logged in.
    pub login_required: bool,
    /// The permission that it needs.
    pub perm: Option<Perm>,
    /// Permissions that it may also need: on its other paths, as `COMB` does on the parts, or
    /// depending on its argument, as `MDTM` does with a time.
    pub more_perms: Perms,
    /// Whether it takes an argument.
    pub argument: ArgumentRule,
    /// Whether logs report its outcome, as pyftpdlib's do for some commands.
    pub logged: bool,
    /// Whether the server's owner cannot replace the command, not even by one that refuses it: the
    /// login, TLS, the end of a transfer or of the session, and all `SITE` commands depend on it.
    pub reserved: bool,
    /// Whether blanks around the argument belong to it: it is a name, ends with one, or is a
    /// secret.
    pub(crate) keeps_blanks: bool,
    /// Where the command is defined, e.g. `RFC 959 §4.1.3`.
    pub rfc: &'static str,
    /// The text of `HELP`, e.g. `Syntax: RETR <SP> file-name (retrieve a file).`
    pub help: &'static str,
    /// Its line in `FEAT` (RFC 2389 §3.2), e.g. `REST STREAM`, up to the part that differs between
    /// sessions, which `HASH`, `MFF` and `MLST` have. `None` if it is not listed.
    pub feature: Option<&'static str>,
}

impl Verb {
    /// Looks up a verb by its name, in any case; `SITE CHMOD` for a sub-command.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ftpdlib_proto::Verb;
    /// assert_eq!(Verb::lookup(b"retr"), Some(Verb::Retr));
    /// assert_eq!(Verb::lookup(b"SITE chmod"), Some(Verb::SiteChmod));
    /// assert_eq!(Verb::lookup(b"EVIL"), None);
    /// ```
    pub fn lookup(name: &[u8]) -> Option<Self> {
        match pack(name) {
            Some(key) => Self::by_key(key),
            None => Self::lookup_sub_command(name.split_at_checked(SITE.len())?),
        }
    }

    /// Looks up a sub-command of `SITE` by its name, in any case.
    pub(crate) fn lookup_site(sub_command: &[u8]) -> Option<Self> {
        let is_named = |info: &&VerbInfo| {
            let name = info.name.strip_prefix(SITE);
            name.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(sub_command))
        };
        verbs().iter().find(is_named).map(|info| info.verb)
    }

    /// Its row in the verb table.
    pub fn info(self) -> &'static VerbInfo {
        // The macro writes variants and rows in the same order.
        &verbs()[self as usize]
    }

    /// The command of which this verb is another name, as `MKD` is for `XMKD` and `SITE MKDIR`;
    /// otherwise the verb itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ftpdlib_proto::Verb;
    /// assert_eq!(Verb::Xcwd.primary(), Verb::Cwd);
    /// assert_eq!(Verb::Cwd.primary(), Verb::Cwd);
    /// ```
    pub fn primary(self) -> Self {
        match self {
            Self::Xcwd => Self::Cwd,
            Self::Xcup => Self::Cdup,
            Self::Xrmd | Self::SiteRmdir => Self::Rmd,
            Self::Xmkd | Self::SiteMkdir => Self::Mkd,
            Self::Xpwd => Self::Pwd,
            Self::SiteCpfr => Self::Cpfr,
            Self::SiteCpto => Self::Cpto,
            other => other,
        }
    }

    /// What the command moves over the data connection; `None` if it uses none. STAT is such a
    /// command, as its listing goes over the control connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ftpdlib_proto::{TransferDirection, Transferred, Verb};
    /// let upload = Transferred::File(TransferDirection::Upload);
    /// assert_eq!(Verb::Stor.transfers(), Some(upload));
    /// assert_eq!(Verb::Mlsd.transfers(), Some(Transferred::Listing));
    /// assert_eq!(Verb::Mlst.transfers(), None);
    /// ```
    pub fn transfers(self) -> Option<Transferred> {
        match self {
            Self::Retr => Some(Transferred::File(TransferDirection::Download)),
            Self::Stor | Self::Appe | Self::Stou => {
                Some(Transferred::File(TransferDirection::Upload))
            }
            Self::List | Self::Nlst | Self::Mlsd => Some(Transferred::Listing),
            _ => None,
        }
    }

    fn lookup_sub_command((site, sub_command): (&[u8], &[u8])) -> Option<Self> {
        site.eq_ignore_ascii_case(SITE.as_bytes())
            .then(|| Self::lookup_site(sub_command))
            .flatten()
    }
}

const SITE: &str = "SITE ";

/// Length of the longest verb, apart from sub-commands, which are all longer.
const MAX_NAME: usize = 8;

/// Packs a name in upper case into one number, so that a look-up compares numbers. Returns `None`
/// for what cannot be a verb.
const fn pack(name: &[u8]) -> Option<u64> {
    if name.len() > MAX_NAME {
        return None;
    }
    let mut key = [0; MAX_NAME];
    let mut place = 0;
    while place < name.len() {
        // Shorter names are padded with zeros.
        if name[place] == 0 {
            return None;
        }
        key[place] = name[place].to_ascii_uppercase();
        place += 1;
    }
    Some(u64::from_ne_bytes(key))
}

/// Generates the enum, its rows and the look-up of names from one list. A row consists of: variant,
/// name, who may use it (`anyone` or a logged-in `user`), the permission that it needs (`_` for
/// none; with further ones that it may need in brackets), argument rule, whether blanks around the
/// argument are `kept`, whether it is `reserved` or `logged`, definition, help text, and its line
/// in `FEAT`, if any.
macro_rules! verb_table {
    ($(
        $variant:ident $name:literal $login:ident $perm:tt $argument:ident $blanks:ident
            $($flag:ident)* $rfc:literal $help:literal $(feature $feature:literal)?;
    )*) => {
        /// A command verb, or a sub-command of `SITE`.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Verb {
            $(
                #[doc = concat!("`", $name, "`: ", $rfc, ".")]
                $variant,
            )*
        }

        /// The table. Sub-commands of `SITE` are rows named `SITE X`.
        pub const fn verbs() -> &'static [VerbInfo] {
            const { &[$(VerbInfo {
                verb: Verb::$variant,
                name: $name,
                login_required: verb_table!(@login $login),
                perm: verb_table!(@perm $perm),
                more_perms: verb_table!(@more $perm),
                argument: ArgumentRule::$argument,
                logged: false $(|| verb_table!(@logged $flag))*,
                reserved: false $(|| verb_table!(@reserved $flag))*,
                keeps_blanks: verb_table!(@blanks $blanks),
                rfc: $rfc,
                help: $help,
                feature: verb_table!(@feature $($feature)?),
            }),*] }
        }

        impl Verb {
            fn by_key(key: u64) -> Option<Self> {
                $(if Some(key) == const { pack($name.as_bytes()) } {
                    return Some(Self::$variant);
                })*
                None
            }
        }
    };
    (@login anyone) => { false };
    (@login user) => { true };
    (@blanks kept) => { true };
    (@blanks trimmed) => { false };
    (@logged logged) => { true };
    (@logged reserved) => { false };
    (@reserved reserved) => { true };
    (@reserved logged) => { false };
    (@perm _) => { None };
    (@perm $perm:ident) => { Some(Perm::$perm) };
    (@perm ($perm:ident $($more:ident)+)) => { Some(Perm::$perm) };
    (@more ($perm:ident $($more:ident)+)) => { Perms::of(&[$(Perm::$more),+]) };
    (@more $perm:tt) => { Perms::NONE };
    (@feature) => { None };
    (@feature $feature:literal) => { Some($feature) };
}

verb_table! {
    User "USER" anyone _ Required trimmed reserved "RFC 959 §4.1.1"
        "Syntax: USER <SP> user-name (begin a login).";
    Pass "PASS" anyone _ Optional kept reserved "RFC 959 §4.1.1"
        "Syntax: PASS [<SP> password] (finish a login).";
    Acct "ACCT" anyone _ Required trimmed "RFC 959 §4.1.1"
        "Syntax: ACCT <SP> account (needless here).";
    Cwd "CWD" user ChangeDir Optional kept logged "RFC 959 §4.1.1"
        "Syntax: CWD [<SP> dir-name] (change the working directory).";
    Xcwd "XCWD" user ChangeDir Optional kept logged "RFC 775"
        "Syntax: XCWD [<SP> dir-name] (older name of CWD).";
    Cdup "CDUP" user ChangeDir Refused trimmed "RFC 959 §4.1.1"
        "Syntax: CDUP (go to the parent directory).";
    Xcup "XCUP" user ChangeDir Refused trimmed "RFC 775"
        "Syntax: XCUP (older name of CDUP).";
    Rein "REIN" anyone _ Refused trimmed reserved logged "RFC 959 §4.1.1"
        "Syntax: REIN (log out, keep the connection).";
    Quit "QUIT" anyone _ Refused trimmed reserved "RFC 959 §4.1.1"
        "Syntax: QUIT (end the session).";
    Auth "AUTH" anyone _ Required trimmed reserved "RFC 2228 §3"
        "Syntax: AUTH <SP> TLS (secure the control connection)."
        feature "AUTH TLS";
    Pbsz "PBSZ" anyone _ Required trimmed reserved "RFC 4217 §9"
        "Syntax: PBSZ <SP> 0 (comes before PROT; means nothing with TLS)."
        feature "PBSZ";
    Prot "PROT" anyone _ Required trimmed reserved "RFC 4217 §9"
        "Syntax: PROT <SP> C|P (data connections in the clear, or private)."
        feature "PROT";
    Ccc "CCC" anyone _ Refused trimmed reserved "RFC 4217 §5"
        "Syntax: CCC (go back to the clear; refused here).";
    Port "PORT" user _ Required trimmed "RFC 959 §4.1.2"
        "Syntax: PORT <SP> h1,h2,h3,h4,p1,p2 (tell where the server may connect to).";
    Pasv "PASV" user _ Refused trimmed "RFC 959 §4.1.2"
        "Syntax: PASV (ask where to connect to).";
    Eprt "EPRT" user _ Required trimmed "RFC 2428 §2"
        "Syntax: EPRT <SP> |protocol|address|port| (PORT for IPv4 and IPv6)."
        feature "EPRT";
    Epsv "EPSV" user _ Optional trimmed "RFC 2428 §3"
        "Syntax: EPSV [<SP> protocol|\"ALL\"] (PASV for IPv4 and IPv6)."
        feature "EPSV";
    Type "TYPE" user _ Required trimmed "RFC 959 §4.1.2"
        "Syntax: TYPE <SP> A|I (choose ASCII or binary transfers).";
    Stru "STRU" user _ Required trimmed "RFC 959 §4.1.2"
        "Syntax: STRU <SP> F (choose the file structure; there is one).";
    Mode "MODE" user _ Required trimmed "RFC 959 §4.1.2"
        "Syntax: MODE <SP> S (choose the transfer mode; there is one).";
    Retr "RETR" user Retrieve Required kept "RFC 959 §4.1.3"
        "Syntax: RETR <SP> file-name (retrieve a file).";
    Stor "STOR" user Store Required kept "RFC 959 §4.1.3"
        "Syntax: STOR <SP> file-name (store a file).";
    Stou "STOU" user Store Optional kept "RFC 959 §4.1.3"
        "Syntax: STOU [<SP> name-prefix] (store a file under a name of its own).";
    Appe "APPE" user Append Required kept "RFC 959 §4.1.3"
        "Syntax: APPE <SP> file-name (append to a file).";
    Allo "ALLO" user _ Required trimmed "RFC 959 §4.1.3"
        "Syntax: ALLO <SP> bytes [<SP> R <SP> bytes] (announce a size; needless here).";
    Rest "REST" user _ Required trimmed "RFC 3659 §5"
        "Syntax: REST <SP> offset (begin the next transfer at an offset)."
        feature "REST STREAM";
    Rang "RANG" user _ Required trimmed "draft-bryan-ftp-range"
        "Syntax: RANG <SP> first <SP> last (choose the bytes of the next transfer or HASH)."
        feature "RANG STREAM";
    Rnfr "RNFR" user Rename Required kept logged "RFC 959 §4.1.3"
        "Syntax: RNFR <SP> old-name (begin a rename).";
    Rnto "RNTO" user Rename Required kept logged "RFC 959 §4.1.3"
        "Syntax: RNTO <SP> new-name (finish a rename).";
    Abor "ABOR" user _ Refused trimmed reserved "RFC 959 §4.1.3"
        "Syntax: ABOR (break off the transfer).";
    Dele "DELE" user Delete Required kept logged "RFC 959 §4.1.3"
        "Syntax: DELE <SP> file-name (delete a file).";
    Rmd "RMD" user Delete Required kept logged "RFC 959 §4.1.3"
        "Syntax: RMD <SP> dir-name (delete an empty directory).";
    Xrmd "XRMD" user Delete Required kept logged "RFC 775"
        "Syntax: XRMD <SP> dir-name (older name of RMD).";
    Mkd "MKD" user MakeDir Required kept logged "RFC 959 §4.1.3"
        "Syntax: MKD <SP> dir-name (create a directory).";
    Xmkd "XMKD" user MakeDir Required kept logged "RFC 775"
        "Syntax: XMKD <SP> dir-name (older name of MKD).";
    Pwd "PWD" user _ Refused trimmed "RFC 959 §4.1.3"
        "Syntax: PWD (show the working directory).";
    Xpwd "XPWD" user _ Refused trimmed "RFC 775"
        "Syntax: XPWD (older name of PWD).";
    List "LIST" user List Optional kept "RFC 959 §4.1.3"
        "Syntax: LIST [<SP> path] (list a directory, long form).";
    Nlst "NLST" user List Optional kept "RFC 959 §4.1.3"
        "Syntax: NLST [<SP> path] (list a directory, names only).";
    Mlsd "MLSD" user List Optional kept "RFC 3659 §7"
        "Syntax: MLSD [<SP> dir-name] (list a directory, form for programs).";
    Mlst "MLST" user List Optional kept "RFC 3659 §7"
        "Syntax: MLST [<SP> path] (show the facts of one entry)."
        feature "MLST";
    Size "SIZE" user List Required kept "RFC 3659 §4"
        "Syntax: SIZE <SP> file-name (show a file's size)."
        feature "SIZE";
    Mdtm "MDTM" user (List ChangeTime) Required kept "RFC 3659 §3"
        "Syntax: MDTM <SP> [YYYYMMDDHHMMSS <SP>] path (show or set a file's modification time)."
        feature "MDTM";
    Mfmt "MFMT" user ChangeTime Required kept logged "draft-somers-ftp-mfxx §3.1"
        "Syntax: MFMT <SP> YYYYMMDDHHMMSS <SP> path (set a file's modification time)."
        feature "MFMT";
    Mff "MFF" user (ChangeTime ChangeMode) Required kept "draft-somers-ftp-mfxx"
        "Syntax: MFF <SP> fact=value; <SP> path (set facts: Modify, UNIX.mode)."
        feature "MFF";
    Avbl "AVBL" user List Optional kept "draft-peterson-streamlined-ftp-command-extensions"
        "Syntax: AVBL [<SP> path] (show the space that is free)."
        feature "AVBL";
    Hash "HASH" user Retrieve Required kept "draft-bryan-ftpext-hash"
        "Syntax: HASH <SP> file-name (show a file's hash, by the algorithm of OPTS HASH)."
        feature "HASH";
    Xcrc "XCRC" user Retrieve Required kept "no standard"
        "Syntax: XCRC <SP> file-name [<SP> start [<SP> end]] (show a file's CRC-32)."
        feature "XCRC";
    Xmd5 "XMD5" user Retrieve Required kept "no standard"
        "Syntax: XMD5 <SP> file-name [<SP> start [<SP> end]] (show a file's MD5)."
        feature "XMD5";
    Xsha "XSHA" user Retrieve Required kept "no standard"
        "Syntax: XSHA <SP> file-name [<SP> start [<SP> end]] (show a file's SHA-1)."
        feature "XSHA";
    Xsha1 "XSHA1" user Retrieve Required kept "no standard"
        "Syntax: XSHA1 <SP> file-name [<SP> start [<SP> end]] (show a file's SHA-1)."
        feature "XSHA1";
    Xsha256 "XSHA256" user Retrieve Required kept "no standard"
        "Syntax: XSHA256 <SP> file-name [<SP> start [<SP> end]] (show a file's SHA-256)."
        feature "XSHA256";
    Xsha512 "XSHA512" user Retrieve Required kept "no standard"
        "Syntax: XSHA512 <SP> file-name [<SP> start [<SP> end]] (show a file's SHA-512)."
        feature "XSHA512";
    Comb "COMB" user (Store Retrieve Delete) Required kept "no standard"
        "Syntax: COMB <SP> target <SP> part [<SP> part ...] (append files to one, delete them)."
        feature "COMB";
    Cpfr "CPFR" user Retrieve Required kept "no standard"
        "Syntax: CPFR <SP> file-name (begin a copy)."
        feature "CPFR";
    Cpto "CPTO" user (Store Retrieve) Required kept "no standard"
        "Syntax: CPTO <SP> file-name (finish a copy)."
        feature "CPTO";
    Site "SITE" anyone _ Required kept reserved "RFC 959 §4.1.3"
        "Syntax: SITE <SP> command (this server's own commands).";
    SiteHelp "SITE HELP" anyone _ Optional trimmed "no standard"
        "Syntax: SITE HELP [<SP> command] (explain SITE commands).";
    SiteChmod "SITE CHMOD" user ChangeMode Required kept logged "no standard"
        "Syntax: SITE CHMOD <SP> mode <SP> path (change a file's mode)."
        feature "SITE CHMOD";
    SiteUtime "SITE UTIME" user ChangeTime Required kept "no standard"
        "Syntax: SITE UTIME <SP> YYYYMMDDhhmm[ss] <SP> path (set a file's modification time)."
        feature "SITE UTIME";
    SiteSymlink "SITE SYMLINK" user Store Required kept "no standard"
        "Syntax: SITE SYMLINK <SP> target <SP> link-name (make a symbolic link)."
        feature "SITE SYMLINK";
    SiteCopy "SITE COPY" user (Store Retrieve) Required kept "no standard"
        "Syntax: SITE COPY <SP> from <SP> to (copy a file)."
        feature "SITE COPY";
    SiteCpfr "SITE CPFR" user Retrieve Required kept "no standard"
        "Syntax: SITE CPFR <SP> file-name (begin a copy)."
        feature "SITE CPFR";
    SiteCpto "SITE CPTO" user (Store Retrieve) Required kept "no standard"
        "Syntax: SITE CPTO <SP> file-name (finish a copy)."
        feature "SITE CPTO";
    SiteMkdir "SITE MKDIR" user MakeDir Required kept "no standard"
        "Syntax: SITE MKDIR <SP> dir-name (create a directory)."
        feature "SITE MKDIR";
    SiteRmdir "SITE RMDIR" user Delete Required kept "no standard"
        "Syntax: SITE RMDIR <SP> dir-name (delete an empty directory)."
        feature "SITE RMDIR";
    Syst "SYST" anyone _ Refused trimmed "RFC 959 §4.1.3"
        "Syntax: SYST (show the system type).";
    Stat "STAT" anyone List Optional kept "RFC 959 §4.1.3"
        "Syntax: STAT [<SP> path] (show the session's state, or list a path here).";
    Feat "FEAT" anyone _ Refused trimmed "RFC 2389 §3"
        "Syntax: FEAT (list extensions).";
    Opts "OPTS" anyone _ Required trimmed "RFC 2389 §4"
        "Syntax: OPTS <SP> command [<SP> options] (set a command's options).";
    Host "HOST" anyone _ Required trimmed "RFC 7151 §3"
        "Syntax: HOST <SP> name (choose a virtual host, before USER)."
        feature "HOST";
    Lang "LANG" anyone _ Optional trimmed "RFC 2640 §4"
        "Syntax: LANG [<SP> tag] (choose the language of replies; there is EN)."
        feature "LANG EN*";
    Csid "CSID" anyone _ Optional trimmed "draft-peterson-streamlined-ftp-command-extensions"
        "Syntax: CSID [<SP> fact=value; ...] (exchange what client and server are)."
        feature "CSID";
    Clnt "CLNT" anyone _ Optional trimmed "no standard"
        "Syntax: CLNT [<SP> name] (name the client program)."
        feature "CLNT";
    Help "HELP" anyone _ Optional trimmed "RFC 959 §4.1.3"
        "Syntax: HELP [<SP> command] (explain commands).";
    Noop "NOOP" anyone _ Refused trimmed "RFC 959 §4.1.3"
        "Syntax: NOOP (do nothing).";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_row_is_found_by_its_name() {
        for info in verbs() {
            let found = |name: &str| Verb::lookup(name.as_bytes());
            assert_eq!(found(info.name), Some(info.verb));
            assert_eq!(found(&info.name.to_lowercase()), Some(info.verb));
            assert_eq!(
                found(&format!("{} ", info.name)),
                None,
                "{:?} and a blank",
                info.name
            );
            assert_eq!(info.verb.info().verb, info.verb);
        }
    }

    #[test]
    fn other_names_take_the_same_as_their_command() {
        for info in verbs() {
            let primary = info.verb.primary().info();
            assert_eq!(primary.verb.primary(), primary.verb);
            let taken = |info: &VerbInfo| (info.login_required, info.perm, info.argument);
            assert_eq!(taken(info), taken(primary), "{}", info.name);
            let says_so = info.help.contains("older name of");
            assert!(!says_so || primary.verb != info.verb, "{}", info.name);
        }
    }

    #[test]
    fn names_that_only_look_like_verbs_are_unknown() {
        for name in [
            "", "\0", "PWD\0", "PW", "PWDX", "RETRX", "SITE ", "SITE X", "CHMOD", "SMNT",
        ] {
            assert_eq!(Verb::lookup(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn help_shows_the_name_and_the_argument_rule() {
        for info in verbs() {
            let rest = info
                .help
                .strip_prefix("Syntax: ")
                .and_then(|help| help.strip_prefix(info.name));
            let rest = rest.unwrap_or_else(|| panic!("{}", info.help));
            let rule = match rest.as_bytes() {
                [b' ', b'<', ..] => ArgumentRule::Required,
                [b' ', b'[', ..] => ArgumentRule::Optional,
                _ => ArgumentRule::Refused,
            };
            assert_eq!(rule, info.argument, "{}", info.help);
            assert!(rest.ends_with(")."), "{}", info.help);
        }
    }

    #[test]
    fn features_begin_with_the_name() {
        for info in verbs() {
            let rest = info.feature.and_then(|line| line.strip_prefix(info.name));
            let is_right = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
            assert_eq!(is_right, info.feature.is_some(), "{:?}", info.feature);
        }
    }

    #[test]
    fn each_letter_guards_its_commands() {
        let letters: Vec<_> = Perm::ALL
            .into_iter()
            .map(|perm| {
                let guarded = verbs().iter().filter(|info| info.perm == Some(perm));
                let names: Vec<_> = guarded.map(|info| info.name).collect();
                let besides = verbs().iter().filter(|info| info.more_perms.contains(perm));
                let besides: String = besides.map(|info| format!(" ({})", info.name)).collect();
                format!("{}: {}{besides}", perm.letter(), names.join(" "))
            })
            .collect();
        assert_eq!(
            letters,
            [
                "e: CWD XCWD CDUP XCUP",
                "l: LIST NLST MLSD MLST SIZE MDTM AVBL STAT",
                "r: RETR HASH XCRC XMD5 XSHA XSHA1 XSHA256 XSHA512 CPFR SITE CPFR \
                 (COMB) (CPTO) (SITE COPY) (SITE CPTO)",
                "a: APPE",
                "d: DELE RMD XRMD SITE RMDIR (COMB)",
                "f: RNFR RNTO",
                "m: MKD XMKD SITE MKDIR",
                "w: STOR STOU COMB CPTO SITE SYMLINK SITE COPY SITE CPTO",
                "M: SITE CHMOD (MFF)",
                "T: MFMT MFF SITE UTIME (MDTM)",
            ]
        );
    }

    #[test]
    fn few_commands_go_without_a_login() {
        let open: Vec<_> = verbs()
            .iter()
            .filter(|info| !info.login_required)
            .map(|info| info.name)
            .collect();
        assert_eq!(
            open.join(" "),
            "USER PASS ACCT REIN QUIT AUTH PBSZ PROT CCC SITE SITE HELP SYST STAT FEAT OPTS HOST LANG CSID CLNT \
             HELP NOOP"
        );
    }

    #[test]
    fn logs_tell_what_those_of_pyftpdlib_do() {
        let logged = verbs().iter().filter(|info| info.logged);
        let names: Vec<_> = logged.map(|info| info.name).collect();
        assert_eq!(
            names.join(" "),
            "CWD XCWD REIN RNFR RNTO DELE RMD XRMD MKD XMKD MFMT SITE CHMOD"
        );
    }

    proptest! {
        #[test]
        fn lookup_never_panics(name: Vec<u8>) {
            if let Some(verb) = Verb::lookup(&name) {
                prop_assert!(verb.info().name.as_bytes().eq_ignore_ascii_case(&name));
            }
        }
    }
}
