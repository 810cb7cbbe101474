//! Information: FEAT, HELP, SITE HELP, STAT, SYST, NOOP, CLNT, CSID, LANG (RFC 959 §4.1.3,
//! RFC 2389 §3, RFC 2640 §4).

use std::borrow::Cow;
use std::sync::LazyLock;

use ftpdlib_proto::{Perm, Perms, Reply, TransferDirection, TransferType, Verb, verbs};

use super::Session;
use super::data_channel::DataChannel;
use super::login::Login;
use super::running::Running;
use crate::{RegisteredCommand, VERSION};

/// Prefix of the names of SITE's sub-commands in the verb table.
const SITE: &str = "SITE ";

/// The line of FEAT for UTF-8 names.
const UTF8: &str = "UTF8";

/// The lines of FEAT in order, each with the command that it belongs to, if any.
static FEATURES: LazyLock<Vec<(&str, Option<Verb>)>> = LazyLock::new(|| {
    let commands = verbs().iter();
    let commands = commands.filter_map(|info| Some((info.feature?, Some(info.verb))));
    let mut lines: Vec<_> = commands.chain([("TVFS", None), (UTF8, None)]).collect();
    lines.sort_unstable_by_key(|&(line, _)| line);
    lines
});

impl<P> Session<P> {
    /// NOOP.
    pub(super) fn noop(&mut self) {
        self.reply(Reply::new(200, "NOOP ok."));
    }

    /// SYST: tells clients which form of LIST to expect.
    pub(super) fn syst(&mut self) {
        self.reply(Reply::new(215, "UNIX Type: L8"));
    }

    /// CLNT: the client's name makes no difference.
    pub(super) fn clnt(&mut self) {
        self.reply(Reply::new(200, "Noted."));
    }

    /// CSID: like CLNT, but the server introduces itself, too.
    pub(super) fn csid(&mut self) {
        let text = format!("Name=ftpdlib; Version={VERSION}; CaseSensitive=1; DirSep=/;");
        self.reply(Reply::new(200, text));
    }

    /// LANG: parsing refuses all languages but English.
    pub(super) fn lang(&mut self) {
        self.reply(Reply::new(200, "Replies are in English."));
    }

    /// FEAT: lists only what works. Before the login, that is what works for at least some user.
    pub(super) fn feat(&mut self) {
        let perms = self.login.perms();
        let own = FEATURES.iter();
        let own = own.filter_map(|&(line, verb)| self.feature(line, verb, perms));
        let added = self.config.commands.iter();
        let added = added.filter(|added| added.perm.is_none_or(|perm| perms.contains(perm)));
        let added = added.filter_map(|added| added.feature.clone());
        let lines = own.chain(added.map(|line| line.into_bytes().into()));
        self.reply(Reply::multi(211, "Features supported:", lines, "End FEAT."));
    }

    /// HELP. ncftp reads `HELP SITE` to learn of SITE CHMOD.
    pub(super) fn help(&mut self, topic: Option<&str>) -> Result<(), Reply> {
        match topic {
            None => self.reply_with_names("The following commands are recognized:", |name| {
                (!name.starts_with(SITE)).then_some(name)
            }),
            Some(topic) if topic.eq_ignore_ascii_case("SITE") => return self.site_help(None),
            Some(topic) => self.reply_with_help(topic)?,
        }
        Ok(())
    }

    /// SITE HELP.
    pub(super) fn site_help(&mut self, topic: Option<&str>) -> Result<(), Reply> {
        match topic {
            None => self.reply_with_names("The following SITE commands are recognized:", |name| {
                name.strip_prefix(SITE)
            }),
            Some(topic) => self.reply_with_help(&format!("{SITE}{topic}"))?,
        }
        Ok(())
    }

    /// STAT without a path. It shows no real path, and no address that the client does not know.
    pub(super) fn stat(&mut self) {
        let transfer_type = match self.parameters.transfer_type {
            TransferType::Ascii => "ASCII",
            TransferType::Image => "Binary",
        };
        let lines = [
            format!("Connected to: {}", self.peer),
            match &self.login {
                Login::Out => "Waiting for username.".to_owned(),
                Login::Named(_) => "Waiting for password.".to_owned(),
                Login::In(user) => format!("Logged in as: {}", user.username),
            },
            format!("TYPE: {transfer_type}; STRUcture: File; MODE: Stream"),
            match self.config.timeout {
                Some(timeout) => format!("Idle timeout: {} seconds", timeout.as_secs()),
                None => "Idle timeout: none".to_owned(),
            },
            match &self.data {
                _ if self.is_working() => "A digest or a copy is in progress.".to_owned(),
                DataChannel::Closed => "Data connection closed.".to_owned(),
                DataChannel::Listening { .. } => {
                    "Passive data channel waiting for connection.".to_owned()
                }
                DataChannel::Target(_) => "Active data channel not yet connected.".to_owned(),
                DataChannel::Connecting { .. } => "Active data channel connecting.".to_owned(),
                DataChannel::Open { .. } => "Data connection open.".to_owned(),
                DataChannel::Transferring(running) => progress(running),
            },
        ];
        let lines = lines.map(String::into_bytes);
        self.reply(Reply::multi(
            211,
            "FTP server status:",
            lines,
            "End of status.",
        ));
    }

