//! Who may log in, and what they may do.
#![forbid(unsafe_code)]

mod authorizer;

pub use authorizer::{
    AuthenticationFailed, Authorizer, AuthorizerError, Guard, Login, LoginRequest,
};
