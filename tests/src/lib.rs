//! Support for the tests that cross crates.
#![forbid(unsafe_code)]

pub mod clients;
pub mod dialogue;
