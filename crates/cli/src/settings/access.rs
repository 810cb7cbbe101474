//! The users who may log in.

use ftpdlib::authorizers::{DummyAuthorizer, UnixAuthorizer};

use super::{system_users, virtual_users};
use crate::args::Args;
use crate::config::{AuthorizerKind, ConfigFile};
use crate::environment::Environment;
use crate::error::ConfigError;

/// The users who may log in.
#[derive(Debug)]
pub(crate) enum Access {
    /// The users in the file or the options.
    Virtual(DummyAuthorizer),
    /// The users of the system.
    System(Box<UnixAuthorizer>),
}

impl Access {
    /// Loads the kind of users that the file selects.
    pub(super) fn load(
        args: &Args,
        environment: &Environment,
        file: Option<&ConfigFile>,
    ) -> Result<Self, ConfigError> {
        match file {
            Some(file) if file.config().authorizer.kind == AuthorizerKind::Unix => {
                system_users::authorizer(args, file).map(|users| Self::System(Box::new(users)))
            }
            _ => virtual_users::authorizer(args, environment, file).map(Self::Virtual),
        }
    }
}
