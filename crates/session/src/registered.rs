//! Commands added by the owner of the server.

use ftpdlib_proto::{ArgumentRule, CommandLine, Perm, Verb};

/// A command that is not in the verb table, or that replaces one of its commands, as far as a
/// session has to know it. The driver carries it out, by its index in
/// [`SessionConfig::commands`](crate::SessionConfig::commands).
#[derive(Clone, Debug)]
pub struct RegisteredCommand {
    /// Verb in upper case; `SITE PING` for a sub-command of SITE. The name of a command of the
    /// table also covers its [other names](ftpdlib_proto::Verb::primary), unless they are
    /// registered themselves.
    pub name: String,
    /// Whether the user must have logged in.
    pub login_required: bool,
    /// Permission needed at the path that the argument names, or at the working directory if there
    /// is no argument.
    pub perm: Option<Perm>,
    /// Whether the command takes an argument.
    pub argument: ArgumentRule,
    /// Text of HELP, one line.
    pub help: String,
    /// Line in FEAT; `None` if it has none.
    pub feature: Option<String>,
}

impl RegisteredCommand {
    /// Finds the command that `line` calls: its index in `commands`, and its argument. The argument
    /// is everything after exactly one blank, to the end of the line.
    ///
    /// A command of this name, in any case, is preferred; otherwise it is the command whose name is
    /// the [primary](Verb::primary) name of the verb.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ftpdlib_proto::{ArgumentRule, CommandLine};
    /// # use ftpdlib_session::RegisteredCommand;
    /// # let registered = |name: &str| RegisteredCommand {
    /// #     name: name.into(),
    /// #     login_required: true,
    /// #     perm: None,
    /// #     argument: ArgumentRule::Optional,
    /// #     help: String::new(),
    /// #     feature: None,
    /// # };
    /// let commands = [registered("SITE PING"), registered("MKD")];
    /// let find = |line: &'static str| {
    ///     RegisteredCommand::find(&commands, &CommandLine::split(line.as_bytes()))
    /// };
    /// assert_eq!(find("site  ping now"), Some((0, &b"now"[..])));
    /// assert_eq!(find("XMKD a"), Some((1, &b"a"[..])));
    /// assert_eq!(find("PING now"), None);
    /// ```
    pub fn find<'a>(commands: &[Self], line: &CommandLine<'a>) -> Option<(usize, &'a [u8])> {
        if commands.is_empty() {
            return None;
        }
        let sub_command = line.site_command();
        let (site, called) = (sub_command.is_some(), sub_command.unwrap_or(*line));
        let index = commands
            .iter()
            .position(|command| command.is_named(site, called.verb))
            .or_else(|| Self::in_place_of(commands, line.resolve().ok()?.0))?;
        Some((index, called.argument))
    }

    /// The index of the command that replaces the command of the table which `verb` names: a client
    /// that may not use the replacement must not get the original by another name.
    pub(crate) fn in_place_of(commands: &[Self], verb: Verb) -> Option<usize> {
        let name = verb.primary().info().name;
        commands.iter().position(|command| command.name == name)
    }

    /// Whether `verb`, in any case, is its name, or its sub-command's name if `site`.
    fn is_named(&self, site: bool, verb: &[u8]) -> bool {
        let name = match self.site_name() {
            Some(name) if site => name,
            None if !site => &self.name,
            Some(_) | None => return false,
        };
        name.as_bytes().eq_ignore_ascii_case(verb)
    }

    /// The name of the sub-command, if it is one of SITE.
    fn site_name(&self) -> Option<&str> {
        self.name.strip_prefix("SITE ")
    }
}
