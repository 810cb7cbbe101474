//! Commands that the server's owner adds.

use ftpdlib_proto::{ArgumentRule, Perm};

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
    /// Whether its name, or that of its sub-command of SITE, is `verb` in any case.
    pub(crate) fn is_named(&self, site: bool, verb: &[u8]) -> bool {
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
