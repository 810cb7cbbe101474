//! Support for the tests that cross crates.
#![forbid(unsafe_code)]

pub mod client;
pub mod clients;
pub mod control;
pub mod dialogue;
pub mod gate;
pub mod hooked;
pub mod models;
pub mod port;
#[cfg(target_os = "linux")]
pub mod program;
#[cfg(doctest)]
mod readmes;
pub mod reply;
pub mod server;
pub mod settings;
pub mod skip;
pub mod tls;
pub mod wait;
