//! Running custom commands.

use std::sync::Arc;

use ftpdlib_proto::{Perm, VirtualPath};
use ftpdlib_session::{Action, Answer, Job, JobOutcome, Refusal, Secret};

use super::{Account, Payload, permission, permitted};
use crate::client::Client;
use crate::settings::last_reply;
use crate::{CommandContext, owners_code};

/// A custom command on its way to a thread.
pub(crate) struct CommandCall {
    pub(crate) account: Option<Arc<Account>>,
    pub(crate) secure: bool,
}

impl CommandCall {
    /// Runs the command that `job` asks for. May block.
    pub(crate) fn run(self, client: &Client, job: Job) -> JobOutcome<Payload> {
        let Job { perm, mut action } = job;
        let impersonate =
            |account| owners_code::call_or_refuse(account, || Account::impersonate(account));
        let _guard = self.account.as_deref().map(impersonate).transpose()?;
        let account = match (self.account, perm) {
            (Some(account), Some(perm)) => Some(owners_code::call_or_refuse(&account, || {
                pinned(&account, perm, &mut action)
            })?),
            (None, Some(_)) => return Err(permission::denied()),
            (account, None) => account,
        };
        let account = account.as_deref();
        let Action::Registered {
            index,
            argument: Secret(argument),
            path,
            working_directory,
        } = &action
        else {
            return Err(Refusal::local_error());
        };
        let Some(command) = client.service.commands.get(*index) else {
            return Err(Refusal::local_error());
        };
        let mut context = CommandContext {
            client,
            account,
            argument,
            path,
            working_directory,
            secure: self.secure,
        };
        let username = account.map(|account| account.login().username.as_str());
        let prefix = client.prefix(username);
        let who = format_args!("the custom command {}", command.registered.name);
        let reply = owners_code::call(&prefix, who, || (command.function)(&mut context));
        let reply = reply.ok_or_else(Refusal::local_error)?;
        last_reply(reply, &prefix, who).map(Answer::Reply)
    }
}

/// Checks that the user may use the command, and pins its path to what was checked.
fn pinned(
    account: &Arc<Account>,
    perm: Perm,
    action: &mut Action,
) -> Result<Arc<Account>, Refusal> {
    let pinned = permitted(account, perm, action, || Ok(()))?;
    if let Action::Registered {
        working_directory, ..
    } = action
        && !Arc::ptr_eq(account, &pinned)
        // If the working directory is gone, there is nothing in it to pin.
        && let Ok(canonical) = account.filesystem().canonical(working_directory)
    {
        *working_directory = canonical;
    }
    Ok(pinned)
}

impl Account {
    /// Whether the user has `perm` for what `path` leads to.
    pub(crate) fn is_allowed(&self, perm: Perm, path: &VirtualPath) -> bool {
        permission::target(self, perm, path).is_ok()
    }
}
