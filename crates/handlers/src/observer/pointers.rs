//! A pointer to an observer is an observer.

use std::sync::Arc;

use super::{ObservedCommand, ObservedPath, ObservedSession, ObservedTransfer, Observer, Verdict};

macro_rules! hand_on {
    ($pointer:ident) => {
        impl<T: Observer + ?Sized> Observer for $pointer<T> {
            fn is_inline(&self) -> bool {
                (**self).is_inline()
            }

            fn wants_commands(&self) -> bool {
                (**self).wants_commands()
            }

            fn on_connect(&self, session: &ObservedSession) {
                (**self).on_connect(session)
            }

            fn on_disconnect(&self, session: &ObservedSession) {
                (**self).on_disconnect(session)
            }

            fn on_login(&self, session: &ObservedSession, username: &str) {
                (**self).on_login(session, username)
            }

            fn on_login_failed(&self, session: &ObservedSession, username: &str, password: &str) {
                (**self).on_login_failed(session, username, password)
            }

            fn on_logout(&self, session: &ObservedSession, username: &str) {
                (**self).on_logout(session, username)
            }

            fn on_file_sent(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
                (**self).on_file_sent(session, transfer)
            }

            fn on_file_received(&self, session: &ObservedSession, transfer: &ObservedTransfer) {
                (**self).on_file_received(session, transfer)
            }

            fn on_incomplete_file_sent(
                &self,
                session: &ObservedSession,
                transfer: &ObservedTransfer,
            ) {
                (**self).on_incomplete_file_sent(session, transfer)
            }

            fn on_incomplete_file_received(
                &self,
                session: &ObservedSession,
                transfer: &ObservedTransfer,
            ) {
                (**self).on_incomplete_file_received(session, transfer)
            }

            fn on_rename(&self, session: &ObservedSession, from: &ObservedPath, to: &ObservedPath) {
                (**self).on_rename(session, from, to)
            }

            fn on_delete(&self, session: &ObservedSession, file: &ObservedPath) {
                (**self).on_delete(session, file)
            }

            fn on_mkdir(&self, session: &ObservedSession, directory: &ObservedPath) {
                (**self).on_mkdir(session, directory)
            }

            fn on_rmdir(&self, session: &ObservedSession, directory: &ObservedPath) {
                (**self).on_rmdir(session, directory)
            }

            fn on_chmod(&self, session: &ObservedSession, file: &ObservedPath, mode: u32) {
                (**self).on_chmod(session, file, mode)
            }

            fn on_other_change(
                &self,
                session: &ObservedSession,
                verb: &'static str,
                file: &ObservedPath,
                to: Option<&ObservedPath>,
            ) {
                (**self).on_other_change(session, verb, file, to)
            }

            fn on_command(&self, session: &ObservedSession, command: &ObservedCommand) -> Verdict {
                (**self).on_command(session, command)
            }
        }
    };
}

hand_on!(Arc);
hand_on!(Box);

#[cfg(test)]
mod tests;
