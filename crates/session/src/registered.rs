//! Commands that the server's owner adds.

use ftpdlib_proto::{ArgumentRule, CommandLine, Perm, Verb};

/// A command that is not in the verb table, or takes the place of one that is: what a session has
/// to know of it. What it does is the driver's, by its place in
/// [`SessionConfig::commands`](crate::SessionConfig::commands).
#[derive(Clone, Debug)]
pub struct RegisteredCommand {
    /// Verb in upper case; `SITE PING` for a sub-command. That of a command of the table stands for
    /// [other names](ftpdlib_proto::Verb::primary) of it, too, where they are not registered
    /// themselves.
    pub name: String,
    /// Whether the user must have logged in.
    pub login_required: bool,
    /// Permission needed at the path that the argument names, or at the working directory if there
    /// is no argument.
    pub perm: Option<Perm>,
    /// Whether it takes an argument.
    pub argument: ArgumentRule,
    /// Text of HELP, one line.
    pub help: String,
    /// Line of FEAT; `None` for a command that is not listed there.
    pub feature: Option<String>,
}

impl RegisteredCommand {
    /// The place in `commands` of the one that `line` calls, and its argument, with which the line
    /// ends: what follows exactly one blank, every byte of it.
    ///
    /// That is the one of this name, in any case; or else the one whose name is the
    /// [primary](Verb::primary) of the verb.
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

    /// The place of the command that replaces the one of the table that `verb` is a name of: who
    /// may not have that must not have it by another name.
    pub(crate) fn in_place_of(commands: &[Self], verb: Verb) -> Option<usize> {
        let name = verb.primary().info().name;
        commands.iter().position(|command| command.name == name)
    }

    /// Whether its name, or that of its sub-command of SITE, is `verb` in any case.
    fn is_named(&self, site: bool, verb: &[u8]) -> bool {
        let name = match self.site_name() {
            Some(name) if site => name,
            None if !site => &self.name,
            Some(_) | None => return false,
        };
        name.as_bytes().eq_ignore_ascii_case(verb)
    }

    /// Name of the sub-command, if it is one of SITE.
    fn site_name(&self) -> Option<&str> {
        self.name.strip_prefix("SITE ")
    }
}
