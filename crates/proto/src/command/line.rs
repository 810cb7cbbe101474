//! Splits lines into verb and argument.

use std::fmt::{self, Debug};

use super::CommandError;
use super::error::printable;
use crate::Verb;
use crate::text::Quoted;

/// A line split into verb and argument, not interpreted yet.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct CommandLine<'a> {
    /// The verb as received. For `SITE x …` this is still `SITE`.
    pub verb: &'a [u8],
    /// Everything after exactly one blank; empty if there is none.
    pub argument: &'a [u8],
}

impl<'a> CommandLine<'a> {
    /// Splits a line at the first blank.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ftpdlib_proto::CommandLine;
    /// let line = CommandLine::split(b"RETR  two blanks");
    /// assert_eq!(line.verb, b"RETR");
    /// assert_eq!(line.argument, b" two blanks");
    /// ```
    pub fn split(line: &'a [u8]) -> Self {
        let (verb, argument) = split_at_blank(line);
        Self { verb, argument }
    }

    /// The sub-command of `SITE` and its argument, both empty if `SITE` stands alone; `None` for
    /// any other verb.
    ///
    /// # Examples
    ///
    /// ```
    /// # use ftpdlib_proto::CommandLine;
    /// let line = CommandLine::split(b"site  chmod 644 a");
    /// assert_eq!(line.site_command(), Some(CommandLine::split(b"chmod 644 a")));
    /// assert_eq!(CommandLine::split(b"NOOP").site_command(), None);
    /// ```
    pub fn site_command(&self) -> Option<Self> {
        self.verb
            .eq_ignore_ascii_case(b"SITE")
            .then(|| split_site(self.argument))
    }

    /// Resolves the verb, in any case, and returns it with its argument. For `SITE`, these are the
    /// verb of the sub-command, and what follows the sub-command.
    ///
    /// # Errors
    ///
    /// [`CommandError::UnknownVerb`]; for `SITE`, [`CommandError::UnknownSiteCommand`], or
    /// [`CommandError::MissingArgument`] if `SITE` stands alone.
    pub fn resolve(&self) -> Result<(Verb, &'a [u8]), CommandError> {
        match Verb::lookup(self.verb) {
            Some(Verb::Site) => resolve_site(self.argument),
            Some(verb) => Ok((verb, self.argument)),
            None => Err(CommandError::UnknownVerb {
                verb: printable(self.verb),
            }),
        }
    }
}

impl Debug for CommandLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandLine")
            .field("verb", &Quoted(self.verb))
            .field("argument", &Quoted(self.argument))
            .finish()
    }
}

/// Resolves the argument of `SITE` into the verb of a sub-command, never `SITE` itself, and its
/// argument.
pub(super) fn resolve_site(argument: &[u8]) -> Result<(Verb, &[u8]), CommandError> {
    let CommandLine {
        verb: name,
        argument,
    } = split_site(argument);
    if name.is_empty() {
        return Err(CommandError::MissingArgument);
    }
    match Verb::lookup_site(name) {
        Some(verb) => Ok((verb, argument)),
        None => Err(CommandError::UnknownSiteCommand {
            name: printable(name),
        }),
    }
}

/// Splits the argument of `SITE`, in which any number of blanks may come first.
fn split_site(argument: &[u8]) -> CommandLine<'_> {
    CommandLine::split(argument.trim_ascii_start())
}

/// Splits `text` at the first blank.
pub(super) fn split_at_blank(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|&byte| byte == b' ') {
        Some(blank) => (&text[..blank], &text[blank + 1..]),
        None => (text, b""),
    }
}
