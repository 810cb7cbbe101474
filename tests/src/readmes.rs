//! The examples of the READMEs compile.

#[doc = include_str!("../../README.md")]
mod workspace {}

#[doc = include_str!("../../crates/ftpdlib/README.md")]
mod ftpdlib {}

#[doc = include_str!("../../crates/proto/README.md")]
mod proto {}

#[doc = include_str!("../../crates/session/README.md")]
mod session {}
