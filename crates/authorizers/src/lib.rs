//! Who may log in to an FTP server, and what they may do there.
//!
//! [`Authorizer`] is the trait a server asks; [`DummyAuthorizer`] is the one that keeps its own
//! table of virtual users, [`UnixAuthorizer`] the one that takes those of the system. The names are
//! those of pyftpdlib's `authorizers` module.
#![forbid(unsafe_code)]

mod authorizer;
mod certificate;
mod directory;
mod dummy;
mod error;
mod guard;
mod locked;
mod login;
mod overrides;
mod owner;
mod password;
mod rights;
mod shared;
mod turn;
mod unix;

pub use authorizer::Authorizer;
pub use certificate::{CertificateError, CertificateSubject, VerifiedCertificate};
pub use dummy::{DummyAuthorizer, User};
pub use error::AuthorizerError;
pub use guard::Guard;
pub use login::{AuthenticationFailed, Login, LoginRequest};
pub use unix::{UnixAuthorizer, UnixAuthorizerBuilder, UserOverride};
