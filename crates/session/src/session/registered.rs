//! Registered commands: they pass the same checks as all others, and run as jobs.

use ftpdlib_proto::{ArgumentRule, CommandError, Reply};

use super::Session;
use super::gate::login_needed;
use super::pending::Purpose;
use crate::{Action, Secret};

impl<P> Session<P> {
    /// Runs the registered command at `index`, if the client may use it.
    pub(super) fn run_registered(&mut self, index: usize, argument: &[u8]) -> Result<(), Reply> {
        let command = &self.config.commands[index];
        let given = !argument.trim_ascii().is_empty();
        match command.argument {
            ArgumentRule::Required if !given => return Err(CommandError::MissingArgument.reply()),
            ArgumentRule::Refused if given => return Err(CommandError::UnexpectedArgument.reply()),
            ArgumentRule::Required | ArgumentRule::Optional | ArgumentRule::Refused => {}
        }
        if command.login_required && self.username().is_none() {
            return Err(login_needed());
        }
        let perm = command.perm;
        let argument = self.parameters.encoding.decode_name(argument);
        let argument = argument.map_err(|error| CommandError::from(error).reply())?;
        let path = self.resolve(if given { &argument } else { b"" })?;
        let action = Action::Registered {
            index,
            argument: Secret(argument.into_owned()),
            path,
            working_directory: self.working_directory.clone(),
        };
        self.ask_with(perm, action, Purpose::Registered);
        Ok(())
    }
}
