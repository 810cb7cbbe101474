//! Decides who may log in to an FTP server, and what each user may do there.
//!
//! [`Authorizer`] is the trait that a server uses; [`DummyAuthorizer`] keeps its own table of
//! virtual users, and [`UnixAuthorizer`] uses the users of the system. The names are those of
//! pyftpdlib's `authorizers` module.
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod accepted_certificates;
mod authorizer;
mod certificate;
mod directory;
mod dummy;
mod error;
mod guard;
mod hash_permit;
mod into_perms;
mod locked;
mod login;
mod origin;
mod overrides;
mod password;
mod rights;
mod unix;

pub use authorizer::Authorizer;
pub use certificate::{CertificateError, CertificateSubject, VerifiedCertificate};
pub use dummy::{DummyAuthorizer, User};
pub use error::AuthorizerError;
pub use guard::Guard;
pub use into_perms::IntoPerms;
pub use login::{AuthenticationFailed, Login, LoginRequest, client_network};
pub use unix::{UnixAuthorizer, UnixAuthorizerBuilder, UserOverride};