    /// Replies with a list of names in columns.
    fn reply_with_names(&mut self, first: &'static str, shown: impl Fn(&str) -> Option<&str>) {
        let own = verbs().iter().filter(|info| self.offers(info.verb));
        let own = own.map(|info| info.name);
        let added = self.config.commands.iter().map(|added| added.name.as_str());
        let mut names: Vec<_> = own.chain(added).filter_map(shown).collect();
        names.sort_unstable();
        names.dedup();
        let lines: Vec<_> = names
            .chunks(8)
            .map(|row| {
                let line: String = row.iter().map(|name| format!("{name:<7} ")).collect();
                line.trim_end().as_bytes().to_vec()
            })
            .collect();
        self.reply(Reply::multi(214, first, lines, "Help command successful."));
    }

    fn offers(&self, verb: Verb) -> bool {
        self.not_offered(verb).is_none()
    }

    /// A line of [`FEATURES`] with the values that this session has for it, if it works for a user
    /// with `perms`.
    fn feature(
        &self,
        line: &'static str,
        verb: Option<Verb>,
        perms: Perms,
    ) -> Option<Cow<'static, [u8]>> {
        let works = match verb {
            Some(verb) => self.offers(verb) && may_work(verb, perms),
            None => line != UTF8 || self.offers_utf8(),
        };
        if !works {
            return None;
        }
        let values = match verb {
            Some(Verb::Hash) => self.parameters.hash.format_feat(),
            Some(Verb::Mlst) => self.parameters.facts.format_feat(),
            Some(Verb::Mff) => settable_facts(perms),
            _ => return Some(line.as_bytes().into()),
        };
        Some(format!("{line} {values}").into_bytes().into())
    }

    fn reply_with_help(&mut self, topic: &str) -> Result<(), Reply> {
        let (commands, verb) = (&self.config.commands, Verb::lookup(topic.as_bytes()));
        let added = commands
            .iter()
            .position(|command| command.name.eq_ignore_ascii_case(topic))
            .or_else(|| RegisteredCommand::in_place_of(commands, verb?));
        self.reply(match (added, verb) {
            (Some(index), _) => Reply::new(214, commands[index].help.clone()),
            (None, Some(verb)) => Reply::new(214, verb.info().help),
            (None, None) if topic.starts_with(SITE) => {
                return Err(Reply::new(501, "Unrecognized SITE command."));
            }
            (None, None) => return Err(Reply::new(501, "Unrecognized command.")),
        });
        Ok(())
    }
}

/// Whether a command can do anything for a user with `perms`.
fn may_work(verb: Verb, perms: Perms) -> bool {
    let info = verb.info();
    let more = match verb {
        // MFF works with one of the two facts, and MDTM without setting a time.
        Verb::Mff => return !settable_facts(perms).is_empty(),
        // The first half of a copy is useless without the second.
        Verb::Cpfr | Verb::SiteCpfr => return may_work(Verb::Cpto, perms),
        Verb::Mdtm => Perms::NONE,
        _ => info.more_perms,
    };
    perms.contains_all(more) && info.perm.is_none_or(|perm| perms.contains(perm))
}

/// The facts that MFF can set for a user with `perms`, as FEAT lists them.
fn settable_facts(perms: Perms) -> String {
    let facts = [
        (Perm::ChangeTime, "Modify;"),
        (Perm::ChangeMode, "UNIX.mode;"),
    ];
    let settable = facts.iter().filter(|(perm, _)| perms.contains(*perm));
    settable.map(|&(_, fact)| fact).collect()
}

/// Describes the transfer in progress in a line.
fn progress(running: &Running) -> String {
    let way = match running.direction() {
        TransferDirection::Download => "sent",
        TransferDirection::Upload => "received",
    };
    format!("Data connection open: {} bytes {way}.", running.bytes)
}
