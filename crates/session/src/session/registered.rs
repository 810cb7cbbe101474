//! Commands that the server's owner added: their gate is that of all others, their work a job.

use ftpdlib_proto::{ArgumentRule, CommandError, CommandLine, Reply, Verb};

use super::Session;
use super::pending::Purpose;
use crate::{Action, RegisteredCommand, Secret};

impl<P> Session<P> {
    /// Takes a line whose verb was registered; `false` if it was not.
    pub(super) fn answer_registered(&mut self, line: &CommandLine<'_>) -> bool {
        let Some((index, argument)) = find(&self.config.commands, line) else {
            return false;
        };
        let command = &self.config.commands[index];
        let given = !argument.trim_ascii().is_empty();
        let refusal = match command.argument {
            ArgumentRule::Required if !given => Some(CommandError::MissingArgument.reply()),
            ArgumentRule::Refused if given => Some(CommandError::UnexpectedArgument.reply()),
            ArgumentRule::Required | ArgumentRule::Optional | ArgumentRule::Refused => None,
        };
        if let Some(reply) = refusal {
            self.reply(reply);
        } else if command.login_required && self.username().is_none() {
            self.reply(Reply::new(530, "Log in with USER and PASS first."));
        } else {
            let perm = command.perm;
            match self.parameters.encoding.decode_name(argument) {
                Ok(argument) => {
                    let path = if given { &argument[..] } else { b"" };
                    let Some(path) = self.resolve(path) else {
                        return true;
                    };
                    let action = Action::Registered {
                        index,
                        argument: Secret(argument.into_owned()),
                        path,
                        working_directory: self.working_directory.clone(),
                    };
                    self.ask(perm, action, Purpose::Registered);
                }
                Err(error) => self.reply(CommandError::from(error).reply()),
            }
        }
        true
    }
}

/// The place of the command that a line calls, and its argument.
pub(super) fn find<'a>(
    commands: &[RegisteredCommand],
    line: &CommandLine<'a>,
) -> Option<(usize, &'a [u8])> {
    if commands.is_empty() {
        return None;
    }
    let sub_command = line.site_command();
    let (site, called) = (sub_command.is_some(), sub_command.unwrap_or(*line));
    let index = commands
        .iter()
        .position(|command| command.is_named(site, called.verb))
        .or_else(|| in_place_of(commands, line.resolve().ok()?.0))?;
    Some((index, called.argument))
}

/// The place of the command that replaces the one of the table that `verb` is a name of: who may
/// not have that must not have it by another name.
pub(super) fn in_place_of(commands: &[RegisteredCommand], verb: Verb) -> Option<usize> {
    let name = verb.primary().info().name;
    commands.iter().position(|command| command.name == name)
}
